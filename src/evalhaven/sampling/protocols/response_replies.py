"""Response objects as samples, in the form of chat completions."""

from dataclasses import dataclass, field

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.samples import Sample, sample_namespace, usage_of
from evalhaven.domain.tool_calls import is_call, is_left_to_client, tool_call_of
from evalhaven.sampling.protocols.content_parts import read_content
from evalhaven.sampling.protocols.reply_errors import (
    UnusableReplyError,
    name_or_none,
    tells_of_failure,
    text_or_none,
    text_or_refuse,
    upstream_failure,
)
from evalhaven.sampling.protocols.reply_notes import PARTS_LEFT_OUT, notes_of

_INCOMPLETE = {"max_output_tokens": "length"}


def response_sample(reply: JsonObject) -> Sample:
    """Return the sample of a response: its messages as one, with every call among its items.

    Raises:
        UnusableReplyError: The reply is not a response, reports a failure, or is not finished.
    """
    status = reply.get("status")
    if tells_of_failure(reply.get("error")) or status == "failed":
        raise upstream_failure(reply.get("error"))
    if status not in ("completed", "incomplete", None):
        raise UnusableReplyError("it is a response that was not carried out to its end")
    items = reply.get("output")
    if not isinstance(items, list):
        raise UnusableReplyError("it has no output")
    said = _read_items([item for item in items if isinstance(item, dict)])
    if len(said.kinds) < len(items) and not said.kinds:
        raise UnusableReplyError("it has an output item that is not an object")
    message: JsonObject = {"role": "assistant", "content": _final(said.texts)}
    if said.calls:
        message["tool_calls"] = said.calls
    if said.refusal:
        message["refusal"] = said.refusal
    output: list[JsonValue] = [message]
    finish_reason = _finish_reason(reply, waits=said.waits)
    model = name_or_none(reply.get("model"))
    usage = usage_of(reply.get("usage"))
    has_reasoning = "reasoning" in said.kinds or said.has_reasoning or usage.reasoning_tokens > 0
    left_out = (PARTS_LEFT_OUT,) if said.is_partial else ()
    return Sample(
        output=output,
        finish_reason=finish_reason,
        model=model,
        usage=usage,
        namespace=sample_namespace(output, finish_reason, model),
        reasoning=_reasoning_alone(items),
        notes=notes_of(message, finish_reason, has_reasoning=has_reasoning, left_out=left_out),
    )


@dataclass(slots=True)
class _Said:
    """What the output items of a response say.

    Attributes:
        kinds: Their types.
        texts: Of messages, each with whether it is a comment made before the answer.
        calls: Of tools.
        refusal: Of all messages.
        waits: Whether some call is left to the caller.
        has_reasoning: Whether a message holds thoughts.
        is_partial: Whether unknown parts were left out.
    """

    kinds: list[str] = field(default_factory=list[str])
    texts: list[tuple[str, bool]] = field(default_factory=list[tuple[str, bool]])
    calls: list[JsonValue] = field(default_factory=list[JsonValue])
    refusal: str = ""
    waits: bool = False
    has_reasoning: bool = False
    is_partial: bool = False


def _read_items(items: list[JsonObject]) -> _Said:
    said = _Said()
    for item in items:
        kind = item.get("type")
        said.kinds.append(text_or_none(kind))
        if _is_message(item):
            if not isinstance(item.get("content"), str | list):
                raise UnusableReplyError("it has a message without content")
            spoken = read_content(item["content"])
            said.texts.append((spoken.text, item.get("phase") == "commentary"))
            said.refusal += spoken.refusal
            said.has_reasoning = said.has_reasoning or spoken.has_reasoning
            said.is_partial = said.is_partial or spoken.is_partial
        elif is_call(kind):
            said.calls.append(_call(item))
            said.waits = said.waits or is_left_to_client(kind)
    return said


def _is_message(item: JsonObject) -> bool:
    """Tell whether an output item is a message; some servers leave out its type."""
    kind = item.get("type")
    return kind == "message" or (kind is None and isinstance(item.get("content"), str | list))


def _final(texts: list[tuple[str, bool]]) -> str:
    """Return what was said, without the comments made before the answer unless there is nothing else."""
    final = [text for text, is_commentary in texts if not is_commentary]
    return "".join(final or [text for text, _ in texts])


def _call(item: JsonObject) -> JsonObject:
    text_or_refuse(item.get("name"), "name of a call")
    return tool_call_of({**item, "call_id": name_or_none(item.get("call_id"))})


def _finish_reason(reply: JsonObject, *, waits: bool) -> str:
    if reply.get("status") == "incomplete":
        details = reply.get("incomplete_details")
        reason = text_or_none(details.get("reason")) if isinstance(details, dict) else ""
        return _INCOMPLETE.get(reason, reason) or "length"
    return "tool_calls" if waits else "stop"


def _reasoning_alone(items: list[JsonValue]) -> str:
    """Return the reasoning of a response without a message: some servers put the whole answer there."""
    objects = [item for item in items if isinstance(item, dict)]
    if any(_is_message(item) for item in objects):
        return ""
    contents = [item.get("content") for item in objects if item.get("type") == "reasoning"]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "reasoning_text"]
    return "".join(text for text in texts if isinstance(text, str))
