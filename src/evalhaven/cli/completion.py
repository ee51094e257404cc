"""`evalhaven completion`: what makes a shell complete commands and options."""

import os
import sys
from typing import Annotated, Literal

import typer

_PROGRAM = "evalhaven"
_REQUEST = "_EVALHAVEN_COMPLETE"


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print a script that completes commands and options in a shell.

    bash: `source <(evalhaven completion bash)` in ~/.bashrc.

    zsh: `source <(evalhaven completion zsh)` in ~/.zshrc, after compinit.

    fish: `evalhaven completion fish | source` in ~/.config/fish/config.fish.
    """
    from typer.completion import get_completion_script  # pyright: ignore[reportPrivateImportUsage] - see below

    sys.stdout.write(get_completion_script(prog_name=_PROGRAM, complete_var=_REQUEST, shell=shell) + "\n")


def prepare_completion() -> None:
    """Make ready to answer a shell that asks what may follow, if this process was started for that."""
    if _REQUEST in os.environ:
        # Typer's public way to this are two options of every command line, and their import at every start.
        from typer.completion import completion_init  # pyright: ignore[reportPrivateImportUsage]

        completion_init()
