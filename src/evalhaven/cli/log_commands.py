"""`evalhaven logs …`: logged calls."""

from pathlib import Path
from typing import Annotated

import typer

from evalhaven.cli.common_options import AsJson, Project, ServedDataDir, Url, prefer_command_line

log_commands = typer.Typer(
    help="Show what became of logged calls and how long they are kept, and import others.", no_args_is_help=True
)


@log_commands.command("status")
def show_log_status(url: Url = None, data_dir: ServedDataDir = None) -> None:
    """Show how many calls to models are stored, wait to be stored, and were lost, and for how long they are kept.

    Exit status: 0 calls are stored, 1 something keeps them from being stored.
    """
    from rich.console import Console

    from evalhaven.cli.log_status import show
    from evalhaven.cli.shell import read_settings

    settings = prefer_command_line(read_settings(url=url, data_dir=data_dir), data_dir, url)
    raise typer.Exit(show(settings, Console()))


@log_commands.command(
    "retention",
    epilog="Exit status: 0 it is done, 64 the command line is wrong, 70 the server does not answer, or not with that.",
)
def show_retention(
    days: Annotated[
        str | None,
        typer.Option(
            "--days",
            metavar="DAYS",
            help="Keep its calls for so many days, at most as many as the server keeps any, or `none`: for as long as "
            "that; default: show what holds.",
        ),
    ] = None,
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing. Say what would be dropped.")] = False,
    project: Project = None,
    as_json: AsJson = False,
) -> None:
    """Show, or set, for how many days the calls of a project are kept.

    Calls that are older are dropped within an hour, and cannot be restored. Runs keep what they have read.
    """
    from evalhaven.cli.log_retention import set_days, show_days

    if check and days is None:
        raise typer.BadParameter("--check needs --days: it says what would be dropped with them.")
    if days is None:
        show_days(url, data_dir, project, as_json=as_json)
    else:
        set_days(days, url, data_dir, project, is_check=check, as_json=as_json)


@log_commands.command("import")
def import_calls(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help='JSON lines, each {"request": …, "reply": …} of chat completions or the Responses API; may be '
            "compressed with gzip.",
        ),
    ],
    url: Url = None,
    data_dir: ServedDataDir = None,
    *,
    from_line: Annotated[
        int, typer.Option("--from-line", min=1, metavar="NUMBER", help="Begin there, as after an interruption.")
    ] = 1,
    check: Annotated[bool, typer.Option("--check", help="Store nothing. Say what would be stored.")] = False,
) -> None:
    """Store calls to models that were made elsewhere. What is stored already stays as it is.

    If a server is running on the data directory, they go through it. Otherwise they are written to the data directory
    itself.

    Exit status: 0 everything is stored, 1 the import failed, 3 some calls cannot be stored, 130 interrupted.
    """
    from rich.console import Console

    from evalhaven.cli.call_import import import_file
    from evalhaven.cli.shell import read_settings

    settings = prefer_command_line(read_settings(url=url, data_dir=data_dir), data_dir, url)
    raise typer.Exit(import_file(file, settings, Console(), first_line=from_line, is_check=check))
