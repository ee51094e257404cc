"""What a run's calls add up to: tokens and dollars by model, latencies, retries, errors by kind."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from evalhaven.domain.samples import Usage

K = TypeVar("K", str, int)

Role = Literal["target", "judge"]
"""Why a model was called: to be evaluated or to grade."""

MOST_NAMES = 100
"""How many models and errors are counted by their names, which come from outside."""

OTHER = "other"
"""The name of all others."""

_STEP = math.log(1.05)


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """Calls and tokens of one model in one role.

    Attributes:
        model: The name that the endpoint gave for the model that answered.
        role: Why it was called.
        calls: Calls that were answered.
        priced_cost: US dollars of the calls that have a price.
        unpriced_calls: Calls without a price, or without a count of their tokens.
    """

    model: str
    role: Role
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    priced_cost: float = 0.0
    unpriced_calls: int = 0

    @property
    def cost(self) -> float | None:
        """Return the cost of all calls in US dollars; None if any call has no price."""
        return None if self.unpriced_calls else self.priced_cost

    def plus(self, usage: Usage, cost: float | None, calls: int = 1) -> "ModelUsage":
        """Return the usage with a call added."""
        return ModelUsage(
            self.model,
            self.role,
            self.calls + calls,
            self.prompt_tokens + usage.prompt_tokens,
            self.completion_tokens + usage.completion_tokens,
            self.total_tokens + usage.total_tokens,
            self.cached_tokens + usage.cached_tokens,
            self.reasoning_tokens + usage.reasoning_tokens,
            self.priced_cost + (cost or 0.0),
            self.unpriced_calls + (calls if cost is None else 0),
        )

    def joined_by(self, other: "ModelUsage") -> "ModelUsage":
        """Return the usage with that of other calls added."""
        return ModelUsage(
            self.model,
            self.role,
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.total_tokens + other.total_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.priced_cost + other.priced_cost,
            self.unpriced_calls + other.unpriced_calls,
        )

    def minus(self, part: "ModelUsage") -> "ModelUsage":
        """Return it without a part of it."""
        return ModelUsage(
            self.model,
            self.role,
            self.calls - part.calls,
            self.prompt_tokens - part.prompt_tokens,
            self.completion_tokens - part.completion_tokens,
            self.total_tokens - part.total_tokens,
            self.cached_tokens - part.cached_tokens,
            self.reasoning_tokens - part.reasoning_tokens,
            max(0.0, self.priced_cost - part.priced_cost),
            self.unpriced_calls - part.unpriced_calls,
        )


@dataclass(frozen=True, slots=True)
class Latencies:
    """A histogram of milliseconds whose buckets grow by 5 %, which is the precision of a percentile.

    Attributes:
        counts: The number of latencies in each bucket.
        total_ms: Their sum.
    """

    counts: Mapping[int, int] = field(default_factory=dict[int, int])
    total_ms: int = 0

    @property
    def count(self) -> int:
        """Return the number of latencies."""
        return sum(self.counts.values())

    @property
    def mean_ms(self) -> float | None:
        """Return the mean; None if there are no latencies."""
        count = self.count
        return self.total_ms / count if count else None

    def percentile_ms(self, fraction: float) -> float | None:
        """Return the value that this fraction of the latencies does not exceed; None if there are none.

        Args:
            fraction: In (0, 1].
        """
        wanted = math.ceil(fraction * self.count)
        seen = 0
        for bucket in sorted(self.counts):
            seen += self.counts[bucket]
            if seen >= wanted:
                return _middle_ms(bucket)
        return None


def latency_bucket(milliseconds: int) -> int:
    """Return the bucket of a latency."""
    return 0 if milliseconds < 1 else 1 + int(math.log(milliseconds) / _STEP)


def _middle_ms(bucket: int) -> float:
    return 0.0 if bucket == 0 else math.exp((bucket - 0.5) * _STEP)


@dataclass(frozen=True, slots=True)
class Spending:
    """What the stored output items of one run cost.

    Attributes:
        usage: One entry a model and role, in the order of appearance.
        latencies: Latencies of the calls that answered items.
        errors: Number of items by the code of their error.
        retries: Calls beyond the first of an item.
        cache_hits: Items answered without a call.
    """

    usage: tuple[ModelUsage, ...] = ()
    latencies: Latencies = field(default_factory=Latencies)
    errors: Mapping[str, int] = field(default_factory=dict[str, int])
    retries: int = 0
    cache_hits: int = 0

    @property
    def tokens(self) -> int:
        """Return the number of tokens of all calls."""
        return sum(usage.total_tokens for usage in self.usage)

    @property
    def priced_cost(self) -> float:
        """Return the cost in US dollars of the calls that have a price."""
        return math.fsum(usage.priced_cost for usage in self.usage)

    def cost(self, role: Role | None = None) -> float | None:
        """Return the cost in US dollars of all calls, or of those in one role; None if any of them has no price."""
        costs = [usage.cost for usage in self.usage if role in (None, usage.role)]
        return None if None in costs else math.fsum(cost for cost in costs if cost is not None)

    def plus(self, part: "Spending") -> "Spending":
        """Return it with the spending of other items added."""
        usage = {(each.model, each.role): each for each in self.usage}
        for added in part.usage:
            is_named = (added.model, added.role) in usage or len(usage) < MOST_NAMES
            key = (added.model if is_named else OTHER, added.role)
            usage[key] = usage.get(key, ModelUsage(*key)).joined_by(added)
        errors = dict(self.errors)
        for code, count in part.errors.items():
            name = code if code in errors or len(errors) < MOST_NAMES else OTHER
            errors[name] = errors.get(name, 0) + count
        buckets = Counter(self.latencies.counts)
        buckets.update(part.latencies.counts)
        return Spending(
            tuple(usage.values()),
            Latencies(dict(buckets), self.latencies.total_ms + part.latencies.total_ms),
            errors,
            self.retries + part.retries,
            self.cache_hits + part.cache_hits,
        )

    def minus(self, part: "Spending") -> "Spending":
        """Return it without a part of it.

        Args:
            part: The spending of some of the items that are counted in it.
        """
        parts = {(usage.model, usage.role): usage for usage in part.usage}
        left = [usage.minus(parts.get((usage.model, usage.role), ModelUsage("", usage.role))) for usage in self.usage]
        total_ms = self.latencies.total_ms - part.latencies.total_ms
        return Spending(
            tuple(usage for usage in left if usage.calls > 0),
            Latencies(_counts_minus(self.latencies.counts, part.latencies.counts), total_ms),
            _counts_minus(self.errors, part.errors),
            self.retries - part.retries,
            self.cache_hits - part.cache_hits,
        )


def _counts_minus(counts: Mapping[K, int], part: Mapping[K, int]) -> dict[K, int]:
    return {name: count - part.get(name, 0) for name, count in counts.items() if count > part.get(name, 0)}


NO_SPENDING = Spending()
