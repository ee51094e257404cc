"""`evalhaven runs …`: runs listed and shown."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from evalhaven.cli.common_options import AsJson, Limit, RunArgument, ServedDataDir, Url
from evalhaven.cli.eval_commands import EPILOG
from evalhaven.cli.groups import NounCommands
from evalhaven.cli.references import parse_eval, parse_run, settings_for
from evalhaven.domain.statuses import RunStatus

if TYPE_CHECKING:
    from evalhaven.cli.asking import Asker

run_commands = typer.Typer(cls=NounCommands, help="List and show runs. Without a command, list them.")


@run_commands.command("list", epilog=EPILOG)
def list_runs(
    evaluation: Annotated[
        str | None, typer.Option("--eval", metavar="EVAL", help="Only those of this eval: its id, or its page.")
    ] = None,
    status: Annotated[
        list[RunStatus] | None, typer.Option(metavar="STATUS", help="Only those with this status; may be repeated.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Only those that sample this model.")] = None,
    search: Annotated[
        str | None,
        typer.Option(metavar="WORDS", help="Only those whose name, id or model has this in it, whatever the case."),
    ] = None,
    limit: Limit = 20,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the runs of all evals, or of one: those under way first, then the others, the newest first."""
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.listing import take
    from evalhaven.cli.run_texts import print_runs
    from evalhaven.cli.terminal import print_json

    asked = None if evaluation is None else parse_eval(evaluation)
    query = {"eval": asked and asked.id, "status": status, "model": model, "search": search}
    settings = settings_for(asked and asked.server, url, data_dir)
    found = answer_of(settings, partial(take, path="/api/runs", query=query, limit=limit))
    if as_json:
        print_json(found)
    else:
        print_runs(found, limit, is_filtered=any(query.values()))


@run_commands.command("show", epilog=EPILOG)
def show_run(run: RunArgument, url: Url = None, data_dir: ServedDataDir = None, *, as_json: AsJson = False) -> None:
    """Show a run: its state, the rate of each criterion with its interval, errors, and what it cost."""
    from evalhaven.cli.asking import answer_of
    from evalhaven.cli.run_texts import print_run
    from evalhaven.cli.terminal import print_json

    asked = parse_run(run)
    shown, report = answer_of(settings_for(asked.server, url, data_dir), partial(_ask, run_id=asked.id))
    if as_json:
        print_json(shown)
    else:
        print_run(shown, report)


async def _ask(asker: "Asker", run_id: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    from evalhaven.cli.asking import AnswerError

    path = f"/api/runs/{quote(run_id, safe='')}"
    shown = await asker.ask("GET", path, {"rows": "false"})
    try:
        return shown, await asker.ask("GET", f"{path}/report")
    except AnswerError as error:
        if error.code != "report_not_ready":
            raise
        return shown, None
