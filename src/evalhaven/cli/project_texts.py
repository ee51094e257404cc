"""What is printed of projects."""

from typing import Any

from evalhaven.cli.listing import part_of, print_facts, print_more, shown_time
from evalhaven.cli.tables import Column, print_table
from evalhaven.cli.terminal import plain_console

_COUNTED = ("evals", "keys", "members")
_COLUMNS = [
    Column("id"),
    Column("name", may_be_cut=True),
    *(Column(each, is_figure=True) for each in _COUNTED),
    Column("created"),
    Column("state"),
]


def print_project(project: dict[str, Any]) -> None:
    """Print a project."""
    print_facts(plain_console(), {"project": project["id"], "name": project["name"], "state": _state(project)})


def print_projects(found: dict[str, Any], limit: int) -> None:
    """Print projects, a line each."""
    console = plain_console()
    print_table(console, _COLUMNS, [_row(each) for each in found["data"]])
    print_more(console, found, limit)


def _row(project: dict[str, Any]) -> list[str]:
    contents = part_of(project, "evalhaven")
    counts = [f"{contents[each]:,}" if each in contents else "-" for each in _COUNTED]
    # Nobody made the default project.
    created = shown_time(project["created_at"]) if project["created_at"] else "-"
    return [project["id"], project["name"], *counts, created, _state(project)]


def _state(project: dict[str, Any]) -> str:
    at = project["archived_at"]
    return "open" if at is None else f"archived {shown_time(at)}"
