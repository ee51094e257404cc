"""`evalhaven limits …`: what a project may use, shown and set."""

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalhaven.cli.common_options import AsJson, Project, ServedDataDir, Url
from evalhaven.cli.groups import NounCommands
from evalhaven.cli.references import settings_for

if TYPE_CHECKING:
    from evalhaven.cli.asking import Asker

EPILOG = "Exit status: 0 it is done, 64 the command line is wrong, 70 the server does not answer, or not with that."

limit_commands = typer.Typer(cls=NounCommands, help="Show and set what a project may use. Without a command, show it.")

_NONE = "none"
_SIZES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@limit_commands.command("list", epilog=EPILOG)
def list_limits(
    project: Project = None, url: Url = None, data_dir: ServedDataDir = None, *, as_json: AsJson = False
) -> None:
    """Show what a project may use, and what it uses."""
    from evalhaven.cli.asking import answer_of

    _print(answer_of(settings_for(None, url, data_dir), partial(_ask, "GET", None), project=project), as_json=as_json)


@limit_commands.command("set", epilog=EPILOG)
def set_limits(
    requests: Annotated[
        str | None,
        typer.Option(
            "--requests",
            metavar="N",
            help="Requests of all its keys in a minute, to all servers together, or `none`; default: as it is.",
        ),
    ] = None,
    runs: Annotated[
        str | None,
        typer.Option("--runs", metavar="N", help="Runs that are queued or under way, or `none`; default: as it is."),
    ] = None,
    stored: Annotated[
        str | None,
        typer.Option(
            "--stored",
            metavar="SIZE",
            help="Files, parts of uploads and inline rows, such as 500MB or 20GB, or `none`; default: as it is.",
        ),
    ] = None,
    run_cost: Annotated[
        str | None,
        typer.Option(
            "--run-cost", metavar="DOLLARS", help="What the calls of one run may cost, or `none`; default: as it is."
        ),
    ] = None,
    month_cost: Annotated[
        str | None,
        typer.Option(
            "--month-cost",
            metavar="DOLLARS",
            help="What all runs and graders may cost in one calendar month (UTC), or `none`; default: as it is.",
        ),
    ] = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Set what a project may use; what is not named stays as it is."""
    from evalhaven.cli.asking import answer_of

    named = {
        "requests_per_minute": None if requests is None else _number("--requests", requests, int),
        "concurrent_runs": None if runs is None else _number("--runs", runs, int),
        "stored_bytes": None if stored is None else _size(stored),
        "run_cost": None if run_cost is None else _number("--run-cost", run_cost, float),
        "month_cost": None if month_cost is None else _number("--month-cost", month_cost, float),
    }
    body = {name: given[0] for name, given in named.items() if given is not None}
    if not body:
        raise typer.BadParameter("Name a limit: --requests, --runs, --stored, --run-cost or --month-cost.")
    changed = answer_of(settings_for(None, url, data_dir), partial(_ask, "POST", body), project=project)
    _print(changed, as_json=as_json)


async def _ask(method: str, body: dict[str, Any] | None, asker: "Asker") -> dict[str, Any]:
    return await asker.ask(method, "/api/limits", body=body)


def _print(limits: dict[str, Any], *, as_json: bool) -> None:
    from evalhaven.cli.limit_texts import print_limits
    from evalhaven.cli.terminal import print_json

    if as_json:
        print_json(limits)
    else:
        print_limits(limits)


def _number(option: str, text: str, kind: type[int] | type[float]) -> tuple[float | int | None]:
    """Return the number that an option gives, None standing for no limit.

    Raises:
        typer.BadParameter: It is none.
    """
    if text.lower() == _NONE:
        return (None,)
    try:
        return (kind(text),)
    except ValueError as error:
        raise typer.BadParameter(f"{option} takes a number or `none`, not {text!r}.") from error


def _size(text: str) -> tuple[int | None]:
    """Return the bytes that a size stands for, None standing for no limit.

    Raises:
        typer.BadParameter: It is no size.
    """
    if text.lower() == _NONE:
        return (None,)
    unit = text[-2:].upper()
    number, factor = (text[:-2], _SIZES[unit]) if unit in _SIZES else (text, 1)
    try:
        return (int(float(number) * factor),)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"--stored takes a size such as 500MB or 20GB, or `none`, not {text!r}.") from error
