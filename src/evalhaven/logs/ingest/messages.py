"""The messages of OpenTelemetry's GenAI conventions as those of chat completions."""

from typing import cast

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue

_REASONS = {"tool_call": "tool_calls", "max_tokens": "length"}


def structured(value: JsonValue) -> JsonValue:
    """Return what an attribute holds: conventions allow structures, and JSON where a library has none."""
    if not isinstance(value, str):
        return value
    try:
        return jsontext.parse_received(value)
    except InvalidJsonError:
        return value


def listed(value: JsonValue) -> list[JsonValue] | None:
    """Return the elements of an attribute that holds a list; None if it holds none."""
    found = structured(value)
    return found if isinstance(found, list) else None


def chat_messages(message: JsonValue) -> list[JsonObject]:
    """Return a message in parts as messages of chat completions: each result of a tool becomes one of its own."""
    if not isinstance(message, dict):
        return [{"role": "user", "content": message}]
    role = message.get("role", "user")
    parts = message.get("parts")
    if not isinstance(parts, list):
        return [{key: value for key, value in message.items() if key != "finish_reason"}]
    content: list[JsonValue] = []
    calls: list[JsonValue] = []
    results: list[JsonObject] = []
    reasoning: list[str] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(part, dict) or kind not in ("tool_call", "tool_call_response", "reasoning"):
            content.append(_content_part(part))
        elif kind == "tool_call":
            calls.append(tool_call(part.get("id"), part.get("name"), part.get("arguments")))
        elif kind == "tool_call_response":
            said = part.get("response", part.get("result"))
            results.append({"role": "tool", "tool_call_id": part.get("id"), "content": as_text(said)})
        else:
            reasoning.append(as_text(part.get("content")))
    if results and not content and not calls:
        return results
    made: JsonObject = {"role": role, "content": in_short(content)}
    if "name" in message:
        made["name"] = message["name"]
    if calls:
        made["tool_calls"] = calls
    if reasoning:
        made["reasoning_content"] = "\n".join(reasoning)
    return [made, *results]


def choice(index: int, message: JsonValue, reason: JsonValue) -> JsonObject:
    """Return a message that a model gave as a choice of a chat completion."""
    made = chat_messages(message)[0]
    content = made.get("content")
    if isinstance(content, list):
        made["content"] = "".join(as_text(part.get("text")) for part in content if isinstance(part, dict))
    made["role"] = "assistant"
    reason = message.get("finish_reason", reason) if isinstance(message, dict) else reason
    if not isinstance(reason, str) or not reason:
        reason = "tool_calls" if made.get("tool_calls") else "stop"
    return {"index": index, "message": made, "finish_reason": _REASONS.get(reason, reason)}


def tool_call(call_id: JsonValue, name: JsonValue, arguments: JsonValue) -> JsonObject:
    """Return a call of a function in the form of chat completions."""
    function: JsonObject = {"name": name, "arguments": "{}" if arguments is None else as_text(arguments)}
    return {"id": call_id, "type": "function", "function": function}


def as_text(value: JsonValue) -> str:
    """Return a text as it is, nothing as nothing, and any other value as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else jsontext.render(value)


def in_short(content: list[JsonValue]) -> JsonValue:
    """Return parts as content: a single text without its wrapping, and null for no part."""
    if not content:
        return None
    first = content[0]
    if len(content) == 1 and isinstance(first, dict) and first.keys() == {"type", "text"}:
        return first["text"]
    return content


def _content_part(part: JsonValue) -> JsonValue:
    if not isinstance(part, dict):
        return {"type": "text", "text": as_text(part)}
    kind, content = part.get("type"), part.get("content")
    if kind == "text":
        return {"type": "text", "text": as_text(part.get("content", part.get("text")))}
    if part.get("modality") == "image" and kind == "blob":
        mime_type = as_text(part.get("mime_type")) or "image/png"
        return _image(f"data:{mime_type};base64,{as_text(content)}")
    if part.get("modality") == "image" and kind == "uri":
        return _image(as_text(part.get("uri")))
    return cast("JsonValue", part)


def _image(url: str) -> JsonObject:
    return {"type": "image_url", "image_url": {"url": url}}
