"""How a result shows the call to its judge."""

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.samples import ItemError, Sample

_LIMITS = ("max_completions_tokens", "max_completion_tokens")


def shown_call(sample: Sample, params: JsonObject, error: ItemError | None) -> JsonObject:
    """Return a call as `results[].sample` shows it.

    Source: recorded result of a score model; the order of its keys too. Parameters are those sent, or else what
    holds without them.

    Args:
        sample: What was asked and answered.
        params: The criterion's `sampling_params`.
        error: Why the grade has no conclusion, if it has none.
    """
    sent = {key: value for key, value in params.items() if value is not None}
    limit = next((sent[name] for name in _LIMITS if name in sent), None)
    shown: JsonObject = {
        "input": sample.input,
        "output": sample.output,
        "finish_reason": sample.finish_reason,
        "model": sample.model,
        "usage": sample.usage.to_json(),
        "error": None if error is None else {"code": error.code, "message": error.message},
        "seed": sent.get("seed"),
        "temperature": _float(sent.get("temperature", 1.0)),
        "top_p": _float(sent.get("top_p", 1.0)),
        "reasoning_effort": sent.get("reasoning_effort"),
        "max_completions_tokens": limit,
    }
    if "max_completion_tokens" in sent:
        shown["max_completion_tokens"] = sent["max_completion_tokens"]
    return shown


def _float(value: JsonValue) -> JsonValue:
    return float(value) if isinstance(value, int) else value
