"""OpenTelemetry's GenAI conventions up to 1.36: each message is an event of the span."""

from collections.abc import Iterator

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.logs.ingest.genai import request_of
from evalhaven.logs.ingest.messages import as_text, choice, listed, structured, tool_call
from evalhaven.logs.ingest.spans import Span

_CONTENT = "gen_ai.event.content"
_CHOICE = "gen_ai.choice"
_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}


def read_events(span: Span) -> tuple[JsonObject, list[JsonValue]] | None:
    """Return the request and the choices that a span's events tell; None if they do not tell what was said."""
    messages: list[JsonObject] = []
    choices: list[JsonValue] = []
    for name, body in _bodies(span):
        if name == _CHOICE:
            choices.append(_choice(body, len(choices)))
        elif name in _ROLES:
            messages.append(_message(body, _ROLES[name]))
    return (request_of(span.attributes, messages), choices) if choices else None


def _bodies(span: Span) -> Iterator[tuple[str, JsonObject]]:
    """Yield the name and the content of each event; some libraries put all of them into one attribute."""
    for name, attributes in span.events:
        content = structured(attributes.get(_CONTENT))
        yield name, content if isinstance(content, dict) else attributes
    for event in listed(span.attributes.get("events")) or ():
        if isinstance(event, dict):
            yield as_text(event.get("event.name")), event


def _message(body: JsonObject, usual_role: str) -> JsonObject:
    role = body.get("role")
    made: JsonObject = {"role": role if isinstance(role, str) else usual_role, "content": body.get("content")}
    if made["role"] == "tool":
        made["tool_call_id"] = body.get("id", body.get("tool_call_id"))
    calls = _tool_calls(body)
    if calls:
        made["tool_calls"] = calls
    return made


def _choice(body: JsonObject, number: int) -> JsonObject:
    message = structured(body.get("message"))
    if not isinstance(message, dict):
        message = {"content": body.get("content") if message is None else message}
    calls = _tool_calls(message) or _tool_calls(body)
    said: JsonObject = {"role": "assistant", "content": message.get("content")}
    if calls:
        said["tool_calls"] = calls
    index = body.get("index")
    return choice(index if isinstance(index, int) else number, said, body.get("finish_reason"))


def _tool_calls(body: JsonObject) -> list[JsonValue]:
    found: list[JsonValue] = []
    for call in listed(body.get("tool_calls")) or ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(call, dict) and isinstance(function, dict):
            found.append(tool_call(call.get("id"), function.get("name"), function.get("arguments")))
    return found
