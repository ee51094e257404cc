"""The usual chat completion, decoded into what is used of it: one choice, whose message is a text.

`find_plain_sample` returns what `completion_sample` would, for a fraction of the work. A reply that says anything else
anywhere where `completion_sample` looks is not plain.
"""

from typing import Annotated

import msgspec

from evalhaven.domain.jsontext import may_be_too_deep
from evalhaven.domain.samples import MAX_TOKENS, NO_USAGE, Sample, Usage, plain_namespace

_Count = Annotated[int, msgspec.Meta(ge=0, lt=MAX_TOKENS)]


class _Given(msgspec.Struct):
    cached_tokens: _Count | None = None


class _Made(msgspec.Struct):
    reasoning_tokens: _Count | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: _Count
    completion_tokens: _Count
    total_tokens: _Count | None = None
    prompt_tokens_details: _Given | None = None
    completion_tokens_details: _Made | None = None
    cached_tokens: _Count | None = None
    input_tokens_details: None = None
    output_tokens_details: None = None


class _Message(msgspec.Struct):
    """A message; its reasoning is not looked at beside a text."""

    content: str
    role: str | None = None
    refusal: str | None = None
    tool_calls: list[msgspec.Raw] | None = None
    function_call: None = None
    audio: None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None
    error: None = None


class _Completion(msgspec.Struct):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1, max_length=1)]
    model: str | None = None
    usage: _Usage | None = None
    error: None = None


_decode = msgspec.json.Decoder(_Completion).decode


def find_plain_sample(body: bytes) -> Sample | None:
    """Return the sample of a chat completion; None if it is not a plain one."""
    if may_be_too_deep(body):
        return None
    try:
        completion = _decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    choice = completion.choices[0]
    message = choice.message
    text = message.content
    if not text or text.isspace() or message.refusal or message.tool_calls:
        return None
    finish_reason, model = choice.finish_reason or "", completion.model or ""
    role = message.role or "assistant"
    return Sample(
        output=[{"role": role, "content": text}],
        finish_reason=finish_reason,
        model=model,
        usage=NO_USAGE if completion.usage is None else _usage_of(completion.usage),
        namespace=plain_namespace(role, text, finish_reason, model),
    )


def _usage_of(usage: _Usage) -> Usage:
    given, made = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = usage.cached_tokens if given is None else given.cached_tokens
    reasoning = None if made is None else made.reasoning_tokens
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    return Usage(prompt, completion, usage.total_tokens or prompt + completion, cached or 0, reasoning or 0)
