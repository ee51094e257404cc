"""The stored form of a run's spending."""

from typing import Any

from evalhaven.domain.spending import NO_SPENDING, Latencies, ModelUsage, Spending


def spending_values(spending: Spending) -> dict[str, Any] | None:
    """Return a spending as it is stored; None if it is empty."""
    if spending == NO_SPENDING:
        return None
    return {
        "usage": [
            [
                usage.model,
                usage.role,
                usage.calls,
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.total_tokens,
                usage.cached_tokens,
                usage.reasoning_tokens,
                usage.priced_cost,
                usage.unpriced_calls,
            ]
            for usage in spending.usage
        ],
        "latencies": [sorted(spending.latencies.counts.items()), spending.latencies.total_ms],
        "errors": dict(spending.errors),
        "retries": spending.retries,
        "cache_hits": spending.cache_hits,
    }


def spending_of(values: dict[str, Any] | None) -> Spending:
    """Return the spending of stored values."""
    if values is None:
        return NO_SPENDING
    counts, total_ms = values["latencies"]
    return Spending(
        tuple(ModelUsage(*usage) for usage in values["usage"]),
        Latencies(dict(counts), total_ms),
        values["errors"],
        values["retries"],
        values["cache_hits"],
    )
