"""Facts about the exit status of `evalhaven watch`: what a run must have come to, and only where it is asked for."""

from typing import Any

import pytest
import typer

from evalhaven.cli.option_values import parse_rate, parse_seconds
from evalhaven.cli.run_verdict import Demands, exit_status
from tests.unit.cli.watching import reading


def verdict(
    demands: Demands, passed: int, failed: int = 0, errored: int = 0, status: str = "completed"
) -> tuple[int, str]:
    """Return the exit status for a run with these counts, and why it is what it is."""
    counts: dict[str, Any] = {"passed": passed, "failed": failed, "errored": errored}
    run = reading(1, 0, status=status, result_counts={"total": passed + failed + errored, **counts}).run
    complaints = list(demands.complaints(run))
    return exit_status(run, complaints), " ".join(complaints)


def test_a_completed_run_is_no_failure_unless_that_is_asked_for() -> None:
    assert verdict(Demands(), 0, 5) == (0, "")
    assert verdict(Demands(), 0, 0, 5) == (0, "")


@pytest.mark.parametrize(
    ("rate", "passed", "failed", "said"),
    [
        (0.9, 9, 1, ""),
        (0.9, 8, 2, "8 of 10 graded items passed, 80.0 %: less than 90 % (--fail-under)."),
        (1.0, 999_999, 1, "999,999 of 1,000,000 graded items passed, 99.9 %: less than 100 % (--fail-under)."),
        (1.0, 3, 0, ""),
        (0.0, 0, 3, ""),
        # As floats they are a little more than what they say.
        (0.07, 7, 93, ""),
        (0.29, 29, 71, ""),
    ],
)
def test_a_pass_rate_is_compared_exactly(rate: float, passed: int, failed: int, said: str) -> None:
    assert verdict(Demands(rate), passed, failed) == (1 if said else 0, said)


def test_errored_items_are_no_part_of_the_rate() -> None:
    assert verdict(Demands(0.9), 9, 1, 90) == (0, "")


def test_a_run_without_a_graded_item_has_no_rate_that_would_do() -> None:
    assert verdict(Demands(0.0), 0, 0, 3) == (1, "No item was graded, so there is no pass rate (--fail-under).")


def test_an_errored_item_fails_where_that_is_asked_for() -> None:
    demands = Demands(is_without_errors=True)
    assert verdict(demands, 5, 5) == (0, "")
    assert verdict(demands, 5, 5, 1) == (1, "1 item is errored (--fail-on-error).")
    assert verdict(demands, 5, 5, 1_000) == (1, "1,000 items are errored (--fail-on-error).")


def test_both_demands_are_told() -> None:
    status, said = verdict(Demands(0.5, is_without_errors=True), 0, 1, 1)
    assert status == 1
    assert "(--fail-under)" in said
    assert "(--fail-on-error)" in said


@pytest.mark.parametrize(("status", "exits"), [("in_progress", 0), ("queued", 0), ("failed", 1), ("canceled", 3)])
def test_a_run_that_did_not_complete_is_not_measured(status: str, exits: int) -> None:
    assert verdict(Demands(1.0, is_without_errors=True), 1, 5, 3, status) == (exits, "")


@pytest.mark.parametrize("text", ["", "90", "90%", "0,9", "-0.1", "1.01", "nan", "inf", "x" * 3])
def test_what_is_no_rate_is_refused_in_words(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"is not a number from 0 to 1, such as 0\.9 for 90 %"):
        parse_rate(text)


@pytest.mark.parametrize("text", ["", "5s", "0", "0.09", "-1", "nan", "inf"])
def test_what_is_no_duration_is_refused_in_words(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"is not a number of seconds from 0\.1 up"):
        parse_seconds(text)


def test_what_is_one_is_taken() -> None:
    assert [parse_rate(text) for text in ("0", "0.95", "1", "1e-3")] == [0, 0.95, 1, 0.001]
    assert [parse_seconds(text) for text in ("0.1", "5", "1e3")] == [0.1, 5, 1000]
