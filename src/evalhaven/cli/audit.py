"""`evalhaven audit`: what keys and people changed."""

from functools import partial
from typing import Annotated, Any

import typer

from evalhaven.cli.common_options import AsJson, Limit, ServedDataDir, Url
from evalhaven.cli.references import settings_for

EPILOG = "Exit status: 0 it is done, 64 the command line is wrong, 70 the server does not answer, or not with that."


def audit(
    action: Annotated[
        str | None,
        typer.Option(metavar="ACTION", help="Only this: key.revoked, or key for all that is done to keys."),
    ] = None,
    caller: Annotated[
        str | None, typer.Option(metavar="CALLER", help="Only what this key or person did: an id, a name or a kind.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="TARGET", help="Only what was done to this: an id or a kind, such as eval.")
    ] = None,
    limit: Limit = 20,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    all_projects: Annotated[
        bool, typer.Option("--all-projects", help="What was done in every project and to the organization.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what keys and people changed, newest first: keys, projects, logins, imports and deletions."""
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.listing import take
    from evalhaven.cli.terminal import print_json

    query = {"action": action, "caller": caller, "target": target, "of": "organization" if all_projects else "project"}
    found = answer_of(settings_for(None, url, data_dir), partial(take, path="/api/audit", query=query, limit=limit))
    if as_json:
        print_json(found)
    else:
        _print_entries(found, limit, with_projects=all_projects)


def _print_entries(found: dict[str, Any], limit: int, *, with_projects: bool) -> None:
    from evalhaven.cli.listing import print_more, shown_time
    from evalhaven.cli.tables import Column, print_table
    from evalhaven.cli.terminal import plain_console, print_nothing

    if not found["data"]:
        print_nothing("Nothing like this was done. `evalhaven audit --all-projects` looks everywhere.")
        return
    rows = [
        [
            shown_time(each["created_at"]),
            each["caller"]["name"],
            each["action"],
            *([each["project"] or "-"] if with_projects else []),
            str(each["details"].get("name", "")),
            each["target"]["id"],
            each["address"] or "-",
        ]
        for each in found["data"]
    ]
    columns = [
        Column("at (UTC)"),
        Column("who", may_be_cut=True),
        Column("what"),
        *([Column("project")] if with_projects else []),
        Column("name", may_be_cut=True),
        Column("id"),
        Column("from"),
    ]
    print_table(plain_console(), columns, rows)
    print_more(plain_console(), found, limit)
