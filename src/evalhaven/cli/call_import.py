"""`evalhaven logs import`: sends lines of calls to a server, some thousand at a time."""

import gzip
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
from pydantic import ValidationError
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from evalhaven.app.client import open_client
from evalhaven.app.stores import StartError
from evalhaven.cli.shell import EXIT_INTERRUPTED, print_error
from evalhaven.settings import Settings
from evalhaven.telemetry import configure_logging
from evalhaven.wire.errors import ErrorResponse
from evalhaven.wire.logs import CallIntakeOutcome

EXIT_COMPLETE = 0
EXIT_FAILED = 1
EXIT_INCOMPLETE = 3
_BATCH_LINES = 2_000
_BATCH_BYTES = 8 * 1024 * 1024
_SHOWN_REFUSALS = 20
_GZIP_MAGIC = b"\x1f\x8b"


class RefusedError(Exception):
    """The server did not take what it was sent; the message is its answer."""


@dataclass(slots=True)
class CallReport:
    """What came of calls so far.

    Attributes:
        lines: Lines that were sent and answered, with those that were passed over at the start.
        too_old: How many of the refused are only older than calls are kept.
        days_needed: For how many days the server would have to keep calls to keep them, too; 0 if it does.
        project_days_needed: For how many the project would have to; 0 if it does.
        refusals: Number of the line and reason; the first of those that are refused for something else.
    """

    lines: int = 0
    stored: int = 0
    known: int = 0
    refused: int = 0
    too_old: int = 0
    days_needed: int = 0
    project_days_needed: int = 0
    refusals: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def add(self, outcome: CallIntakeOutcome, count: int) -> None:
        """Add the answer to a batch of so many lines."""
        room = _SHOWN_REFUSALS - len(self.refusals)
        others = [each for each in outcome.refusals if not each.too_old]
        self.refusals += [(self.lines + each.line, each.reason) for each in others[:room]]
        self.lines += count
        self.stored += outcome.stored
        self.known += outcome.known
        self.refused += outcome.refused
        self.too_old += outcome.too_old
        self.days_needed = max(self.days_needed, outcome.days_needed or 0)
        self.project_days_needed = max(self.project_days_needed, outcome.project_days_needed or 0)

    @property
    def figures(self) -> str:
        """Return the counts in words."""
        return f"{self.stored:,} stored, {self.known:,} known already, {self.refused:,} refused"


def import_file(path: Path, settings: Settings, console: Console, *, first_line: int, is_check: bool) -> int:
    """Import the calls of a file, plain or compressed with gzip; return the exit status."""

    def lines() -> Iterator[bytes]:
        with path.open("rb") as file:
            is_packed = file.peek(2)[:2] == _GZIP_MAGIC
            with closing(gzip.open(file)) if is_packed else file as content:
                yield from islice(content, first_line - 1, None)

    def explain(report: CallReport) -> str:
        return f"To continue, run the same command with --from-line {report.lines + 1}."

    report = CallReport(lines=first_line - 1)
    return import_lines(lines, report, settings, console, is_check=is_check, explain=explain)


def import_lines(
    lines: Callable[[], Iterator[bytes]],
    report: CallReport,
    settings: Settings,
    console: Console,
    *,
    is_check: bool,
    explain: Callable[[CallReport], str],
) -> int:
    """Import calls and print what came of them.

    Args:
        lines: Opens the lines, each a call.
        report: What it is added to.
        settings: They say which server or data directory to import into.
        console: Where it is printed.
        is_check: Store nothing.
        explain: Says how to go on after an interruption.

    Returns:
        The exit status.
    """
    # Warnings and errors only: in process, each request would log a line.
    configure_logging("warning", settings.log_format)
    try:
        anyio.run(_send_all, lines, report, settings, console, is_check)
    except (RefusedError, StartError, OSError, EOFError, httpx2.HTTPError) as error:
        print_error(str(error) or type(error).__name__)
        console.print(f"Until then: {report.figures}. {explain(report)}", highlight=False, markup=False)
        return EXIT_FAILED
    except KeyboardInterrupt:
        console.print(f"Interrupted: {report.figures}. {explain(report)}", highlight=False, markup=False)
        return EXIT_INTERRUPTED
    word = "Would be" if is_check else "Calls"
    console.print(f"{word}: {report.figures}.", highlight=False, markup=False)
    for number, reason in report.refusals:
        console.print(f"  line {number:,}: {reason}", highlight=False, markup=False, soft_wrap=True)
    untold = report.refused - report.too_old - len(report.refusals)
    if untold:
        console.print(f"  ... and {untold:,} more", highlight=False, markup=False)
    if report.too_old:
        console.print(_about_age(report), highlight=False, markup=False, soft_wrap=True)
    return EXIT_INCOMPLETE if report.refused else EXIT_COMPLETE


def _about_age(report: CallReport) -> str:
    cures: list[str] = []
    if report.days_needed:
        cures.append(f"set EVALHAVEN_LOG_DAYS to {report.days_needed} or more, restart the server with it, ")
    if report.project_days_needed:
        cures.append(f"say `evalhaven logs retention --days {report.project_days_needed}` for the project, ")
    return (
        f"Left out because of their age: {report.too_old:,} of the refused calls. They are older than calls are kept "
        f"here. To keep them, {''.join(cures)}and run the same command again: what is stored already is passed over."
    )


async def _send_all(
    lines: Callable[[], Iterator[bytes]], report: CallReport, settings: Settings, console: Console, is_check: bool
) -> None:
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    progress = Progress(*columns, console=console, disable=not console.is_terminal)
    async with open_client(settings) as client:
        with progress, closing(_batches(lines())) as batches:
            task = progress.add_task("…")
            while (batch := await anyio.to_thread.run_sync(_next, batches)) is not None:
                report.add(await _send(client, b"".join(batch), is_check=is_check), len(batch))
                progress.update(task, description=f"{report.lines:,} lines: {report.figures}")


async def _send(client: httpx2.AsyncClient, content: bytes, *, is_check: bool) -> CallIntakeOutcome:
    try:
        answer = await client.post("/api/logs", params={"check": str(is_check).lower()}, content=content)
    except httpx2.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise RefusedError(f"The server at {client.base_url} does not answer: {reason}.") from error
    if answer.is_error:
        try:
            message = ErrorResponse.model_validate(answer.json()).error.message
        except ValueError:
            message = answer.text[:200]
        raise RefusedError(f"{message} (status {answer.status_code})")
    try:
        return CallIntakeOutcome.model_validate(answer.json())
    except ValidationError as error:
        raise RefusedError(f"{client.base_url} is not an Evalhaven server that keeps calls.") from error


def _next(batches: Iterator[list[bytes]]) -> list[bytes] | None:
    return next(batches, None)


def _batches(lines: Iterator[bytes]) -> Generator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) == _BATCH_LINES or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
