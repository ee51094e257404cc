"""Chat completions as samples."""

from typing import NamedTuple

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.samples import Sample, sample_namespace, usage_of
from evalhaven.sampling.protocols.content_parts import Spoken, read_content
from evalhaven.sampling.protocols.reply_errors import (
    UnusableReplyError,
    name_or_none,
    refusal_or_refuse,
    tells_of_failure,
    text_or_none,
    text_or_refuse,
    upstream_failure,
)
from evalhaven.sampling.protocols.reply_notes import CHOICES_LEFT_OUT, PARTS_LEFT_OUT, notes_of

_REASONING_TEXTS = ("reasoning_content", "reasoning")
_REASONING_KEYS = ("reasoning_content", "reasoning", "reasoning_details", "thinking")
_AUDIO_KEYS = ("id", "data", "transcript", "format")


def completion_sample(reply: JsonObject) -> Sample:
    """Return the sample of a chat completion: its first choice, with the others beside it.

    Only what is used is read, so a malformed further choice does not spoil the answer; it only adds a note.

    Raises:
        UnusableReplyError: The reply is not a chat completion, or reports a failure.
    """
    if tells_of_failure(reply.get("error")):
        raise upstream_failure(reply["error"])
    choices = reply.get("choices")
    if not isinstance(choices, list) or not choices:
        raise UnusableReplyError("it has no choices")
    first = _read_choice(choices[0])
    output: list[JsonValue] = [first.message]
    left_out = [PARTS_LEFT_OUT] if first.is_partial else []
    for choice in choices[1:]:
        try:
            further = _read_choice(choice)
        except UnusableReplyError:
            if CHOICES_LEFT_OUT not in left_out:
                left_out.append(CHOICES_LEFT_OUT)
            continue
        if further.finish_reason != first.finish_reason:
            further.message["finish_reason"] = further.finish_reason
        output.append(further.message)
    model = name_or_none(reply.get("model"))
    usage = usage_of(reply.get("usage"))
    has_reasoning = first.has_reasoning or usage.reasoning_tokens > 0
    return Sample(
        output=output,
        finish_reason=first.finish_reason,
        model=model,
        usage=usage,
        namespace=sample_namespace(output, first.finish_reason, model),
        notes=notes_of(first.message, first.finish_reason, has_reasoning=has_reasoning, left_out=left_out),
        reasoning=_reasoning_alone(choices[0]),
    )


class _Choice(NamedTuple):
    """A choice as output items show it, and what they do not show."""

    message: JsonObject
    finish_reason: str
    has_reasoning: bool
    is_partial: bool


def _read_choice(choice: JsonValue) -> _Choice:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise UnusableReplyError("it has a choice without a message")
    if tells_of_failure(choice.get("error")):
        raise upstream_failure(choice["error"])
    spoken = read_content(message.get("content"))
    # Reasoning is read only if the answer has no text.
    has_reasoning = spoken.has_reasoning or (not spoken.text.strip() and any(map(message.get, _REASONING_KEYS)))
    reason = _finish_reason(choice.get("finish_reason"))
    return _Choice(_message(message, spoken), reason, has_reasoning, spoken.is_partial)


def _finish_reason(reason: JsonValue) -> str:
    """Return why an answer ended; some servers put it in an object with more."""
    if isinstance(reason, dict):
        return text_or_none(reason.get("type")) or text_or_none(reason.get("reason"))
    return text_or_none(reason)


def _message(message: JsonObject, spoken: Spoken) -> JsonObject:
    """Return what output items show of a message, without the model's reasoning."""
    refusal = refusal_or_refuse(message.get("refusal")) or spoken.refusal
    said: JsonObject = {"role": text_or_none(message.get("role")) or "assistant", "content": spoken.text}
    calls = message.get("tool_calls")
    if calls:
        if not isinstance(calls, list):
            raise UnusableReplyError("it has tool_calls that are not an array")
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


def _call(call: JsonValue) -> JsonObject:
    if not isinstance(call, dict):
        raise UnusableReplyError("it has a tool call that is not an object")
    kind = text_or_none(call.get("type"))
    shown: JsonObject = {"id": name_or_none(call.get("id"))}
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
