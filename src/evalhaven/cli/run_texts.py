"""Runs in a terminal."""

from typing import Any

from evalhaven.cli.figure_texts import make_printable
from evalhaven.cli.listing import (
    part_of,
    print_facts,
    print_more,
    shown_interval,
    shown_metadata,
    shown_rate,
    shown_time,
)
from evalhaven.cli.tables import Column, print_table
from evalhaven.cli.terminal import escape_text, plain_console, print_hint, print_nothing, print_text

_MOST_ERRORS = 5
RUN_COLUMNS = (
    Column("run"),
    Column("status"),
    Column("items", is_figure=True),
    Column("passed %", is_figure=True),
    Column("created (UTC)"),
    Column("name", may_be_cut=True),
)
_CRITERION_COLUMNS = (
    Column("criterion", may_be_cut=True),
    Column("passed", is_figure=True),
    Column("failed", is_figure=True),
    Column("errored", is_figure=True),
    Column("passed %", is_figure=True),
    Column("95 %"),
)
_NO_RUNS = (
    "There are no runs yet. Start one with any OpenAI SDK: call evals.runs.create. `evalhaven evals` lists what there "
    "is to run."
)


def print_runs(found: dict[str, Any], limit: int, *, is_filtered: bool) -> None:
    """Print a list of runs.

    Args:
        found: The answer of `GET /api/runs`.
        limit: How many were asked for.
        is_filtered: Whether only some were asked for.
    """
    console = plain_console()
    if not found["data"]:
        print_nothing("No run matches. `evalhaven runs` lists all of them." if is_filtered else _NO_RUNS)
        return
    print_table(console, RUN_COLUMNS, [run_row(each) for each in found["data"]])
    print_more(console, found, limit)


def run_row(each: dict[str, Any]) -> list[str]:
    """Return the texts of a run for a table with `RUN_COLUMNS`."""
    planned = each["items_planned"]
    items = f"{each['items']:,} of {planned:,}" if each["partial"] and planned is not None else f"{each['items']:,}"
    return [each["id"], each["status"], items, shown_rate(each["rate"]), shown_time(each["created_at"]), each["name"]]


def print_run(shown: dict[str, Any], report: dict[str, Any] | None) -> None:
    """Print a run.

    Args:
        shown: The answer of `GET /api/runs/{run_id}`.
        report: Its report; None if that is not ready yet.
    """
    console = plain_console()
    counts, unit = shown["result_counts"], _unit(report)
    console.print(make_printable(shown["name"] or "(no name)"), style="bold")
    print_facts(
        console,
        {
            "id": shown["id"],
            "eval": shown["eval_id"],
            "status": shown["status"],
            "created": f"{shown_time(shown['created_at'])} UTC",
            "model": shown["model"],
            "metadata": shown_metadata(shown["metadata"]),
            unit: f"{counts['total']:,}: {counts['passed']:,} passed, {counts['failed']:,} failed, "
            f"{counts['errored']:,} errored",
            "cost": _cost(report),
            "page": shown["report_url"],
        },
    )
    if shown["error"] is not None:
        print_text(console, escape_text(shown["error"]["message"]), "! ", "  ", "red")
    console.print()
    if report is None:
        print_text(console, "The report is being prepared. Ask again in a moment.")
    else:
        _print_report(console, report)
    for warning in part_of(shown, "evalhaven").get("warnings") or ():
        print_text(console, escape_text(warning["message"]), "! ", "  ", "yellow")
    _print_next(console, shown)


def _print_report(console: Any, report: dict[str, Any]) -> None:
    whole: dict[str, Any] = {**report, "name": "all criteria"}
    rows = [
        [
            each["name"],
            *(f"{each[name]:,}" for name in ("passed", "failed", "errored")),
            shown_rate(each["rate"]),
            shown_interval(each["rate"]),
        ]
        for each in (whole, *report["criteria"])
    ]
    print_table(console, _CRITERION_COLUMNS, rows)
    if report["errors"]:
        console.print()
        errors = [[f"{each['items']:,}", f"{each['code']}: {each['message']}"] for each in report["errors"]]
        columns = (Column(_unit(report), is_figure=True), Column("error", may_be_cut=True))
        print_table(console, columns, errors[:_MOST_ERRORS])
    if report["gaps"]:
        console.print()
        console.print("What cannot be told:", style="bold")
    for gap in report["gaps"]:
        print_text(console, escape_text(gap["why"]), "- ", "  ")


def _print_next(console: Any, shown: dict[str, Any]) -> None:
    """Print the commands that are likely to come next."""
    run_id, counts = shown["id"], shown["result_counts"]
    if shown["status"] in ("queued", "in_progress"):
        steps = [("Follow it", f"watch {run_id}")]
    else:
        steps = [("What failed", f"items {run_id} --failed")] if counts["failed"] else []
        steps += [("Try errors again", f"retry {run_id}")] if counts["errored"] else []
        steps += [("Keep as baseline", f"pin {run_id}")]
    for what, command in steps:
        print_hint(console, f"{what}: evalhaven {make_printable(command)}")


def _unit(report: dict[str, Any] | None) -> str:
    """Return what a report counts: several samples of an item are no items of their own."""
    return "items" if report is None or report["repeats"] is None else "samples"


def _cost(report: dict[str, Any] | None) -> str | None:
    if report is None or report["cost"] is None or not report["usage"]:
        return None
    return f"{report['cost']:,.4f} dollars"
