"""Response objects as samples, in the form of chat completions."""

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.samples import Sample, Usage, sample_namespace, token_count
from evalhaven.domain.tool_calls import is_call, is_left_to_client, tool_call_of
from evalhaven.sampling.messages.contents import TEXT_TYPES
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError, text_or_refuse, upstream_failure

_INCOMPLETE = {"max_output_tokens": "length"}


def response_sample(reply: JsonObject) -> Sample:
    """Return the sample of a response: its messages as one, with every call among its items.

    Raises:
        UnusableReplyError: It is none, tells of a failure, or is not finished.
    """
    status = reply.get("status")
    if reply.get("error") or status == "failed":
        raise upstream_failure(reply.get("error"))
    if status not in ("completed", "incomplete", None):
        raise UnusableReplyError("it is a response that was not carried out to its end")
    items = reply.get("output")
    if not isinstance(items, list):
        raise UnusableReplyError("it has no output")
    texts: list[tuple[str, bool]] = []
    calls: list[JsonValue] = []
    refusal, waits = "", False
    for item in items:
        if not isinstance(item, dict):
            raise UnusableReplyError("it has an output item that is no object")
        kind = item.get("type")
        if kind == "message":
            text, refused = _said(item.get("content"))
            texts.append((text, item.get("phase") == "commentary"))
            refusal += refused
        elif is_call(kind):
            calls.append(_call(item))
            waits = waits or is_left_to_client(kind)
    message: JsonObject = {"role": "assistant", "content": _final(texts)}
    if calls:
        message["tool_calls"] = calls
    if refusal:
        message["refusal"] = refusal
    output: list[JsonValue] = [message]
    finish_reason = _finish_reason(reply, waits=waits)
    model = text_or_refuse(reply.get("model"), "model")
    return Sample(
        output=output,
        finish_reason=finish_reason,
        model=model,
        usage=_usage(reply.get("usage")),
        namespace=sample_namespace(output, finish_reason, model),
        reasoning=_reasoning_alone(items),
    )


def _said(content: JsonValue) -> tuple[str, str]:
    """Return the text and the refusal of a message."""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        raise UnusableReplyError("it has a message without content")
    text, refusal = "", ""
    for part in content:
        if not isinstance(part, dict):
            raise UnusableReplyError("it has a content part that is no object")
        if part.get("type") in TEXT_TYPES:
            text += text_or_refuse(part.get("text"), "text")
        elif part.get("type") == "refusal":
            refusal += text_or_refuse(part.get("refusal"), "refusal")
    return text, refusal


def _final(texts: list[tuple[str, bool]]) -> str:
    """Return what was said, without the comments on the way to it where there is more than those."""
    final = [text for text, is_commentary in texts if not is_commentary]
    return "".join(final or [text for text, _ in texts])


def _call(item: JsonObject) -> JsonObject:
    for key in ("name", "call_id"):
        text_or_refuse(item.get(key), f"{key} of a call")
    return tool_call_of(item)


def _finish_reason(reply: JsonObject, *, waits: bool) -> str:
    if reply.get("status") == "incomplete":
        details = reply.get("incomplete_details")
        reason = text_or_refuse(details.get("reason"), "reason") if isinstance(details, dict) else ""
        return _INCOMPLETE.get(reason, reason) or "length"
    return "tool_calls" if waits else "stop"


def _usage(usage: JsonValue) -> Usage:
    if not isinstance(usage, dict):
        return Usage()
    given, made = usage.get("input_tokens_details"), usage.get("output_tokens_details")
    prompt, completion = token_count(usage.get("input_tokens")), token_count(usage.get("output_tokens"))
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=token_count(usage.get("total_tokens")) or prompt + completion,
        cached_tokens=token_count(given.get("cached_tokens")) if isinstance(given, dict) else 0,
        reasoning_tokens=token_count(made.get("reasoning_tokens")) if isinstance(made, dict) else 0,
    )


def _reasoning_alone(items: list[JsonValue]) -> str:
    """Return the reasoning of a response without a message: some servers put the whole answer there."""
    objects = [item for item in items if isinstance(item, dict)]
    if any(item.get("type") == "message" for item in objects):
        return ""
    contents = [item.get("content") for item in objects if item.get("type") == "reasoning"]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "reasoning_text"]
    return "".join(text for text in texts if isinstance(text, str))
