"""How responses show tokens, dollars, latencies and the flow of calls."""

from evalhaven.api.rendering.extensions import call_figures, error_extension
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import SANDBOX, Run
from evalhaven.domain.samples import NO_SAMPLE
from evalhaven.domain.spending import Latencies, ModelUsage, Role, Spending

_ROLES: tuple[Role, ...] = ("target", "judge")


def per_model_usage(spending: Spending) -> list[JsonValue]:
    """Return one row per resolved model, which counts its calls as sampled model and as judge together."""
    rows: dict[str, list[int]] = {}
    for usage in spending.usage:
        row = rows.setdefault(usage.model, [0] * 5)
        for index, count in enumerate(_counts(usage)):
            row[index] += count
    return [_usage_row(model, row) for model, row in rows.items()]


def spending_extension(run: Run) -> JsonObject:
    """Return what the `evalhaven` key of a run says about its calls."""
    spending = run.tally.spending
    is_spent = bool(spending.usage)
    flow = run.flow or {}
    return {
        "errors": dict(spending.errors),
        "latency": _latency(spending.latencies),
        "cost": {role: spending.cost(role) for role in _ROLES} if is_spent else None,
        "usage_split": {role: _split(spending, role) for role in _ROLES} if is_spent else None,
        "retries": spending.retries,
        "cache_hits": spending.cache_hits,
        "limiter": {key: value for key, value in flow.items() if key != SANDBOX} or None,
        "sandbox": flow.get(SANDBOX),
    }


def item_extension(item: OutputItem) -> JsonObject:
    """Return what the `evalhaven` key of an output item says about its calls; empty if no model was called."""
    sample = item.sample
    if sample is NO_SAMPLE or sample.recorded_text is not None:
        return {}
    told = call_figures(sample)
    error = sample.error
    if error is not None:
        told["error"] = error_extension(error)
    if sample.is_reused:
        told["reused"] = True
    if sample.notes:
        told["notes"] = list(sample.notes)
    if sample.extras is not None:
        told["sample"] = sample.extras
    return told


def _counts(usage: ModelUsage) -> list[int]:
    return [usage.calls, usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cached_tokens]


def _usage_row(model: str, counts: list[int]) -> JsonObject:
    calls, prompt, completion, total, cached = counts
    return {
        "model_name": model,
        "invocation_count": calls,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "cached_tokens": cached,
    }


def _split(spending: Spending, role: Role) -> list[JsonValue]:
    return [
        {**_usage_row(usage.model, _counts(usage)), "reasoning_tokens": usage.reasoning_tokens, "cost": usage.cost}
        for usage in spending.usage
        if usage.role == role
    ]


def _latency(latencies: Latencies) -> JsonObject | None:
    if not latencies.count:
        return None
    return {
        "mean_ms": _rounded(latencies.mean_ms),
        "p50_ms": _rounded(latencies.percentile_ms(0.50)),
        "p95_ms": _rounded(latencies.percentile_ms(0.95)),
        "p99_ms": _rounded(latencies.percentile_ms(0.99)),
    }


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)
