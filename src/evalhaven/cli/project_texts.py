"""What is printed of projects."""

from typing import Any

from evalhaven.cli.listing import print_facts, print_more, shown_time
from evalhaven.cli.tables import Column, print_table
from evalhaven.cli.terminal import plain_console

_COLUMNS = [Column("id"), Column("name", may_be_cut=True), Column("created"), Column("state")]


def print_project(project: dict[str, Any]) -> None:
    """Print a project."""
    print_facts(plain_console(), {"project": project["id"], "name": project["name"], "state": _state(project)})


def print_projects(found: dict[str, Any], limit: int) -> None:
    """Print projects, a line each."""
    console = plain_console()
    rows = [[each["id"], each["name"], shown_time(each["created_at"]), _state(each)] for each in found["data"]]
    print_table(console, _COLUMNS, rows)
    print_more(console, found, limit)


def _state(project: dict[str, Any]) -> str:
    at = project["archived_at"]
    return "open" if at is None else f"archived {shown_time(at)}"
