"""Running the command line as a user does, in a process of its own or in this one."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import structlog
from typer.testing import CliRunner

from evalhaven.cli.main import application

_TIMEOUT_S = 90
_OWN = ("EVALHAVEN_", "OPENAI_", "AZURE_")


def run_command(*arguments: str, directory: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `evalhaven` to its end in a process of its own and return what it printed.

    Args:
        arguments: What follows `evalhaven`.
        directory: The working directory.
        environment: Variables beyond those of the tests' own process, from which those that commands read are left out.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    return subprocess.run(
        [sys.executable, "-m", "evalhaven", *arguments],
        cwd=directory,
        env={**inherited, "COLUMNS": "200", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )


def call_command(
    *arguments: str, directory: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Do as `run_command` does, within this process: for facts that are about what a command says and makes.

    A process takes half a second to start, so those of its own are for signals, terminals, locks and streams that end.
    """
    left_out = {name: None for name in os.environ if name.startswith(_OWN)}
    with contextlib.chdir(directory or Path.cwd()), _logging_kept():
        result = CliRunner().invoke(application, arguments, env={**left_out, "COLUMNS": "200", **environment})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)


@contextlib.contextmanager
def _logging_kept() -> Generator[None]:
    """Undo what a command sets up for the whole of its process: how it logs."""
    was_configured, configuration = structlog.is_configured(), structlog.get_config()
    try:
        yield
    finally:
        structlog.reset_defaults()
        if was_configured:
            structlog.configure(**configuration)
