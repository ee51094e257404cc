"""`evalhaven import …`: takes over evals, runs, results and files from elsewhere."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from evalhaven.app.client import IN_PROCESS_URL, find_server, open_client
from evalhaven.app.stores import StartError, database_path
from evalhaven.cli.shell import EXIT_INTERRUPTED, print_error
from evalhaven.importers.results import ResultsFile, ResultsSource
from evalhaven.importers.source import ImportSource, SourceError
from evalhaven.importers.transfer import Transfer, TransferError, TransferReport
from evalhaven.settings import Settings
from evalhaven.telemetry import configure_logging

if TYPE_CHECKING:
    from evalhaven.importers.archived import ArchiveSource

EXIT_COMPLETE = 0
EXIT_FAILED = 1
EXIT_INCOMPLETE = 3
_SHOWN_LINES = 20


def run_import(source: ImportSource, settings: Settings, *, is_check: bool) -> int:
    """Import a source, or with `is_check` say what would come over; print the report.

    Args:
        source: What to import.
        settings: They say which server or data directory to import into.
        is_check: Store nothing.

    Returns:
        The exit status.
    """
    # Warnings and errors only: in process, each request would log a line.
    configure_logging("warning", settings.log_format)
    with ExitStack() as stack:
        target = f"the data directory {settings.data_dir}"
        has_no_database = settings.database_url is None and not database_path(settings.data_dir).exists()
        try:
            # A server may keep its database elsewhere.
            if is_check and has_no_database and find_server(settings) is None:
                # A check must not create a data directory.
                nowhere = stack.enter_context(tempfile.TemporaryDirectory(prefix="evalhaven-check-"))
                settings = settings.model_copy(update={"data_dir": Path(nowhere)})
            report = anyio.run(_transfer, source, settings, target, is_check)
        except (TransferError, SourceError, StartError, OSError) as error:
            print_error(_reason_of(error))
            _print_line(Console(stderr=True), "What came over stays. To continue, run the same command again.")
            return EXIT_FAILED
        except KeyboardInterrupt:
            _print_line(
                Console(stderr=True), "Interrupted. What came over stays. To continue, run the same command again."
            )
            return EXIT_INTERRUPTED
    _print_report(report, Console(), is_check=is_check)
    damage = source.damage
    _print_lines(Console(), "Cannot be read (the rest is not affected)", damage.messages, damage.count)
    return EXIT_COMPLETE if report.is_complete and not damage.count else EXIT_INCOMPLETE


def run_archive_import(directory: Path, settings: Settings, *, is_check: bool) -> int:
    """Import an archive and report what is wrong with it; return the exit status."""
    from evalhaven.importers.archived import ArchiveSource

    try:
        source = ArchiveSource.open(directory)
    except SourceError as error:
        print_error(str(error))
        return EXIT_FAILED
    logs = source.logs()
    if source.is_empty and not logs:
        text = f"Nothing was found: {directory} is an archive of {source.origin} with no evals and no files."
        _print_line(Console(), f"{text} Was it exported from the right project?")
        _print_lines(Console(), "About the archive", [*source.cautions()])
        return EXIT_INCOMPLETE
    statuses = [] if source.is_empty else [run_import(source, settings, is_check=is_check)]
    if logs and EXIT_FAILED not in statuses and EXIT_INTERRUPTED not in statuses:
        statuses.append(_import_calls(source, logs, settings, is_check=is_check))
    status = next((each for each in statuses if each != EXIT_COMPLETE), EXIT_COMPLETE)
    problems = [*source.cautions(), *(source.find_damage() if is_check else ())]
    _print_lines(Console(), "About the archive", problems)
    return EXIT_INCOMPLETE if problems and status == EXIT_COMPLETE else status


def _import_calls(source: "ArchiveSource", logs: dict[str, int], settings: Settings, *, is_check: bool) -> int:
    """Import the logged calls of an archive; return the exit status."""
    from evalhaven.cli.call_import import CallReport, import_lines
    from evalhaven.importers.archived_calls import archived_calls

    counts = " and ".join(f"{count:,} {_words(kind)}" for kind, count in logs.items())
    _print_line(Console(), f"Calls to models in the archive: {counts}")
    again = "What came over stays. To continue, run the same command again."
    return import_lines(
        partial(archived_calls, source), CallReport(), settings, Console(), is_check=is_check, explain=lambda _: again
    )


def open_and_import(open_source: Callable[[], ImportSource], settings: Settings, *, is_check: bool) -> int:
    """Open a source and import it; return the exit status."""
    try:
        source = open_source()
    except SourceError as error:
        print_error(str(error))
        return EXIT_FAILED
    return run_import(source, settings, is_check=is_check)


def import_results(
    open_files: Callable[[], AbstractContextManager[Sequence[ResultsFile]]], settings: Settings, *, is_check: bool
) -> int:
    """Import results of another tool, and say what of them there is no place for; return the exit status."""
    try:
        with open_files() as files:
            source = ResultsSource(files)
            status = run_import(source, settings, is_check=is_check)
    except SourceError as error:
        print_error(str(error))
        return EXIT_FAILED
    if status in (EXIT_COMPLETE, EXIT_INCOMPLETE):
        _print_lines(Console(), "Not taken over", source.left_out)
    return status


async def _transfer(source: ImportSource, settings: Settings, target: str, is_check: bool) -> TransferReport:
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    async with open_client(settings) as client:
        if str(client.base_url).rstrip("/") != IN_PROCESS_URL:
            target = f"the server at {client.base_url}"
        print(f"{'Checking against' if is_check else 'Importing into'} {target}", flush=True)
        with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
            task = progress.add_task("…")

            def show(report: TransferReport) -> None:
                progress.update(task, description=", ".join(_counts(report)))

            return await Transfer(client, source, is_check=is_check, on_progress=show).send_all()


def _reason_of(error: Exception) -> str:
    return f"The import cannot go on: {error}." if isinstance(error, OSError) else str(error)


def _counts(report: TransferReport) -> Sequence[str]:
    return [f"{counts.here:,} {_words(kind)}" for kind, counts in report.kinds.items()]


def _print_report(report: TransferReport, console: Console, *, is_check: bool) -> None:
    table = Table("", box=None)
    for head in ("would come over" if is_check else "came over", "here already", "cannot come over"):
        table.add_column(head, justify="right")
    for kind, counts in report.kinds.items():
        table.add_row(_words(kind), f"{counts.created:,}", f"{counts.unchanged:,}", f"{counts.refused:,}")
    console.print(table)
    refused = sum(counts.refused for counts in report.kinds.values())
    reasons = [f"{_words(kind)} {public_id or '(no id)'}: {reason}" for kind, public_id, reason in report.refusals]
    _print_lines(console, "Cannot come over", reasons, refused)
    will_be = "will be" if is_check else "were"
    recovered = [f"files {file_id}: its rows {will_be} rebuilt from output items" for file_id in report.recovered]
    _print_lines(console, "Not in the source", recovered)
    _print_lines(console, "To look at", report.notes)


def _print_lines(console: Console, title: str, lines: Sequence[str], total: int | None = None) -> None:
    if not lines:
        return
    count = total or len(lines)
    console.print(f"{title}: {count:,}", style="yellow", highlight=False)
    for line in lines[:_SHOWN_LINES]:
        _print_line(console, f"  {line}")
    if count > _SHOWN_LINES:
        _print_line(console, f"  ... and {count - _SHOWN_LINES:,} more")


def _print_line(console: Console, line: str) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _words(kind: str) -> str:
    return kind.replace("_", " ")
