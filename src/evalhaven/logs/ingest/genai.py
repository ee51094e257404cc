"""OpenTelemetry's GenAI conventions from 1.37 on: messages are attributes of a span, or of its event of details."""

from collections.abc import Iterator, Mapping

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.logs.ingest.messages import chat_messages, choice, in_short, listed, structured
from evalhaven.logs.ingest.spans import Span

_DETAILS = "gen_ai.client.inference.operation.details"
_PARAMETERS = {
    "gen_ai.request.model": "model",
    "gen_ai.request.temperature": "temperature",
    "gen_ai.request.top_p": "top_p",
    "gen_ai.request.max_tokens": "max_tokens",
    "gen_ai.request.frequency_penalty": "frequency_penalty",
    "gen_ai.request.presence_penalty": "presence_penalty",
    "gen_ai.request.seed": "seed",
    "gen_ai.request.stop_sequences": "stop",
    "gen_ai.request.choice.count": "n",
    "gen_ai.request.reasoning.level": "reasoning_effort",
    "enduser.id": "user",
    "user.id": "user",
}


def read_attributes(span: Span) -> tuple[JsonObject, list[JsonValue]] | None:
    """Return the request and the choices that a span's attributes tell; None if they do not tell what was said."""
    told: JsonObject = {}
    for name, attributes in span.events:
        told |= attributes if name == _DETAILS else {}
    told |= span.attributes
    asked, given = listed(told.get("gen_ai.input.messages")), listed(told.get("gen_ai.output.messages"))
    if given is None:
        return None
    messages = [*_instructions(told), *(each for message in asked or () for each in chat_messages(message))]
    reasons = listed(told.get("gen_ai.response.finish_reasons")) or []
    choices: list[JsonValue] = [
        choice(number, message, reasons[number] if number < len(reasons) else None)
        for number, message in enumerate(given)
    ]
    return request_of(told, messages), choices


def request_of(told: Mapping[str, JsonValue], messages: list[JsonObject]) -> JsonObject:
    """Return a request with what attributes tell of its parameters."""
    request: JsonObject = {name: told[key] for key, name in _PARAMETERS.items() if told.get(key) is not None}
    request["messages"] = [*messages]
    tools = listed(told.get("gen_ai.tool.definitions"))
    if tools:
        request["tools"] = [_tool(tool) for tool in tools]
    return request


def reply_of(span: Span, choices: list[JsonValue]) -> JsonObject:
    """Return a chat completion of choices, with what attributes tell of it."""
    told = span.attributes
    asked, answered = told.get("gen_ai.usage.input_tokens"), told.get("gen_ai.usage.output_tokens")
    reply: JsonObject = {
        "id": told.get("gen_ai.response.id"),
        "object": "chat.completion",
        "created": span.started_ns // 1_000_000_000,
        "model": told.get("gen_ai.response.model", told.get("gen_ai.request.model")),
        "choices": choices,
    }
    if isinstance(asked, int) and isinstance(answered, int):
        usage: JsonObject = {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "total_tokens": asked + answered,
        }
        cached = told.get("gen_ai.usage.cache_read.input_tokens")
        if isinstance(cached, int):
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        reply["usage"] = usage
    return reply


def _instructions(told: Mapping[str, JsonValue]) -> Iterator[JsonObject]:
    parts = structured(told.get("gen_ai.system_instructions"))
    if isinstance(parts, str) and parts:
        yield {"role": "system", "content": parts}
    elif isinstance(parts, list) and parts:
        yield {"role": "system", "content": in_short([_text(part) for part in parts])}


def _text(part: JsonValue) -> JsonValue:
    if isinstance(part, dict) and part.get("type") == "text" and "content" in part:
        return {"type": "text", "text": part["content"]}
    return part


def _tool(tool: JsonValue) -> JsonValue:
    """Return the definition of a tool as chat completions have it: the conventions leave out one level."""
    if not isinstance(tool, dict) or "function" in tool or tool.get("type", "function") != "function":
        return tool
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}}
