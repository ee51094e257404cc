"""`evalhaven logs …`: logged calls."""

import typer

from evalhaven.cli.common_options import ServedDataDir, Url, prefer_command_line

log_commands = typer.Typer(help="Show what became of logged calls.", no_args_is_help=True)


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
