"""OpenInference's conventions: each member of each message is an attribute of its own."""

from collections.abc import Mapping

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.logs.ingest.messages import as_text, choice, in_short, structured, tool_call
from evalhaven.logs.ingest.spans import Span

_MOST_STEPS = 12  # the conventions have 8


def read_raw(span: Span) -> tuple[JsonObject, JsonObject] | None:
    """Return the request and the reply themselves, where the library kept them."""
    request, reply = structured(span.attributes.get("input.value")), structured(span.attributes.get("output.value"))
    if not isinstance(request, dict) or not isinstance(reply, dict):
        return None
    is_chat = isinstance(request.get("messages"), list) and isinstance(reply.get("choices"), list)
    is_response = "input" in request and isinstance(reply.get("output"), list) and reply.get("object") == "response"
    return (request, reply) if is_chat or is_response else None


def read_messages(span: Span) -> tuple[JsonObject, JsonObject] | None:
    """Return a request and a reply made of single attributes; None if they do not tell what was said."""
    told = nested(span.attributes, "llm")
    given = _elements(told, "output_messages")
    if not given:
        return None
    invoked = structured(told.get("invocation_parameters"))
    request: JsonObject = dict(invoked) if isinstance(invoked, dict) else {}
    model = told.get("model_name")
    if "model" not in request and model is not None:
        request["model"] = model
    request["messages"] = [_message(each) for each in _elements(told, "input_messages")]
    tools = [structured(_member(each, "tool", "json_schema")) for each in _elements(told, "tools")]
    if tools and "tools" not in request:
        request["tools"] = tools
    reply: JsonObject = {
        "id": span.attributes.get("gen_ai.response.id"),
        "object": "chat.completion",
        "created": span.started_ns // 1_000_000_000,
        "model": model if model is not None else request.get("model"),
        "choices": [choice(number, _message(each), None) for number, each in enumerate(given)],
    }
    usage = _usage(told.get("token_count"))
    if usage:
        reply["usage"] = usage
    return request, reply


def nested(attributes: Mapping[str, JsonValue], root: str) -> JsonObject:
    """Return attributes with dotted names below a root as nested objects; indexes stay keys."""
    made: JsonObject = {}
    for name, value in attributes.items():
        first, *steps = name.split(".")
        if first != root or not 0 < len(steps) <= _MOST_STEPS:
            continue
        here = made
        for step in steps[:-1]:
            inside = here.setdefault(step, {})
            if not isinstance(inside, dict):
                break  # a name that is a value and a group
            here = inside
        else:
            here.setdefault(steps[-1], value)
    return made


def _message(element: JsonObject) -> JsonObject:
    told = element.get("message")
    told = told if isinstance(told, dict) else {}
    made: JsonObject = {"role": told.get("role", "user"), "content": told.get("content")}
    contents: list[JsonValue] = [_part(each) for each in _elements(told, "contents")]
    if contents:
        made["content"] = in_short(contents)
    made |= {key: told[key] for key in ("name", "tool_call_id") if key in told}
    calls: list[JsonValue] = []
    for each in _elements(told, "tool_calls"):
        function = _member(each, "tool_call", "function")
        function = function if isinstance(function, dict) else {}
        calls.append(tool_call(_member(each, "tool_call", "id"), function.get("name"), function.get("arguments")))
    if calls:
        made["tool_calls"] = calls
    return made


def _part(element: JsonObject) -> JsonValue:
    told = element.get("message_content")
    told = told if isinstance(told, dict) else {}
    if told.get("type") == "image":
        url = _member(told, "image", "image")
        url = url.get("url") if isinstance(url, dict) else url
        return {"type": "image_url", "image_url": {"url": as_text(url)}}
    return {"type": "text", "text": as_text(told.get("text"))}


def _usage(told: JsonValue) -> JsonObject:
    if not isinstance(told, dict):
        return {}
    asked, answered = told.get("prompt"), told.get("completion")
    if not isinstance(asked, int) or not isinstance(answered, int):
        return {}
    usage: JsonObject = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
    cached = _member(told, "prompt_details", "cache_read")
    if isinstance(cached, int):
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    return usage


def _elements(holder: JsonObject, name: str) -> list[JsonObject]:
    """Return the objects of a group whose keys are indexes, in their order."""
    group = holder.get(name)
    if not isinstance(group, dict):
        return []
    indexes = sorted((key for key in group if key.isdecimal()), key=lambda key: (len(key), key))
    return [each for index in indexes if isinstance(each := group[index], dict)]


def _member(holder: JsonObject, name: str, inner: str) -> JsonValue:
    value = holder.get(name)
    return value.get(inner) if isinstance(value, dict) else None
