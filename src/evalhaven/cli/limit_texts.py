"""What is printed of limits."""

from typing import Any

from evalhaven.cli.tables import Column, print_table
from evalhaven.cli.terminal import plain_console

_COLUMNS = [Column("limit"), Column("allowed", is_figure=True), Column("used", is_figure=True)]
_BYTES_OF_MB = 10**6


def print_limits(shown: dict[str, Any]) -> None:
    """Print what a project may use and uses, a line a limit."""
    used = shown["used"]
    rows = [
        ["requests a minute", _count(shown["requests_per_minute"]), "-"],
        ["runs at once", _count(shown["concurrent_runs"]), _count(used["concurrent_runs"])],
        ["stored", _bytes(shown["stored_bytes"]), _bytes(used["stored_bytes"])],
        ["cost of a run", _dollars(shown["run_cost"]), "-"],
        ["cost of this month", _dollars(shown["month_cost"]), _dollars(used["month_cost"])],
    ]
    print_table(plain_console(), _COLUMNS, rows)


def _count(value: int | None) -> str:
    return "none" if value is None else f"{value:,}"


def _bytes(value: int | None) -> str:
    return "none" if value is None else f"{value / _BYTES_OF_MB:,.1f} MB"


def _dollars(value: float | None) -> str:
    return "none" if value is None else f"${value:,.2f}"
