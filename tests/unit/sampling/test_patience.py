"""Facts about pauses between attempts: they grow, they vary, and respect the endpoint's wishes and the call's limit."""

import time
from email.utils import formatdate

import pytest

from evalhaven.domain.samples import ItemError
from evalhaven.sampling.calls.backoff import Backoff, find_asked_s
from evalhaven.sampling.calls.failures import Failure, FailureKind
from evalhaven.sampling.calls.repetition import Repetition


def failure(kind: FailureKind, asked_s: float | None = None) -> Failure:
    return Failure(ItemError("made_up", "No."), kind, asked_s=asked_s)


def pauses(repetition: Repetition, failed: Failure, took_s: float = 0.0) -> list[float]:
    found: list[float] = []
    while (pause_s := repetition.find_pause_s(failed, took_s, is_paced=False)) is not None:
        found.append(pause_s)
    return found


def test_pauses_double_up_to_the_longest_and_vary() -> None:
    backoff = Backoff(attempts=100, first_s=0.5, longest_s=20)
    for attempt, middle in ((1, 0.5), (2, 1), (3, 2), (6, 16), (7, 20), (90, 20)):
        drawn = [backoff.pause_s(attempt) for _ in range(50)]
        assert all(pause_s is not None and 0.75 * middle <= pause_s <= 1.25 * middle for pause_s in drawn)
        assert len(set(drawn)) > 10


def test_the_last_attempt_has_no_pause() -> None:
    assert Backoff(attempts=3).pause_s(3) is None


def test_a_pause_that_is_asked_for_is_kept_unless_it_is_too_long() -> None:
    backoff = Backoff(first_s=0.5, longest_asked_s=60)

    assert backoff.pause_s(1, asked_s=30) == 30
    assert backoff.pause_s(1, asked_s=0.001) == 0.5
    assert backoff.pause_s(1, asked_s=61) is None


def test_a_pause_beyond_the_time_that_is_left_is_not_made() -> None:
    backoff = Backoff(retry_for_s=100)

    assert backoff.pause_s(1, asked_s=30, spent_s=70) == 30
    assert backoff.pause_s(1, asked_s=30, spent_s=70.1) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": " 7 "}, 7),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "none", "retry-after": "7"}, 7),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "tomorrow"}, None),
        ({}, None),
    ],
)
def test_the_pause_that_headers_name_is_found(headers: dict[str, str], seconds: float | None) -> None:
    assert find_asked_s(headers) == seconds


def test_a_date_is_understood_as_a_pause() -> None:
    asked_s = find_asked_s({"retry-after": formatdate(time.time() + 30, usegmt=True)})

    assert asked_s == pytest.approx(30, abs=2)


def test_kinds_of_failures_are_repeated_a_number_of_times_each() -> None:
    backoff = Backoff(attempts=1000, first_s=0.001, longest_s=0.001)
    kinds: list[FailureKind] = ["rate_limit", "server_error", "busy", "timeout", "connection", "invalid_reply", "final"]
    repetition = Repetition(backoff)

    assert [len(pauses(repetition, failure(kind))) for kind in kinds] == [49, 7, 7, 7, 7, 3, 0]


def test_repetitions_and_pauses_end_when_the_time_is_spent() -> None:
    backoff = Backoff(attempts=1000, first_s=1, longest_s=1, retry_for_s=100)

    # The first attempt is no repetition: 0 + 1, 30 + 1, 30 + 1, 30 + 1.
    assert len(pauses(Repetition(backoff), failure("timeout"), took_s=30)) == 4


def test_attempts_in_an_outage_cost_nothing() -> None:
    repetition = Repetition(Backoff(attempts=1000, first_s=1, longest_s=1, retry_for_s=100))
    for _ in range(50):
        assert repetition.find_pause_s(failure("connection"), 10, is_paced=True) == 0

    assert len(pauses(repetition, failure("connection"))) == 7
