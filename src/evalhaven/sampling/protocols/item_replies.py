"""Replies of applications as samples: a text, or any form in which a row may bring its sample along."""

import math

import msgspec

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue, parse_reply
from evalhaven.domain.sample_forms import is_readable
from evalhaven.domain.samples import NO_USAGE, Sample, namespace_of, sample_of_row
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError, shortened

# What the forms themselves consist of; the rest is the application's own.
_OF_FORMS = frozenset(
    {
        "audio", "choices", "content", "cost", "created", "created_at", "error", "finish_reason", "function_call", "id",
        "incomplete_details", "message", "model", "object", "output", "output_audio", "output_json", "output_text",
        "output_tools", "outputs", "refusal", "retryable", "role", "sampled_model_name", "service_tier", "status",
        "system_fingerprint", "token_usage", "tool_calls", "usage",
    }
)  # fmt: skip
_DERIVED = ("output_json", "output_tools", "output_audio")


def item_sample(body: bytes) -> Sample:
    """Return the sample that an application's reply is.

    Raises:
        UnusableReplyError: The reply is empty, not UTF-8, or an object in which no answer is found.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise UnusableReplyError("it is not UTF-8 text") from error
    said = text.strip()
    if not said:
        raise UnusableReplyError("it is empty")
    answer: JsonValue = None
    if said[0] in '{"':
        try:
            answer = parse_reply(body)
        except InvalidJsonError as error:
            if said[0] == "{":
                raise UnusableReplyError(f"it begins like JSON and is not: {shortened(str(error))}") from error
    if isinstance(answer, dict):
        return _sample_of(answer)
    # A program ends its last line, which is no part of the answer.
    return _said(answer if isinstance(answer, str) else text.removesuffix("\n").removesuffix("\r"))


def _said(text: str) -> Sample:
    return _completed(Sample(output=[{"role": "assistant", "content": text}], finish_reason="stop", usage=NO_USAGE))


def _sample_of(answer: JsonObject) -> Sample:
    if not is_readable({**answer, "error": None}):
        raise UnusableReplyError(
            "it is a JSON object without an answer; write the answer as `output_text`, as `output_json`, or in another "
            "form of a `sample`"
        )
    recorded = answer
    if answer.get("output_json") is not None and not isinstance(answer.get("output_text"), str):
        recorded = {**answer, "output_text": jsontext.render(answer["output_json"])}
    sample = sample_of_row(recorded, "")
    if not sample.output:
        raise UnusableReplyError("it is a JSON object without an `output_text`")
    bare = Sample(output=sample.output, finish_reason=sample.finish_reason or "stop", model=sample.model)
    derived = namespace_of(bare)
    given = sample.namespace or {}
    extras = {key: value for key, value in given.items() if key not in _OF_FORMS}
    extras |= {key: given[key] for key in _DERIVED if key in given and given[key] != derived.get(key)}
    return _completed(msgspec.structs.replace(bare, usage=sample.usage, cost=_cost_in(answer), extras=extras or None))


def _completed(sample: Sample) -> Sample:
    return msgspec.structs.replace(sample, namespace=namespace_of(sample))


def _cost_in(answer: JsonObject) -> float | None:
    """Return the US dollars that an application says it spent; None if it does not say.

    Raises:
        UnusableReplyError: What it says is no amount.
    """
    cost = answer.get("cost")
    if cost is None:
        return None
    if isinstance(cost, bool) or not isinstance(cost, int | float) or cost < 0 or not math.isfinite(cost):
        raise UnusableReplyError("its `cost` is not a number of US dollars")
    return float(cost)
