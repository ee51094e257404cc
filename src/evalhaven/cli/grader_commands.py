"""`evalhaven graders …`: the libraries that python graders import, and how graders are isolated."""

import os
import sys
from typing import Annotated

import typer

from evalhaven.cli.common_options import DataDir, prefer_command_line
from evalhaven.graders.python.image import DEFAULT_IMAGE

grader_commands = typer.Typer(
    help="Manage the libraries of python graders, and see how graders are isolated.", no_args_is_help=True
)


@grader_commands.command("install")
def install(
    image_tag: Annotated[
        str, typer.Option(metavar="TAG", help="The hosted image whose libraries are wanted.")
    ] = DEFAULT_IMAGE,
    find_links: Annotated[
        list[str] | None,
        typer.Option(metavar="PLACE", help="Directory or address that has wheels, as for pip; may be repeated."),
    ] = None,
    data_dir: DataDir = None,
    *,
    no_index: Annotated[
        bool, typer.Option("--no-index", help="Ask no package index. Take wheels from --find-links only.")
    ] = False,
) -> None:
    """Install the libraries that python graders import, as a hosted image has them. Only wheels are installed."""
    from rich.console import Console

    from evalhaven.app.python_graders import grader_environments
    from evalhaven.cli.grader_report import closed_note
    from evalhaven.cli.running_server import settings_in_effect
    from evalhaven.cli.shell import fail, read_settings
    from evalhaven.graders.python.environments import closed_directory
    from evalhaven.graders.python.installing import InstallError, PackageSource, install_environment

    console = Console(highlight=False, soft_wrap=True, markup=False)
    settings, whose = settings_in_effect(prefer_command_line(read_settings(data_dir=data_dir), data_dir, None))
    console.print(whose)
    environments = grader_environments(settings)
    try:
        found = install_environment(
            environments, image_tag, PackageSource(find_links or (), no_index=no_index), console.print
        )
    except InstallError as error:
        fail(str(error))
    console.print(f"Installed in {environments.directory / image_tag}; runs that start from now on find it.")
    for each in found:
        console.print(f"- {each}")
    closed = closed_directory(environments.directory)
    if closed is not None and sys.platform != "win32" and os.geteuid() == 0:
        console.print(f"! {closed_note(closed)}", style="yellow")


@grader_commands.command("doctor")
def doctor(data_dir: DataDir = None) -> None:
    """Show how python graders are isolated here, and which libraries and nltk corpora they have."""
    from rich.console import Console

    from evalhaven.cli.grader_report import report
    from evalhaven.cli.running_server import settings_in_effect
    from evalhaven.cli.shell import read_settings

    console = Console(highlight=False, soft_wrap=True, markup=False)
    settings, whose = settings_in_effect(prefer_command_line(read_settings(data_dir=data_dir), data_dir, None))
    console.print(whose)
    raise typer.Exit(report(settings, console))
