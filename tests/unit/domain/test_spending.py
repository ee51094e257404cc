"""Facts about what a run's calls come to."""

import random
from typing import Any

import pytest
from msgspec.structs import replace

from evalhaven.domain.ids import OutputItemId
from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.run_options import Budget
from evalhaven.domain.samples import NO_SAMPLE, ItemError, Sample, Usage
from evalhaven.domain.spending import MOST_NAMES, Latencies, ModelUsage, Spending, latency_bucket
from evalhaven.domain.tallies import NOTHING
from evalhaven.storage.spending import spending_of, spending_values


def item_of(sample: Sample, position: int = 0) -> OutputItem:
    grades = [] if sample.error is not None else [Grade(1.0, passed=True)]
    return OutputItem(OutputItemId(f"outputitem_{position}"), position, 0, 0, "{}", b"", sample, grades)


def answer(model: str = "gpt-x", **more: Any) -> Sample:
    values: dict[str, Any] = {"latency_ms": 100, "attempts": 1, "cost": 0.25, "usage": Usage(10, 5, 15, 4, 2), **more}
    return Sample(model=model, **values)


FAILED = Sample(error=ItemError("server_error", "no", "sampling"), attempts=3)


def test_tokens_and_dollars_are_counted_by_resolved_model() -> None:
    items = [item_of(answer()), item_of(answer(), 1), item_of(answer("other", cost=None), 2)]
    spending = NOTHING.fold(items, 1).spending

    assert spending.usage == (
        ModelUsage("gpt-x", "target", 2, 20, 10, 30, 8, 4, 0.5),
        ModelUsage("other", "target", 1, 10, 5, 15, 4, 2, 0.0, 1),
    )
    assert spending.tokens == 45


def test_dollars_are_unknown_as_soon_as_one_call_has_no_price() -> None:
    known = ModelUsage("a", "target", priced_cost=0.5)
    unknown = ModelUsage("b", "judge", priced_cost=0.25, unpriced_calls=1)

    assert Spending((known,)).cost() == 0.5
    assert Spending((known, unknown)).cost() is None
    assert Spending((known, unknown)).cost("target") == 0.5
    assert Spending((known, unknown)).priced_cost == 0.75


def test_an_answer_from_the_cache_costs_nothing_and_an_error_is_counted_by_its_kind() -> None:
    items = [item_of(answer(is_cached=True, attempts=0, cost=0.0)), item_of(FAILED, 1)]
    spending = NOTHING.fold(items, 1).spending

    assert (spending.usage, spending.cache_hits, spending.retries) == ((), 1, 2)
    assert spending.errors == {"server_error": 1}
    assert spending.latencies.count == 0


def test_calls_to_judges_are_counted_apart_by_role() -> None:
    judged = Grade(1.0, passed=True, calls=(answer("judge", attempts=3), answer("judge", is_cached=True, attempts=0)))
    failed = Grade(0.0, passed=False, error=ItemError("late", "no", "judge"), calls=(Sample(attempts=2),))
    row = Sample(model="theirs", recorded_text="{}", usage=Usage(1, 1, 2))
    items = [
        replace(item_of(row), grades=[judged, failed]),
        replace(item_of(answer("judge"), 1), grades=[judged]),
    ]
    spending = NOTHING.fold(items, 2).spending

    assert {
        (usage.model, usage.role, usage.calls, usage.total_tokens, usage.priced_cost) for usage in spending.usage
    } == {
        ("judge", "judge", 2, 30, 0.5),
        ("judge", "target", 1, 15, 0.25),
    }
    assert (spending.retries, spending.cache_hits, spending.latencies.count) == (2 + 1 + 2, 2, 1)
    assert (spending.errors, spending.tokens) == ({"late": 1}, 45)


