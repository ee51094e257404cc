"""Facts about following a run: when it is shown, when it ends, and what happens when nobody answers."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from evalhaven.cli.run_figures import Figures, Reading
from evalhaven.cli.run_verdict import exit_status
from evalhaven.cli.run_watcher import JsonDisplay, LineDisplay, follow_run
from evalhaven.cli.watched_run import LostError, NoAnswer, WatchedRun, WatchError
from tests.unit.cli.watching import STARTED_AT, figures_after, reading

Outcome = Reading | NoAnswer


class Time:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 500.0

    def now_s(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds <= 1.0, "the end would be noticed late"
        self.now += seconds


class ToldRun:
    """A run that answers what it was told to, the last again and again."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self.outcomes = list(outcomes)
        self.reads = 0

    async def read(self) -> Outcome:
        self.reads += 1
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]


class Notes:
    """A display that writes down what it was to show."""

    def __init__(self, time: Time) -> None:
        self.time = time
        self.notes: list[tuple[float, str]] = []

    def show(self, figures: Figures) -> None:
        self._note(f"{figures.run.status} {figures.done}")

    def show_loss(self, reason: str, lost_s: float) -> None:
        self._note(f"{reason} {lost_s:g}")

    def show_return(self, lost_s: float) -> None:
        self._note(f"back {lost_s:g}")

    def _note(self, text: str) -> None:
        self.notes.append((round(self.time.now - 500, 6), text))


async def follow(
    *outcomes: Outcome, interval_s: float = 1.0, is_once: bool = False, patience_s: float | None = None
) -> tuple[int, Any]:
    """Follow a run to its end; return the exit status and what was shown when."""
    time = Time()
    notes = Notes(time)
    run = cast("WatchedRun", ToldRun(outcomes))
    seen = await follow_run(
        run, notes, interval_s, is_once=is_once, patience_s=patience_s, now_s=time.now_s, sleep=time.sleep
    )
    return exit_status(seen, []), notes.notes


def ended(second: float, status: str = "completed") -> Reading:
    return reading(second, 100, status=status, ended_at=STARTED_AT + int(second))


@pytest.mark.parametrize(("status", "exit_status"), [("completed", 0), ("failed", 1), ("canceled", 3)])
async def test_the_exit_status_says_how_the_run_ended(status: str, exit_status: int) -> None:
    assert await follow(ended(9, status)) == (exit_status, [(0, f"{status} 100")])


async def test_a_run_is_shown_at_each_interval_and_at_its_end() -> None:
    readings = [reading(second / 2, second) for second in range(5)]
    shown = await follow(*readings, ended(3), interval_s=0.5)

    assert shown == (0, [*((second / 2, f"in_progress {second}") for second in range(5)), (2.5, "completed 100")])


async def test_the_end_is_noticed_within_a_second_of_a_long_interval() -> None:
    readings = [reading(second, second) for second in range(63)]
    shown = await follow(*readings, ended(63), interval_s=60)

    assert shown == (0, [(0, "in_progress 0"), (60, "in_progress 60"), (63, "completed 100")])


async def test_an_endpoint_that_goes_and_comes_back_is_shown_within_a_second_of_a_long_interval() -> None:
    gone = {"unreachable": {"reason": "refused", "since": STARTED_AT + 4.0}}
    readings = [reading(second, second, limiter=gone if 4 <= second < 9 else {}) for second in range(12)]
    shown = await follow(*readings, ended(12), interval_s=60)

    assert shown == (0, [(0, "in_progress 0"), (4, "in_progress 4"), (9, "in_progress 9"), (12, "completed 100")])


async def test_once_shows_a_run_under_way_and_ends() -> None:
    assert await follow(reading(5, 7), is_once=True) == (0, [(0, "in_progress 7")])
    assert await follow(ended(5, "failed"), is_once=True) == (1, [(0, "failed 100")])


async def test_once_does_not_wait_for_an_answer() -> None:
    with pytest.raises(WatchError, match="busy"):
        await follow(NoAnswer("busy"), is_once=True)


async def test_a_lost_connection_is_reported_and_watching_goes_on() -> None:
    lost = [NoAnswer("gone")] * 4
    shown = await follow(reading(0, 1), *lost, reading(5, 6), ended(6), interval_s=2)

    assert shown == (
        0,
        [
            (0, "in_progress 1"),
            (1, "gone 0"),
            (2, "gone 1"),
            (4, "gone 3"),
            (5, "back 4"),
            (6, "completed 100"),
        ],
    )


async def test_a_server_that_answers_nothing_at_first_is_waited_for() -> None:
    shown = await follow(NoAnswer("busy"), ended(1))

    assert shown == (0, [(0, "busy 0"), (1, "back 1"), (1, "completed 100")])


async def test_a_server_that_stays_away_is_given_up_after_the_time_that_was_asked_for() -> None:
    with pytest.raises(LostError, match=r"No answer for 0:30, .*--give-up-after says: gone\."):
        await follow(reading(0, 1), NoAnswer("gone"), patience_s=30)


async def test_patience_begins_anew_with_each_answer() -> None:
    lost = [NoAnswer("gone")] * 4
    shown = await follow(*lost, reading(4, 6), *lost, ended(9), patience_s=5)

    assert shown[0] == 0


def test_lines_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    display = LineDisplay()
    display.show(figures_after(reading(10, 10)))
    display.show_loss("the\x1b[2Jserver", 65)
    display.show_return(66)

    assert capsys.readouterr().out.splitlines() == [
        "in_progress 10 / 100 (10.0 %) | passed 10, failed 0, errored 0 | 1.0 items/s overall | for 0:10 | 1:30 left",
        "no answer for 1:05, still trying (the\N{REPLACEMENT CHARACTER}[2Jserver)",
        "connected again after 1:06",
    ]


def test_json_says_when_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    display = JsonDisplay("evalrun_1", lambda: 77.0)
    display.show_loss("gone\x1b", 65)
    display.show_return(66)

    assert capsys.readouterr().out == (
        '{"at": 77.0, "run_id": "evalrun_1", "connected": false, "lost_s": 65, "reason": "gone\\u001b"}\n'
    )
