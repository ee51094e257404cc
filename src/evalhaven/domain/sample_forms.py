"""The forms in which a row may hold an answer, each converted to a chat completion.

A row's `sample` is a chat completion, whole or minimal; or a form that this server and the platform answer or export:
an output item's sample, a row of a results export, a Responses object, or a single message.
"""

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.tool_calls import is_call, is_left_to_client, tool_call_of

DERIVED = frozenset({"output_text", "output_json", "output_tools", "output_audio"})
_SAID = ("content", "tool_calls", "function_call", "refusal", "audio")
_INCOMPLETE = {"max_output_tokens": "length"}


def completion_of(recorded: JsonObject) -> JsonObject | None:
    """Return a recorded answer as a chat completion with a message in its first choice.

    Args:
        recorded: A row's `sample`.

    Returns:
        The same object if it is one already; None if no known form has a message in it.
    """
    choices = recorded.get("choices")
    if isinstance(choices, list) and choices:
        return _of_choices(recorded, choices)
    for name in ("output", "outputs"):
        given = recorded.get(name)
        output: list[JsonValue] = given if isinstance(given, list) else [given]
        if any(isinstance(each, dict) and isinstance(each.get("type"), str) for each in output):
            return _of_items(recorded, output)
        messages = [message for message in map(_message_of, output) if message is not None]
        if messages:
            return _completion(recorded, messages, _text(recorded.get("finish_reason")))
    message = _message_of(recorded.get("message")) or _message_of(recorded)
    return None if message is None else _completion(recorded, [message], _text(recorded.get("finish_reason")))


def is_readable(recorded: JsonObject) -> bool:
    """Tell whether a row's `sample` holds a model's answer in a known form, or says why there is none."""
    if isinstance(recorded.get("output_text"), str) or find_error(recorded) is not None:
        return True
    if completion_of(recorded) is not None:
        return True
    return any(recorded.get(name) is not None for name in DERIVED if name != "output_text")


def find_error(recorded: JsonObject) -> tuple[str, str] | None:
    """Return code and message of the error that a row's `sample` has instead of an answer; None if it has none."""
    error = recorded.get("error")
    if not isinstance(error, dict):
        return None
    code, message = _text(error.get("code")), _text(error.get("message"))
    return (code, message) if code or message else None


def text_of(message: JsonObject) -> str | None:
    """Return the text of a message: its content, or the text of its parts; if there is only sound, its transcript."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(text for text in map(_part_text, content) if text is not None)
    audio = message.get("audio")
    transcript = audio.get("transcript") if content is None and isinstance(audio, dict) else None
    return transcript if isinstance(transcript, str) else None


def _of_choices(recorded: JsonObject, choices: list[JsonValue]) -> JsonObject | None:
    first = choices[0]
    if not isinstance(first, dict):
        return None
    if isinstance(first.get("message"), dict):
        return recorded if _message_of(first["message"]) is not None else None
    if isinstance(first.get("text"), str):  # a completion from the older endpoint
        message: JsonObject = {"role": "assistant", "content": first["text"]}
        return _completion(recorded, [message], _text(first.get("finish_reason")))
    return None


def _of_items(recorded: JsonObject, items: list[JsonValue]) -> JsonObject | None:
    """Return the output of a Responses object as a completion: its messages merged, with all its tool calls."""
    texts: list[tuple[str, bool]] = []
    refusals: list[str] = []
    calls: list[JsonValue] = []
    waits = False
    for item in items:
        if not isinstance(item, dict):
            continue
        kind = item.get("type")
        if kind in (None, "message"):
            texts.append((text_of(item) or "", item.get("phase") == "commentary"))
            refusals.extend(_refusals(item.get("content")))
        elif is_call(kind):
            calls.append(tool_call_of(item))
            waits = waits or is_left_to_client(kind)
    if not texts and not calls:
        return None
    final = [text for text, is_commentary in texts if not is_commentary]
    message: JsonObject = {"role": "assistant", "content": "".join(final or [text for text, _ in texts])}
    if calls:
        message["tool_calls"] = calls
    if refusals:
        message["refusal"] = "".join(refusals)
    return _completion(recorded, [message], _finish_reason(recorded, waits=waits))


def _message_of(value: JsonValue) -> JsonObject | None:
    """Return a chat completions message as it is, or a text as such a message; None for anything else."""
    if isinstance(value, str):
        return {"role": "assistant", "content": value}
    if not isinstance(value, dict):
        return None
    return value if any(name in value for name in _SAID) else None


def _completion(recorded: JsonObject, messages: list[JsonObject], finish_reason: str) -> JsonObject:
    choices: list[JsonValue] = [
        {"index": index, "message": message, "finish_reason": finish_reason} for index, message in enumerate(messages)
    ]
    model = recorded.get("model") or recorded.get("sampled_model_name")
    return {"model": model, "choices": choices, "usage": _usage_of(recorded)}


def _usage_of(recorded: JsonObject) -> JsonValue:
    usage = recorded.get("usage") or recorded.get("token_usage")
    if not isinstance(usage, dict) or "input_tokens" not in usage:
        return usage
    return {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "total_tokens": usage.get("total_tokens"),
        "prompt_tokens_details": usage.get("input_tokens_details"),
        "completion_tokens_details": usage.get("output_tokens_details"),
    }


def _finish_reason(recorded: JsonObject, *, waits: bool) -> str:
    """Return the finish reason of chat completions that corresponds to a response's status."""
    given = _text(recorded.get("finish_reason"))
    if given or recorded.get("status") != "incomplete":
        return given or ("tool_calls" if waits else "stop")
    details = recorded.get("incomplete_details")
    reason = _text(details.get("reason")) if isinstance(details, dict) else ""
    return _INCOMPLETE.get(reason, reason) or "length"


def _part_text(part: JsonValue) -> str | None:
    if not isinstance(part, dict):
        return None
    text = part.get("text")
    if not isinstance(text, str):
        text = part.get("transcript")
    return text if isinstance(text, str) else None


def _refusals(content: JsonValue) -> list[str]:
    parts = content if isinstance(content, list) else []
    said = [part.get("refusal") for part in parts if isinstance(part, dict)]
    return [text for text in said if isinstance(text, str)]


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
