"""`evalhaven items …`: the output items of a run listed and shown."""

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evalhaven.cli.common_options import AsJson, Limit, RunArgument, ServedDataDir, Url
from evalhaven.cli.eval_commands import EPILOG
from evalhaven.cli.groups import NounCommands
from evalhaven.cli.references import parse_run, settings_for

if TYPE_CHECKING:
    from evalhaven.cli.asking import Asker

item_commands = typer.Typer(cls=NounCommands, help="List and show the items of a run. Without a command, list them.")


class ItemOutcome(StrEnum):
    """How an item came out."""

    PASS = "pass"  # noqa: S105 - of an item
    FAIL = "fail"
    ERROR = "error"


@item_commands.command("list", epilog=EPILOG)
def list_items(
    run: RunArgument,
    status: Annotated[
        list[ItemOutcome] | None, typer.Option(metavar="STATUS", help="Only pass, fail or error; may be repeated.")
    ] = None,
    limit: Limit = 20,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that failed: --status fail.")] = False,
    errored: Annotated[bool, typer.Option("--errored", help="Only those without a result: --status error.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the output items of a run in the order in which they ended, with their scores and what the model answered.

    RUN may follow `items` at once: `evalhaven items RUN --failed`.
    """
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.item_texts import print_items
    from evalhaven.cli.terminal import print_json

    given = [*(status or ()), *([ItemOutcome.FAIL] if failed else []), *([ItemOutcome.ERROR] if errored else [])]
    wanted = list(dict.fromkeys(given))
    asked = parse_run(run)
    settings = settings_for(asked.server, url, data_dir)
    found, names = answer_of(settings, partial(_ask_list, run_id=asked.id, statuses=wanted, limit=limit))
    if as_json:
        print_json(found)
    else:
        print_items(found, names, asked.id, limit, is_filtered=bool(wanted))


@item_commands.command("show", epilog=EPILOG)
def show_item(
    run: RunArgument,
    item: Annotated[str, typer.Argument(metavar="ITEM", help="Id of the output item.")],
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show an output item: the item, what the model was asked and answered, and each grade with its reasons."""
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.item_texts import print_item
    from evalhaven.cli.terminal import print_json

    asked = parse_run(run)
    settings = settings_for(asked.server, url, data_dir)
    shown, names = answer_of(settings, partial(_ask_item, run_id=asked.id, item_id=item))
    if as_json:
        print_json(shown)
    else:
        print_item(shown, names)


async def _ask_list(
    asker: "Asker", run_id: str, statuses: list[ItemOutcome], limit: int
) -> tuple[dict[str, Any], dict[str, str]]:
    from evalhaven.cli.listing import take

    path, names = await _place_of(asker, run_id)
    found: dict[str, Any] = {"object": "list", "data": [], "has_more": False}
    for status in statuses or [None]:
        room = limit - len(found["data"])
        if room <= 0:
            found["has_more"] = True
            break
        part = await take(asker, path, {"status": status, "order": "asc"}, room)
        found = {**part, "data": found["data"] + part["data"]}
    return found, names


async def _ask_item(asker: "Asker", run_id: str, item_id: str) -> tuple[dict[str, Any], dict[str, str]]:
    path, names = await _place_of(asker, run_id)
    return await asker.ask("GET", f"{path}/{quote(item_id, safe='')}"), names


async def _place_of(asker: "Asker", run_id: str) -> tuple[str, dict[str, str]]:
    """Return the path of a run's output items, and the names of its criteria by their ids."""
    from evalhaven.cli.listing import part_of

    run = await asker.ask("GET", f"/api/runs/{quote(run_id, safe='')}", {"rows": "false"})
    of_eval = f"/v1/evals/{quote(run['eval_id'], safe='')}"
    parent = await asker.ask("GET", of_eval)
    # A run that grades another one again may have criteria of its own.
    own = part_of(part_of(run, "evalhaven"), "regraded").get("testing_criteria") or ()
    names = {each["id"]: each["name"] for each in (*parent["testing_criteria"], *own) if "id" in each}
    return f"{of_eval}/runs/{quote(run_id, safe='')}/output_items", names
