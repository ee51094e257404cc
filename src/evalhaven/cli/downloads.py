"""What a server streams, written to a file or to standard output: a whole file, or none."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from evalhaven.cli.asking import AnswerError, Query, Streamed, fail_as_answered, open_asker
from evalhaven.cli.shell import EXIT_INTERRUPTED, EXIT_TOOL, fail, print_error
from evalhaven.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

_MEGABYTE = 1e6


def download(settings: Settings, path: str, query: Query, output: Path | None) -> None:
    """Write the answer to a request; end the command if it cannot be had.

    A file is written beside its place, under a name that ends in `.part`, and takes its place when it is whole.

    Args:
        settings: Which server to ask.
        path: Begins with a slash.
        query: Parameters; None is left out.
        output: The file; None for standard output.
    """
    import anyio
    from rich.console import Console

    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    try:
        status, size = anyio.run(_fetch, settings, (path, query), output, console)
    except AnswerError as error:
        fail_as_answered(error)
    except BrokenPipeError:
        # Whoever read it has enough; nothing may be flushed there when the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(EXIT_TOOL) from None
    except OSError as error:
        fail(f"{output or 'Standard output'} cannot be written: {error.strerror or error}.", EXIT_TOOL)
    except KeyboardInterrupt:
        print_error("Interrupted; nothing was kept." if output else "Interrupted; what was printed is not whole.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if output is not None:
        console.print(f"{output}: {_shown_size(size)}.")
    if status in ("queued", "in_progress"):
        console.print(f"The run is {status.replace('_', ' ')}: this is what there is so far.", style="yellow")


async def _fetch(
    settings: Settings, request: tuple[str, Query], output: Path | None, console: "Console"
) -> tuple[str, int]:
    async with open_asker(settings) as asker, asker.stream(*request) as answer:
        status = answer.headers.get("x-evalhaven-run-status", "")
        if output is None:
            return status, await _print(answer.parts)
        part = output.with_name(f"{output.name}.part")
        try:
            size = await _write(answer, part, console)
            part.replace(output)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
        return status, size


async def _print(parts: AsyncIterator[bytes]) -> int:
    size = 0
    async for block in parts:
        sys.stdout.buffer.write(block)
        size += len(block)
    sys.stdout.buffer.flush()
    return size


async def _write(answer: Streamed, part: Path, console: "Console") -> int:
    size = 0
    with part.open("wb") as file, console.status("") as shown:
        async for block in answer.parts:
            file.write(block)
            size += len(block)
            shown.update(_shown_size(size))
    return size


def _shown_size(size: int) -> str:
    return f"{size / _MEGABYTE:,.1f} MB" if size >= _MEGABYTE / 10 else f"{size:,} bytes"
