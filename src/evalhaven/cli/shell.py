"""How a command reads its settings from the shell, and how it prints errors there."""

import os
import sys
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Never

if TYPE_CHECKING:
    from rich.console import Console

    from evalhaven.settings import Settings

EXIT_USAGE = 64
EXIT_TOOL = 70
EXIT_INTERRUPTED = 130


def read_settings(**given: object) -> "Settings":
    """Return the settings: what the command line gave, else the environment, else the defaults."""
    # Half of a start; help and completion do without.
    from pydantic import ValidationError

    from evalhaven.settings import PREFIX, Settings, unknown_variables

    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        # Keys, and passwords in addresses, stay out of the logs of services.
        is_secret = any(word in name for word in ("KEY", "URL", "SECRET"))
        reason = first["msg"].removeprefix("Value error, ")
        fail(f"{name}: {reason}." if is_secret else f"{name}: {reason} (it is {first['input']!r}).")
    for name in unknown_variables():
        _errors().print(f"Warning: {name} is not a setting of Evalhaven; `evalhaven doctor` lists them.")
    return settings


def fail(message: str, status: int = 1) -> Never:
    """Print an error and end with this status."""
    print_error(message)
    sys.exit(status)


@contextmanager
def reader_may_leave(status: int | None = None) -> Generator[None]:
    """Tell it from every other end if whoever reads the output has enough of it: `| head` does so.

    Args:
        status: The exit status then; None goes on.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except (BrokenPipeError, SystemExit) as error:
        # Rich and Typer make exit status 1 of it, which is a regression to a pipeline.
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        # Nothing may be flushed there when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if status is not None:
            sys.exit(status)


@contextmanager
def mistakes_decide_nothing() -> Generator[None]:
    """Give a mistake of ours an exit status of its own: the interpreter's is 1, which says that a run fails."""
    try:
        yield
    except Exception:
        traceback.print_exc()
        sys.exit(EXIT_TOOL)


def print_error(message: str) -> None:
    """Print an error."""
    _errors().print(f"Error: {message}", style="red", highlight=False, markup=False, soft_wrap=True)


def print_warning(message: str) -> None:
    """Print what went wrong and changes nothing."""
    _errors().print(f"Warning: {message}", style="yellow", highlight=False, markup=False, soft_wrap=True)


def print_note(message: str) -> None:
    """Print what is going on."""
    _errors().print(message, highlight=False, markup=False, soft_wrap=True)


def show_first_key(secret: str) -> None:
    """Show the admin key of a first start: past the log, whose lines may be kept."""
    sys.stderr.write(
        "\nOther machines reach this server, and there were no API keys. This is its first admin key, which allows "
        "everything.\nIt is shown only now, and stored as a hash: keep it, and revoke it if it gets lost "
        f"(evalhaven keys).\n\n    {secret}\n\n"
    )
    sys.stderr.flush()


@cache
def _errors() -> "Console":
    from rich.console import Console

    return Console(stderr=True)
