"""The stored form of samples: what a model answered, or what came with a row of the data source."""

from typing import Any, cast

import msgspec

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.sample_forms import text_of
from evalhaven.domain.samples import NO_SAMPLE, ItemError, Sample, Usage, error_of_row, sample_of_row, text_of_row

_RECORDED = '{"recorded":'


def sample_text(sample: Sample) -> str | None:
    """Return a sample as it is stored, without its input and latency; None if there is no sample."""
    if sample is NO_SAMPLE:
        return None
    if sample.recorded_text is not None:
        return f"{_RECORDED}{sample.recorded_text}}}"
    values: dict[str, Any] = {
        "output": sample.output,
        "finish_reason": sample.finish_reason,
        "model": sample.model,
        "usage": _usage_values(sample.usage),
        "attempts": sample.attempts,
    }
    if sample.error is not None:
        values["error"] = error_values(sample.error)
    if sample.cost is not None:
        values["cost"] = sample.cost
    if sample.is_cached:
        values["is_cached"] = True
    if sample.is_reused:
        values["is_reused"] = True
    if sample.notes:
        values["notes"] = sample.notes
    if sample.extras is not None:
        values["extras"] = sample.extras
    return jsontext.render(values)


def stored_sample(text: str, input_text: str | None = None, latency_ms: int | None = None) -> Sample:
    """Return the sample of a stored text.

    Args:
        text: The sample without what is stored beside it.
        input_text: JSON text of what was sent; None if nothing was, as for a sample that came with a row.
        latency_ms: Milliseconds that the answering call took; None if no model answered.
    """
    stored = cast("dict[str, Any]", jsontext.parse(text))
    if "recorded" in stored:
        sample = sample_of_row(stored["recorded"], text[len(_RECORDED) : -1])
        is_alone = input_text is None and latency_ms is None
        return sample if is_alone else msgspec.structs.replace(sample, **_beside(input_text, latency_ms))
    return Sample(
        **_beside(input_text, latency_ms),
        output=stored["output"],
        finish_reason=stored["finish_reason"],
        model=stored["model"],
        usage=Usage(*stored["usage"]),
        error=error_of(stored.get("error")),
        attempts=stored.get("attempts", 0),
        cost=stored.get("cost"),
        is_cached=stored.get("is_cached", False),
        is_reused=stored.get("is_reused", False),
        notes=tuple(stored.get("notes", ())),
        extras=stored.get("extras"),
    )


def said_in(text: str) -> tuple[str | None, ItemError | None]:
    """Return the text of the first message of a stored sample, and its error, without reading anything else of it."""
    stored = cast("dict[str, Any]", jsontext.parse(text))
    if "recorded" in stored:
        return text_of_row(stored["recorded"]), error_of_row(stored["recorded"])
    output = cast("list[JsonValue]", stored["output"])
    first = next((each for each in output if isinstance(each, dict)), None)
    return None if first is None else text_of(first), error_of(stored.get("error"))


def _beside(input_text: str | None, latency_ms: int | None) -> dict[str, Any]:
    return {"input": [] if input_text is None else jsontext.parse(input_text), "latency_ms": latency_ms}


def call_values(call: Sample) -> list[Any]:
    """Return the stored form of a judge call's costs and counts; what was said is stored with its grade."""
    values = [call.model, _usage_values(call.usage), call.latency_ms, call.attempts, call.cost, call.is_cached]
    return [*values, call.notes] if call.notes else values


def call_of(values: list[Any]) -> Sample:
    """Return the costs and counts of a judge call from stored values."""
    model, usage, latency_ms, attempts, cost, is_cached, *notes = values
    return Sample(
        model=model,
        usage=Usage(*usage),
        latency_ms=latency_ms,
        attempts=attempts,
        cost=cost,
        is_cached=is_cached,
        notes=tuple(notes[0]) if notes else (),
    )


LONGEST_MESSAGE = 300
"""Longer messages are shortened where errors are told apart by them."""


def shown_message(sample: str | None, grades: str) -> str:
    """Return the message of an errored item by which errors are told apart: the sample's, else that of a grade.

    Args:
        sample: The stored text of its sample.
        grades: The stored text of its grades.
    """
    if sample is not None and '"error"' in sample:
        error = said_in(sample)[1]
        if error is not None and error.message:
            return error.message[:LONGEST_MESSAGE]
    for values in cast("list[list[Any]]", jsontext.parse(grades)):
        if len(values) > 2 and "error" in values[2]:  # noqa: PLR2004 - score, passed, more
            return str(values[2]["error"][1])[:LONGEST_MESSAGE]
    return ""


def _usage_values(usage: Usage) -> list[int]:
    return [
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
    ]


def error_values(error: ItemError) -> list[Any]:
    """Return an error as it is stored."""
    return [error.code, error.message, error.origin, error.retryable]


def error_of(values: list[Any] | None) -> ItemError | None:
    """Return the error of stored values."""
    return None if values is None else ItemError(*values)
