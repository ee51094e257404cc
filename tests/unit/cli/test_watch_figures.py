"""Facts about the figures of a run under way: rates, what is left, what was spent."""

from typing import Any

import pytest

from evalhaven.cli.run_document import UnreadableRunError, read_run
from evalhaven.cli.run_figures import RunHistory
from evalhaven.domain import jsontext
from tests.unit.cli.watching import LIMITER, SAMPLED, STARTED_AT, figures_after, reading, run_object


def test_one_reading_says_the_rate_since_the_start_only() -> None:
    figures = figures_after(reading(20, 40))

    assert figures.recent_per_s is None
    assert figures.overall_per_s == 2.0
    assert figures.left_s == 30.0


def test_two_readings_make_a_rate() -> None:
    figures = figures_after(reading(20, 40), reading(22, 50))

    assert figures.recent_per_s == 5.0
    assert figures.overall_per_s == pytest.approx(50 / 22)
    assert figures.left_s == 10.0
    assert figures.fraction == 0.5


def test_the_rate_is_about_the_last_ten_seconds() -> None:
    slow = [reading(second, second) for second in range(41)]
    fast = [reading(40 + second, 40 + 3 * second) for second in range(1, 11)]
    figures = figures_after(*slow, *fast)

    assert figures.recent_per_s == pytest.approx(3.0)
    assert figures.left_s == pytest.approx(30 / (50 / 30))  # 20 s at 1 a second, 10 s at 3


def test_seldom_readings_make_a_rate_too() -> None:
    figures = figures_after(reading(0), reading(60, 30), reading(120, 42))

    assert figures.recent_per_s == pytest.approx(0.2)


def test_the_rate_spans_a_time_without_answers() -> None:
    figures = figures_after(reading(0), reading(1, 1), reading(91, 46))

    assert figures.recent_per_s == pytest.approx(0.5)


def test_nobody_can_say_what_is_left_of_a_run_that_stands_still() -> None:
    moving = [reading(second, second) for second in range(11)]
    figures = figures_after(*moving, *(reading(second, 10) for second in range(11, 23)))

    assert figures.idle_s == 12.0
    assert figures.left_s is None
    assert figures_after(*moving, *(reading(second, 10) for second in range(11, 17))).left_s is not None


def test_a_run_whose_items_take_minutes_does_not_stand_still() -> None:
    figures = figures_after(*(reading(600 + second, 10) for second in range(60)))

    assert figures.recent_per_s == 0.0
    assert figures.left_s == pytest.approx(90 / (10 / 659))


@pytest.mark.parametrize(
    ("changes", "left_s"),
    [({"items_planned": None}, None), ({"items_planned": 40}, 0.0), ({"items_planned": 30}, 0.0)],
)
def test_what_is_left_depends_on_the_plan(changes: dict[str, Any], left_s: float | None) -> None:
    assert figures_after(reading(20, 40, **changes)).left_s == left_s


def test_a_queued_run_has_no_rate() -> None:
    figures = figures_after(*(reading(s, status="queued", items_planned=None, started_at=None) for s in range(3)))

    assert (figures.overall_per_s, figures.left_s, figures.elapsed_s) == (None, None, None)
    assert figures.fraction is None


def test_the_overall_rate_of_an_ended_run_is_about_its_own_time() -> None:
    changes = {"status": "completed", "ended_at": STARTED_AT + 20}
    figures = figures_after(reading(5, 10), reading(500, 100, **changes))

    assert (figures.overall_per_s, figures.elapsed_s) == (5.0, 20.0)
    assert (figures.recent_per_s, figures.left_s, figures.idle_s) == (None, None, None)


def test_a_run_of_less_than_a_second_has_no_rate() -> None:
    assert figures_after(reading(0, 100, status="completed", ended_at=STARTED_AT)).overall_per_s is None


def test_a_server_whose_clock_is_behind_makes_no_negative_time() -> None:
    assert figures_after(reading(-3, 1)).elapsed_s == 0.0


def test_an_imported_run_has_planned_what_it_has() -> None:
    document = run_object(3, 1, status="completed")
    del document["evalhaven"]
    run = read_run(jsontext.render(document).encode())

    assert run.items_planned == 4
    assert run.evalhaven.errors == {}


def test_tokens_and_dollars_are_those_of_all_models_and_roles() -> None:
    figures = figures_after(reading(9, 9, **SAMPLED))

    assert figures.usage is not None
    assert (figures.usage.total_tokens, figures.usage.prompt_tokens, figures.usage.completion_tokens) == (
        1234,
        880,
        354,
    )
    assert (figures.usage.cached_tokens, figures.usage.reasoning_tokens) == (100, 20)
    assert figures.cost == 1.25


@pytest.mark.parametrize("cost", [None, {"target": None, "judge": 1.0}, {"target": 1.0, "judge": None}])
def test_a_call_without_a_price_makes_the_cost_unknown(cost: dict[str, Any] | None) -> None:
    assert figures_after(reading(9, 9, **{**SAMPLED, "cost": cost})).cost is None


def test_retries_count_before_their_items_are_stored() -> None:
    assert figures_after(reading(9, 9, limiter=LIMITER, retries=3)).retries == 12
    assert figures_after(reading(9, 9, limiter=LIMITER, retries=30)).retries == 30
    assert figures_after(reading(9, 9, retries=3)).retries == 3


def test_a_pause_ends_by_the_clock_of_the_server() -> None:
    limiter = {**LIMITER, "paused_until": STARTED_AT + 12.5}

    assert figures_after(reading(9, 9, limiter=limiter)).pause_left_s == 3.5
    assert figures_after(reading(13, 9, limiter=limiter)).pause_left_s is None
    assert figures_after(reading(9, 9, limiter=limiter, status="canceled")).pause_left_s is None


def test_changes_of_the_limit_are_those_that_the_run_tells() -> None:
    told = [
        {"number": n, "at": STARTED_AT + n, "reason": "ramp", "before": n, "after": 2 * n, "pause_s": 0.0}
        for n in (1, 2, 4, 8)
    ]
    figures = figures_after(reading(9, 9, limiter={**LIMITER, "changes": told}))

    assert [(change.before, change.after, change.reason) for change in figures.changes] == [
        (2, 4, "ramp"),
        (4, 8, "ramp"),
        (8, 16, "ramp"),
    ]


def test_changes_of_the_limit_are_seen_where_the_run_does_not_tell_them() -> None:
    limits = [20, 20, 40, 40, 32]
    figures = figures_after(*(reading(n, n, limiter={**LIMITER, "concurrency": c}) for n, c in enumerate(limits)))

    assert [(change.before, change.after, change.at - STARTED_AT) for change in figures.changes] == [
        (20, 40, 2),
        (40, 32, 4),
    ]


def test_a_long_history_is_forgotten() -> None:
    history = RunHistory()
    for second in range(10_000):
        history.add(reading(second, second // 100, items_planned=None))

    assert len(history._readings) < 50


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"id":"x","status":"gone"}', b'{"id":7}'])
def test_what_is_no_run_object_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableRunError):
        read_run(body)


def test_names_with_lone_surrogates_are_read() -> None:
    assert read_run(b'{"id":"evalrun_1","status":"queued","name":"a\\ud800"}').name == "a\ud800"
