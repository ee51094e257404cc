"""Facts about what projects and keys may use, as rules."""

import pytest

from evalhaven.access.limits import (
    Limits,
    MonthCost,
    RequestCounter,
    duration_text,
    month_of,
    narrower,
    refuse_more_bytes,
    refuse_more_runs,
    refuse_spent_month,
    unlimited_month,
)
from evalhaven.domain.errors import LimitExceededError

NOVEMBER_30 = 1_795_996_800  # 2026-11-30, 0:00 UTC


def _made(counter: RequestCounter, limit: int, now: float) -> bool:
    allowance = counter.ask(limit, now)
    if allowance.is_granted:
        counter.take()
    return allowance.is_granted


def test_a_minutes_requests_may_be_made_at_once_and_then_evenly() -> None:
    counter = RequestCounter(60, 0)

    assert [_made(counter, 60, 0) for _ in range(61)] == [True] * 60 + [False]
    assert not _made(counter, 60, 0.9)
    assert [_made(counter, 60, 1.0), _made(counter, 60, 1.0)] == [True, False]
    assert sum(_made(counter, 60, 1000) for _ in range(100)) == 60


def test_what_is_left_and_when_all_of_it_is_back_is_told() -> None:
    counter = RequestCounter(6, 0)
    first = counter.ask(6, 0)
    counter.take()

    assert (first.is_granted, first.limit, first.remaining, first.reset_s, first.wait_s) == (True, 6, 5, 10, 0)
    for _ in range(5):
        assert _made(counter, 6, 0)
    refused = counter.ask(6, 4)
    assert (refused.is_granted, refused.remaining, refused.wait_s) == (False, 0, pytest.approx(6))


def test_a_refused_request_costs_nothing() -> None:
    counter = RequestCounter(1, 0)
    assert _made(counter, 1, 0)

    for now in range(1, 60):
        assert not _made(counter, 1, now)
    assert _made(counter, 1, 60)


def test_a_limit_that_is_lowered_or_raised_holds_from_then_on() -> None:
    counter = RequestCounter(100, 0)

    assert sum(_made(counter, 10, 0) for _ in range(50)) == 10
    assert sum(_made(counter, 600, 1) for _ in range(50)) == 10  # what a second brings


def test_the_narrower_of_two_allowances_is_told() -> None:
    wide, narrow = RequestCounter(100, 0).ask(100, 0), RequestCounter(2, 0).ask(2, 0)

    assert narrower(wide, narrow) is narrower(narrow, wide) is narrow
    assert narrower(None, wide) is wide
    assert narrower(None, None) is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0ms"), (0.0123, "13ms"), (1, "1s"), (6.5, "6.5s"), (60, "1m0s"), (90.25, "1m30.25s")]
)
def test_durations_are_written_as_the_hosted_api_writes_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_months_are_those_of_utc() -> None:
    assert month_of(NOVEMBER_30) == month_of(NOVEMBER_30 + 86_399) == 202611
    assert month_of(NOVEMBER_30 + 86_400) == 202612


def test_runs_and_bytes_over_the_limit_are_refused_and_others_are_not() -> None:
    limits = Limits(concurrent_runs=2, stored_bytes=100)
    refuse_more_runs(limits, 1)
    refuse_more_runs(Limits(), 10_000)
    refuse_more_bytes(limits, 60, 40)
    refuse_more_bytes(Limits(), 10**15, 1)

    with pytest.raises(LimitExceededError, match="under way: 2, of 2 allowed"):
        refuse_more_runs(limits, 2)
    with pytest.raises(LimitExceededError, match="has 60, and this would add 41"):
        refuse_more_bytes(limits, 60, 41)


def test_a_month_that_is_spent_is_refused_and_named() -> None:
    refuse_spent_month(MonthCost(202611, 10, 9.99))
    refuse_spent_month(unlimited_month(NOVEMBER_30))
    assert MonthCost(202611, 10, 12).left == 0

    with pytest.raises(LimitExceededError, match=r"cost \$10.00 in November 2026, and may cost \$10.00") as refused:
        refuse_spent_month(MonthCost(month_of(NOVEMBER_30), 10, 10))
    assert (refused.value.code, refused.value.wait_s) == ("insufficient_quota", None)
