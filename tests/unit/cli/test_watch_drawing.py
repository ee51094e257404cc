"""Facts about how a run is shown: the block, the line, the JSON object."""

import json
from typing import Any

import pytest

from evalhaven.cli.figure_texts import format_counts, format_duration, format_rate
from evalhaven.cli.run_drawing import draw_block, draw_line
from evalhaven.cli.run_json import render_json
from tests.unit.cli.watching import LIMITER, SAMPLED, STARTED_AT, figures_after, reading

GRADED_BLOCK = """\
in_progress  Tickets  evalrun_1
[==========xxxxx!!!!!....................] 50 / 100 (50.0 %)
passed 25   failed 13   errored 12
5.0 items/s (2.3 items/s overall)   for 0:22   0:10 left
http://127.0.0.1:8765/ui/evals/eval_1/runs/evalrun_1"""
SAMPLED_BLOCK = """\
in_progress  Tickets  gpt-4o-mini  evalrun_1
[==========..............................] 25 / 100 (25.0 %)
passed 25   failed 0   errored 0   3 repeats of each item
1.2 items/s overall   for 0:20   1:00 left
tokens    1,234 of 10,000 (12.3 %): in 880, of them 100 cached; out 354, of them 20 reasoning
cost      $1.2500 of $5.00 (25.0 %)
latency   p50 812 ms, p95 1,920 ms
cached    7 items answered without a call
retries   12: rate_limit 10, timeout 2
limiter   mock: 48 of 64 calls at once; 40 in flight, 3 waiting; this run at most 50; shrunk once; paused 2.0 s in all
          paused for another 1.5 s
          20 to 60 (grew), 0:10 ago; 60 to 48 (refused with 429), 0:05 ago; paused 2.0 s, 0:04 ago
errors    rate_limit_exceeded 5, invalid_reply 2
http://127.0.0.1:8765/ui/evals/eval_1/runs/evalrun_1"""
LIVELY: dict[str, Any] = {
    **SAMPLED,
    "model": "gpt-4o-mini",
    "budget": {"cost": 5.0, "tokens": 10_000},
    "cache_hits": 7,
    "repeats": 3,
    "max_concurrency": 50,
    "errors": {"invalid_reply": 2, "rate_limit_exceeded": 5},
    "limiter": {
        **LIMITER,
        "paused_until": STARTED_AT + 21.5,
        "changes": [
            {"at": STARTED_AT + 10, "reason": "ramp", "before": 20, "after": 60},
            {"at": STARTED_AT + 15, "reason": "refused", "before": 60, "after": 48},
            {"at": STARTED_AT + 16, "reason": "paused", "before": 48, "after": 48, "pause_s": 2.0},
        ],
    },
}


def block_of(*readings: Any, width: int = 67) -> str:
    return "\n".join(line.plain for line in draw_block(figures_after(*readings), width))


def test_a_run_that_samples_nothing_shows_only_what_applies_to_it() -> None:
    before, now = reading(20, 20, failed=10, errored=10), reading(22, 25, failed=13, errored=12)

    assert block_of(before, now) == GRADED_BLOCK


def test_a_run_that_samples_shows_its_spending_and_its_limiter() -> None:
    assert block_of(reading(20, 25, **LIVELY)) == SAMPLED_BLOCK


def test_the_line_says_the_same_shortly() -> None:
    assert draw_line(figures_after(reading(20, 25, **LIVELY))) == (
        "in_progress 25 / 100 (25.0 %) | passed 25, failed 0, errored 0 | 1.2 items/s overall | for 0:20 | 1:00 left | "
        "1,234 tokens | $1.2500 of $5.00 (25.0 %) | p50 812 ms, p95 1,920 ms | retries 12: rate_limit 10, timeout 2 | "
        "40 in flight of 48, 3 waiting | paused for another 1.5 s | errors: rate_limit_exceeded 5, invalid_reply 2"
    )


def test_an_ended_run_shows_no_calls_in_flight_and_why_it_failed() -> None:
    error = {"code": "budget_exceeded", "message": "It spent all."}
    changes = {**LIVELY, "status": "failed", "error": error, "ended_at": STARTED_AT + 10}
    block = block_of(reading(20, 25, **changes))

    assert "error     budget_exceeded: It spent all." in block
    assert "took 0:10" in block
    assert "in flight" not in block
    assert "another" not in block
    assert draw_line(figures_after(reading(20, 25, **changes))).endswith("| budget_exceeded: It spent all.")


def test_a_queued_run_has_not_started() -> None:
    block = block_of(reading(0, status="queued", started_at=None, items_planned=None))

    assert "0 / ?" in block
    assert "not started yet" in block


def test_a_run_that_stands_still_says_for_how_long() -> None:
    assert "no item ended for 0:15" in block_of(*(reading(second, 10) for second in range(20, 36)))


GONE: dict[str, Any] = {"reason": "lab: no connection to lab.test:443: refused", "since": STARTED_AT + 8.0}
SAID = "out of reach for 0:12, still trying: lab: no connection to lab.test:443: refused"


