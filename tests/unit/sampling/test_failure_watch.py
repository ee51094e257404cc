"""Facts about the watch of a run's failures: when going on makes no sense."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhaven.domain.samples import ItemError
from evalhaven.sampling.calls.failure_watch import Calls, FailureWatch, calls_of

KEY_INVALID = ItemError("invalid_api_key", "Incorrect API key.", "sampling", retryable=True)
UNKNOWN = ItemError("model_not_found", "No such model.", "sampling", retryable=True)
TOO_LONG = ItemError("context_length_exceeded", "Too long.", "sampling", retryable=False)
LOST = ItemError("upstream_connection_lost", "Reset.", "sampling", retryable=True)


def fail(watch: FailureWatch, count: int, error: ItemError = KEY_INVALID) -> None:
    for _ in range(count):
        watch.note_failure(error, is_fatal=True)


def test_ten_calls_that_fail_alike_stop_a_run() -> None:
    watch = FailureWatch()
    fail(watch, 9)
    assert watch.verdict is None

    fail(watch, 1)
    assert watch.verdict == KEY_INVALID


def test_a_small_run_stops_when_all_its_calls_fail_alike() -> None:
    watch = FailureWatch()
    watch.expect_calls(3)
    fail(watch, 2)
    assert watch.verdict is None

    fail(watch, 1)
    assert watch.verdict == KEY_INVALID


def test_a_key_that_expires_midway_stops_the_run_after_fifty_calls() -> None:
    watch = FailureWatch()
    watch.expect_calls(3)
    watch.note_success()
    fail(watch, 49)
    assert watch.verdict is None

    fail(watch, 1)
    assert watch.verdict == KEY_INVALID


def test_a_success_in_between_ends_the_row() -> None:
    watch = FailureWatch()
    for _ in range(100):
        watch.note_success()
        fail(watch, 49)

    assert watch.verdict is None


def test_failures_of_two_kinds_are_no_row() -> None:
    watch = FailureWatch()
    for _ in range(20):
        fail(watch, 5)
        fail(watch, 5, UNKNOWN)

    assert watch.verdict is None


def test_a_call_that_failed_through_its_own_fault_ends_the_row() -> None:
    watch = FailureWatch()
    fail(watch, 9)
    watch.note_failure(TOO_LONG, is_fatal=False)
    fail(watch, 9)

    assert watch.verdict is None


def test_a_call_that_failed_in_passing_says_nothing() -> None:
    watch = FailureWatch()
    fail(watch, 9)
    watch.note_failure(LOST, is_fatal=False)
    fail(watch, 1)

    assert watch.verdict == KEY_INVALID


@pytest.mark.parametrize("error", [TOO_LONG, LOST])
def test_failures_that_are_not_fatal_never_stop_a_run(error: ItemError) -> None:
    watch = FailureWatch()
    watch.expect_calls(1)
    for _ in range(1000):
        watch.note_failure(error, is_fatal=False)

    assert watch.verdict is None


def test_a_verdict_is_final() -> None:
    watch = FailureWatch()
    fail(watch, 10)
    watch.note_success()
    fail(watch, 100, UNKNOWN)

    assert watch.verdict == KEY_INVALID


def test_the_same_words_a_hundred_times_and_no_success_stop_a_run() -> None:
    watch = FailureWatch()
    refusal = ItemError("invalid_request_error", "No such model: x", "sampling")
    for _ in range(99):
        watch.note_failure(refusal, is_fatal=False)
    assert watch.verdict is None
    watch.note_failure(refusal, is_fatal=False)
    assert watch.verdict == refusal


def test_refusals_in_other_words_or_after_a_success_are_the_items_own() -> None:
    watch = FailureWatch()
    for number in range(500):
        watch.note_failure(ItemError("invalid_image_url", f"Image {number} is none", "sampling"), is_fatal=False)
    watch.note_success()
    for _ in range(500):
        watch.note_failure(ItemError("invalid_image_url", "Image is none", "sampling"), is_fatal=False)
    assert watch.verdict is None


def test_where_others_call_too_there_is_no_verdict_before_they_are_heard() -> None:
    asked: list[None] = []

    def ask() -> bool:
        asked.append(None)
        return True

    watch = FailureWatch(ask)
    fail(watch, 10)
    assert (watch.verdict, watch.is_suspected, len(asked)) == (None, True, 1)

    taken = watch.take()
    assert taken.fatal.count == 10
    assert watch.take().fatal.count == 0
    watch.learn(taken)
    assert watch.verdict == KEY_INVALID


def test_what_is_told_reads_as_it_was() -> None:
    watch = FailureWatch()
    fail(watch, 2)
    watch.note_failure(replace(UNKNOWN, retryable=False), is_fatal=False)
    fail(watch, 3)
    told = watch.take()
    read = calls_of(told.to_json())
    assert (read.has_succeeded, read.fatal.count, read.fatal.error) == (False, 3, KEY_INVALID)
    assert (read.worded.what, read.worded.count) == (UNKNOWN.message, 1)
    assert calls_of(None) == Calls()


@given(st.lists(st.sampled_from(["good", "fatal", "other", "worded", "own"]), max_size=30), st.data())
def test_parts_of_a_history_add_up_to_it(history: list[str], data: st.DataObject) -> None:
    whole, parted = FailureWatch(), FailureWatch()
    known = Calls()
    for step in history:
        for watch in (whole, parted):
            do_step(watch, step)
        if data.draw(st.booleans()):
            known = calls_of(parted.take().after(known).to_json())
    known = parted.take().after(known)
    expected = whole.take()
    assert known.to_json() == expected.to_json()


def do_step(watch: FailureWatch, step: str) -> None:
    if step == "good":
        watch.note_success()
        return
    error = {
        "fatal": KEY_INVALID,
        "other": UNKNOWN,
        "worded": replace(LOST, retryable=False),
        "own": TOO_LONG,
    }[step]
    watch.note_failure(error, is_fatal=step in ("fatal", "other"))
