"""Chat completions as samples."""

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.samples import Sample, sample_namespace, usage_of
from evalhaven.sampling.messages.contents import TEXT_TYPES
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError, text_or_refuse, upstream_failure

_REASONING_TEXTS = ("reasoning_content", "reasoning")
_AUDIO_KEYS = ("id", "data", "transcript", "format")


def completion_sample(reply: JsonObject) -> Sample:
    """Return the sample of a chat completion: its first choice, the others beside it.

    Raises:
        UnusableReplyError: It is none, or tells of a failure.
    """
    if reply.get("error"):
        raise upstream_failure(reply["error"])
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices:
        raise UnusableReplyError("it has no choices")
    output: list[JsonValue] = []
    finish_reason = ""
    for choice in choices:
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            raise UnusableReplyError("it has a choice without a message")
        if choice.get("error"):
            raise upstream_failure(choice["error"])
        said = _message(message)
        reason = text_or_refuse(choice.get("finish_reason"), "finish_reason")
        if not output:
            finish_reason = reason
        elif reason != finish_reason:
            said["finish_reason"] = reason
        output.append(said)
    model = text_or_refuse(reply.get("model"), "model")
    return Sample(
        output=output,
        finish_reason=finish_reason,
        model=model,
        usage=usage_of(reply.get("usage")),
        namespace=sample_namespace(output, finish_reason, model),
        reasoning=_reasoning_alone(choices[0]),
    )


def _message(message: JsonObject) -> JsonObject:
    """Return a message with what output items show of it; a model's reasoning is not among that."""
    content, refusal = message.get("content"), text_or_refuse(message.get("refusal"), "refusal")
    if content is None:
        content = ""
    elif not isinstance(content, str):
        content, refused = _joined(content)
        refusal = refusal or refused
    said: JsonObject = {"role": text_or_refuse(message.get("role"), "role") or "assistant", "content": content}
    calls = message.get("tool_calls")
    if calls:
        if not isinstance(calls, list):
            raise UnusableReplyError("it has tool_calls that are no array")
        said["tool_calls"] = [_call(call) for call in calls]
    if refusal:
        said["refusal"] = refusal
    old = message.get("function_call")
    if old:
        said["function_call"] = _function(old)
    audio = message.get("audio")
    if isinstance(audio, dict):
        said["audio"] = {key: text_or_refuse(audio[key], key) for key in _AUDIO_KEYS if audio.get(key) is not None}
    return said


def _joined(content: JsonValue) -> tuple[str, str]:
    """Return the text and the refusal of a content of parts; parts of other types, such as thoughts, are left out."""
    if not isinstance(content, list):
        raise UnusableReplyError("it has a content that is no text")
    text, refusal = "", ""
    for part in content:
        if isinstance(part, str):
            text += part
        elif not isinstance(part, dict):
            raise UnusableReplyError("it has a content part that is no object")
        elif part.get("type") in TEXT_TYPES:
            text += text_or_refuse(part.get("text"), "text")
        elif part.get("type") == "refusal":
            refusal += text_or_refuse(part.get("refusal"), "refusal")
    return text, refusal


def _call(call: JsonValue) -> JsonObject:
    if not isinstance(call, dict):
        raise UnusableReplyError("it has a tool call that is no object")
    call_id, kind = call.get("id"), text_or_refuse(call.get("type"), "type of a tool call")
    shown: JsonObject = {"id": str(call_id) if isinstance(call_id, int) else text_or_refuse(call_id, "tool call id")}
    custom = call.get("custom")
    if isinstance(custom, dict):
        name, given = custom.get("name"), custom.get("input")
        shown["type"] = kind or "custom"
        shown["custom"] = {"name": text_or_refuse(name, "tool name"), "input": text_or_refuse(given, "tool input")}
    else:
        shown["type"] = kind or "function"
        shown["function"] = _function(call.get("function"))
    return shown


def _function(function: JsonValue) -> JsonObject:
    """Return name and arguments of a call; some servers answer arguments as an object, which becomes JSON text."""
    if not isinstance(function, dict):
        raise UnusableReplyError("it has a tool call without a function")
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else "" if arguments is None else jsontext.render(arguments)
    return {"name": text_or_refuse(function.get("name"), "function name"), "arguments": text}


def _reasoning_alone(choice: JsonValue) -> str:
    """Return the reasoning of a choice that has no content: some servers put the whole answer there."""
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict) or message.get("content") is not None:
        return ""
    texts = (message.get(key) for key in _REASONING_TEXTS)
    return next((text for text in texts if isinstance(text, str) and text), "")
