"""`evalhaven evals …`: evals listed and shown."""

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evalhaven.cli.common_options import AsJson, EvalArgument, Limit, OnlyPairs, ServedDataDir, Url
from evalhaven.cli.groups import NounCommands
from evalhaven.cli.option_values import metadata_of
from evalhaven.cli.references import parse_eval, settings_for

if TYPE_CHECKING:
    from evalhaven.cli.asking import Asker

EPILOG = "Exit status: 0 it is shown, 64 the command line is wrong, 70 the server does not answer, or not with that."

eval_commands = typer.Typer(cls=NounCommands, help="List and show evals. Without a command, list them.")


class DataSource(StrEnum):
    """Types of data sources."""

    CUSTOM = "custom"
    LOGS = "logs"
    STORED_COMPLETIONS = "stored_completions"


class LastStatus(StrEnum):
    """Statuses of the last run of an eval."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    NONE = "none"


@eval_commands.command("list", epilog=EPILOG)
def list_evals(
    search: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Only those whose name or id has this in it, whatever the case.")
    ] = None,
    data_source: Annotated[
        list[DataSource] | None,
        typer.Option("--type", metavar="TYPE", help="Only those of this type of data source; may be repeated."),
    ] = None,
    status: Annotated[
        list[LastStatus] | None,
        typer.Option(
            metavar="STATUS",
            help="Only those whose last run has this status, or none for those without runs; may be repeated.",
        ),
    ] = None,
    metadata: OnlyPairs = None,
    limit: Limit = 20,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List evals with the rate of their last completed run, the one that was used last first."""
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.eval_texts import print_evals
    from evalhaven.cli.listing import take
    from evalhaven.cli.terminal import print_json

    pairs = {f"metadata[{key}]": value for key, value in metadata_of(metadata).items()}
    query = {"search": search, "type": data_source, "status": status, **pairs}
    settings = settings_for(None, url, data_dir)
    found = answer_of(settings, partial(take, path="/api/evals", query=query, limit=limit))
    if as_json:
        print_json(found)
    else:
        print_evals(found, limit, is_filtered=any(query.values()))


@eval_commands.command("show", epilog=EPILOG)
def show_eval(
    evaluation: EvalArgument, url: Url = None, data_dir: ServedDataDir = None, *, as_json: AsJson = False
) -> None:
    """Show an eval: the fields of its items, its criteria and its last runs."""
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.eval_texts import print_eval
    from evalhaven.cli.terminal import print_json

    asked = parse_eval(evaluation)
    shown, versions, runs = answer_of(settings_for(asked.server, url, data_dir), partial(_ask, eval_id=asked.id))
    if as_json:
        print_json(shown)
    else:
        print_eval(shown, versions, runs)


async def _ask(asker: "Asker", eval_id: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    named = quote(eval_id, safe="")
    shown = await asker.ask("GET", f"/v1/evals/{named}")
    versions = await asker.ask("GET", f"/api/evals/{named}/versions")
    return shown, versions, await asker.ask("GET", "/api/runs", {"eval": eval_id, "limit": 5})