def test_samples_of_rows_cost_nothing() -> None:
    recorded = Sample(model="gpt-x", usage=Usage(1, 1, 2), recorded_text="{}")
    tally = NOTHING.fold([item_of(NO_SAMPLE), item_of(recorded, 1)], 1)

    assert tally.total == 2
    assert tally.spending is NOTHING.spending


def test_batches_add_up_and_survive_being_stored() -> None:
    items = [item_of(answer(latency_ms=number * 7), number) for number in range(20)] + [item_of(FAILED, 20)]
    whole = NOTHING.fold(items, 1).spending
    parts = NOTHING
    for first in range(0, len(items), 4):
        parts = parts.fold(items[first : first + 4], 1)

    assert parts.spending == whole
    assert spending_of(spending_values(whole)) == whole


def test_parts_add_up_like_their_items_however_many_models_and_errors_they_name() -> None:
    names = [f"model-{number}" for number in range(MOST_NAMES + 20)]
    items = [item_of(answer(name, cost=None if number % 3 else 0.5), number) for number, name in enumerate(names)]
    errors = [replace(FAILED, error=ItemError(name, "no", "sampling")) for name in names]
    items += [item_of(error, len(names) + number) for number, error in enumerate(errors)]
    folded = added = NOTHING
    for first in range(0, len(items), 10):
        folded = folded.fold(items[first : first + 10], 1)
        added = added.plus(NOTHING.fold(items[first : first + 10], 1))

    assert added == folded
    assert sum(added.spending.errors.values()) == len(names)
    assert added.plus(NOTHING) is added


def test_without_a_part_what_the_others_cost_is_left() -> None:
    unlike = item_of(replace(FAILED, error=ItemError("late", "no", "sampling"), attempts=2), 3)
    part = [item_of(answer()), item_of(FAILED, 1), item_of(answer("gone"), 2), unlike]
    others = [
        item_of(answer(), 4),
        item_of(answer("other", latency_ms=9000, cost=None), 5),
        item_of(FAILED, 6),
        item_of(replace(FAILED, error=ItemError("refused", "no", "sampling")), 7),
        item_of(answer(is_cached=True, attempts=0, cost=0.0), 8),
    ]
    whole, cost_of_part, cost_of_others = (NOTHING.fold(items, 1).spending for items in (part + others, part, others))

    assert whole.minus(cost_of_part) == cost_of_others
    assert whole.minus(NOTHING.spending) == whole


def test_percentiles_are_right_to_five_per_cent() -> None:
    chance = random.Random(7)
    values = sorted(round(chance.lognormvariate(6, 1)) for _ in range(5000))
    counts: dict[int, int] = {}
    for value in values:
        counts[latency_bucket(value)] = counts.get(latency_bucket(value), 0) + 1
    latencies = Latencies(counts, sum(values))

    assert latencies.mean_ms == pytest.approx(sum(values) / 5000)
    for fraction in (0.01, 0.5, 0.95, 0.99, 1.0):
        exact = values[max(0, round(fraction * 5000) - 1)]
        assert latencies.percentile_ms(fraction) == pytest.approx(exact, rel=0.05)
    assert Latencies().percentile_ms(0.5) is None


def test_latencies_below_a_millisecond_have_a_bucket() -> None:
    assert Latencies({latency_bucket(0): 1}).percentile_ms(0.5) == 0.0


@pytest.mark.parametrize(
    ("budget", "cost", "tokens", "is_exceeded"),
    [
        (Budget(cost=1.0), 0.99, 10**9, False),
        (Budget(cost=1.0), 1.0, 0, True),
        (Budget(tokens=10), 0.0, 9, False),
        (Budget(tokens=10), 0.0, 10, True),
        (Budget(cost=5.0, tokens=10), 0.0, 11, True),
    ],
)
def test_a_budget_is_exceeded_by_what_reaches_one_of_its_limits(
    budget: Budget, cost: float, tokens: int, *, is_exceeded: bool
) -> None:
    assert budget.is_exceeded(cost, tokens) is is_exceeded