@pytest.mark.parametrize(
    "limiter",
    [
        {"endpoint": "lab", "unreachable": GONE},
        {**LIMITER, "unreachable": GONE, "judges": [{"criterion": "j", "unreachable": GONE}]},
        {**LIMITER, "unreachable": None, "judges": [{"criterion": "i"}, {"criterion": "j", "unreachable": GONE}]},
        {**LIMITER, "unreachable": None, "embeddings": {"endpoint": "e", "unreachable": GONE}},
    ],
    ids=["before any call", "shared with a judge", "a judge's", "that of embeddings"],
)
def test_an_endpoint_that_cannot_be_reached_is_reported_until_the_run_ends(limiter: dict[str, Any]) -> None:
    figures = figures_after(reading(20, 0, limiter=limiter))

    assert [line.plain for line in draw_block(figures, 60)].count(f"endpoint  {SAID}") == 1
    assert f" | {SAID}" in draw_line(figures)
    told = render_json(figures)["limiter"]
    assert isinstance(told, dict)
    assert told["unreachable"] == [GONE]
    over = figures_after(reading(20, 0, limiter=limiter, status="failed"))
    assert SAID not in draw_line(over)


def test_an_unknown_price_is_said() -> None:
    cost = {"target": None, "judge": 0.0}

    assert "cost      unknown cost (a model has no price)" in block_of(reading(9, 9, **{**SAMPLED, "cost": cost}))


@pytest.mark.parametrize("width", [5, 20, 40, 80, 300])
def test_the_bar_fits_the_terminal_and_ends_where_the_run_stands(width: int) -> None:
    for passed, failed, errored in [(0, 0, 0), (1, 0, 0), (33, 33, 33), (0, 100, 0), (99, 0, 1), (100, 20, 3)]:
        figures = figures_after(reading(9, passed, failed=failed, errored=errored))
        bar = draw_block(figures, width)[1].plain
        if bar.startswith("["):
            cells = bar[1 : bar.index("]")]
            done = min(passed + failed + errored, 100)
            assert len(bar) <= width
            assert len(cells) - cells.count(".") == len(cells) * done // 100
        assert bar.endswith(" %)")


def test_only_the_last_item_makes_a_hundred_per_cent() -> None:
    assert "(99.9 %)" in block_of(reading(9, 99_999, items_planned=100_000))
    assert "(100.0 %)" in block_of(reading(9, 100_000, items_planned=100_000))
    assert "(57.0 %)" in block_of(reading(9, 57))


def test_a_run_without_items_has_no_share() -> None:
    assert draw_line(figures_after(reading(9, 0, items_planned=0))).startswith("in_progress 0 / 0 | passed 0,")


def test_names_and_messages_cannot_drive_the_terminal() -> None:
    hostile = "\x1b[2J\x1b]0;title\x07\r\n\u202e\ud800[/red]"
    changes: dict[str, Any] = {
        **LIVELY,
        "name": hostile,
        "model": hostile,
        "errors": {hostile: 1},
        "limiter": {**LIMITER, "endpoint": hostile, "retries": {hostile: 1}},
        "report_url": hostile,
        "status": "failed",
        "error": {"code": hostile, "message": hostile},
    }
    figures = figures_after(reading(9, 9, **changes))
    shown = [line.plain for line in draw_block(figures, 80)]

    assert "[/red]" in shown[0]
    assert all(line.isprintable() for line in [*shown, draw_line(figures)])
    assert json.dumps(render_json(figures)).isprintable()


def test_json_has_every_figure() -> None:
    shown = render_json(figures_after(reading(18, 15, **LIVELY), reading(20, 25, **LIVELY)))
    limiter = shown["limiter"]

    assert json.loads(json.dumps(shown)) == shown
    assert (
        shown.items()
        >= {
            "at": STARTED_AT + 20,
            "connected": True,
            "status": "in_progress",
            "done": 25,
            "planned": 100,
            "fraction": 0.25,
            "items_per_s": 5.0,
            "items_per_s_overall": 1.25,
            "eta_s": 15.0,
            "elapsed_s": 20.0,
            "cost": 1.25,
            "retries": 12,
            "repeats": 3,
            "max_concurrency": 50,
        }.items()
    )
    assert shown["retries_by_kind"] == {"rate_limit": 10, "timeout": 2}
    assert shown["errors"] == {"invalid_reply": 2, "rate_limit_exceeded": 5}
    assert isinstance(limiter, dict)
    assert (limiter["concurrency"], limiter["in_flight"], limiter["pause_left_s"]) == (48, 40, 1.5)
    assert isinstance(limiter["changes"], list)
    assert len(limiter["changes"]) == 3


def test_json_has_null_for_what_does_not_apply() -> None:
    shown = render_json(figures_after(reading(9, 9)))
    keys = ("tokens", "cost", "cost_by_role", "budget", "latency", "retries_by_kind", "limiter", "error")

    assert {key: shown[key] for key in keys} == dict.fromkeys(keys)


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.9, "0:00"), (61, "1:01"), (3661, "1:01:01"), (90_061, "1 d 1:01:01")]
)
def test_durations_are_read_like_clocks(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("per_s", "text"),
    [(0, "0.0 items/s"), (0.01, "0.60 items/min"), (12.34, "12.3 items/s"), (12_345.6, "12,346 items/s")],
)
def test_rates_have_a_fitting_unit(per_s: float, text: str) -> None:
    assert format_rate(per_s) == text


def test_many_kinds_are_cut() -> None:
    assert format_counts({"a": 1, "b": 3, "c": 2, "d": 1}, 2) == "b 3, c 2, 2 more kinds"
