"""`evalhaven export-hosted`: the hosted account as an archive, without a server or a database."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Never, cast

import anyio
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from evalhaven.importers.archive import Finding, Manifest
    from evalhaven.importers.hosted.account import Account
    from evalhaven.importers.hosted.client import HostedClient
    from evalhaven.importers.hosted.filters import Filters
    from evalhaven.importers.hosted.forecast import Forecast

EXIT_COMPLETE = 0
EXIT_CANNOT_START = 1
EXIT_INCOMPLETE = 3
EXIT_INTERRUPTED = 130
FINDINGS_SHOWN = 20

ToDir = Annotated[
    Path, typer.Option(metavar="DIR", help="Directory of the archive; start again with the same one to go on.")
]
BaseUrl = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help="Address of the hosted API, such as https://NAME.openai.azure.com/openai/v1. "
        "OPENAI_BASE_URL is never read, since it may name the new server already.",
    ),
]
ApiVersion = Annotated[
    str | None,
    typer.Option(
        metavar="VERSION", help="Azure's api-version, if the address needs one; the key is AZURE_OPENAI_API_KEY."
    ),
]
EvalIds = Annotated[
    list[str] | None, typer.Option("--eval", metavar="EVAL", help="Only the eval of this id; may be repeated.")
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Only what was created at this time or later: date, date and time, or Unix seconds."
    ),
]
Until = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only what was created before this time (UTC unless it names a zone)."),
]
Pairs = Annotated[
    list[str] | None,
    typer.Option("--metadata", metavar="KEY=VALUE", help="Only evals or runs with this pair; may be repeated."),
]
AllFiles = Annotated[
    bool, typer.Option("--all-files", help="Also files of purpose evals that no exported run reads from.")
]
Concurrency = Annotated[int, typer.Option(metavar="NUMBER", min=1, max=64, help="Requests at once, 1 to 64.")]
Tries = Annotated[
    int,
    typer.Option(metavar="NUMBER", min=1, help="How often a request is made before it counts as failed, 1 or more."),
]
Timeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", min=0.1, help="Seconds without an answer after which a request is made anew, 0.1 or more."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count what would come; write nothing.")]
Probe = Annotated[
    bool,
    typer.Option("--probe", help="First record how the API answers odd questions, below DIR/probe; it only reads."),
]


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for."""

    account: "Account"
    directory: Path
    filters: "Filters"
    all_files: bool
    probe: bool


def export_hosted(
    to_dir: ToDir,
    base_url: BaseUrl = "https://api.openai.com/v1",
    api_version: ApiVersion = None,
    eval_ids: EvalIds = None,
    since: Since = None,
    until: Until = None,
    metadata: Pairs = None,
    *,
    all_files: AllFiles = False,
    concurrency: Concurrency = 4,
    tries: Tries = 8,
    timeout: Timeout = 60.0,
    dry_run: DryRun = False,
    probe: Probe = False,
) -> None:
    """Copy evals, runs, output items and files of a hosted account into an archive; it only reads there.

    The key comes from OPENAI_API_KEY (Azure: AZURE_OPENAI_API_KEY), the organisation and the project from
    OPENAI_ORG_ID and OPENAI_PROJECT_ID. Interrupt it as you like: started again, it goes on.

    Exit status: 0 complete, 1 it cannot start, 3 something could not be fetched or is lacking, 130 interrupted.
    """
    from evalhaven.importers.hosted.account import AccountError, read_account
    from evalhaven.importers.hosted.filters import Filters, InvalidFilterError, parse_moment, parse_pair

    try:
        account = read_account(
            os.environ, base_url, api_version, concurrency=concurrency, tries=tries, timeout_s=timeout
        )
        filters = Filters(
            eval_ids=tuple(eval_ids or ()),
            since=None if since is None else parse_moment(since),
            until=None if until is None else parse_moment(until),
            metadata=tuple(map(parse_pair, metadata or ())),
        )
    except (AccountError, InvalidFilterError) as error:
        refuse(str(error))
    if dry_run and probe:
        refuse("--probe writes its evidence, --dry-run writes nothing: choose one.")
    order = Order(account, to_dir, filters, all_files, probe)
    raise typer.Exit(anyio.run(_follow, order, dry_run))


def refuse(message: str) -> Never:
    """Print why the export cannot start, and end."""
    _print_error(message)
    raise typer.Exit(EXIT_CANNOT_START)


class ProgressBars:
    """Shows how far the export is, on a terminal; says nothing elsewhere."""

    def __init__(self, progress: Progress, client: "HostedClient") -> None:
        self._progress = progress
        self._client = client
        self._bar: TaskID | None = None
        self._done = 0

    def begin(self, what: str, total: int | None) -> None:
        """Add the bar of a phase."""
        if self._bar is not None:
            self._progress.update(self._bar, note="", total=self._done)
        self._bar, self._done = self._progress.add_task(what, total=total, note=""), 0

    def advance(self, count: int) -> None:
        """Move the bar, and say how often something had to be asked again."""
        if self._bar is not None:
            self._done += count
            retries = self._client.retries
            self._progress.update(self._bar, advance=count, note=f"{retries:,} retries" if retries else "")


async def _follow(order: Order, dry_run: bool) -> int:
    """Carry out the order until it is done or interrupted; return the exit status."""
    from evalhaven.importers.archive import ArchiveError
    from evalhaven.importers.hosted.client import HostedError, open_client

    status = EXIT_INTERRUPTED
    try:
        async with anyio.create_task_group() as tasks, open_client(order.account) as client:
            tasks.start_soon(_cancel_on_signal, tasks.cancel_scope)
            status = await (_foresee(order, client) if dry_run else _export(order, client))
            tasks.cancel_scope.cancel()
    except* HostedError as errors:
        _print_error(f"{order.account.base_url} cannot be read. {_first(errors)}")
        status = EXIT_CANNOT_START
    except* ArchiveError as errors:
        _print_error(str(_first(errors)))
        status = EXIT_CANNOT_START
    except* OSError as errors:
        _print_error(f"Writing to {str(order.directory)!r} failed: {_first(errors)}. What is there stays; start again.")
        status = EXIT_INCOMPLETE
    return status


async def _cancel_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


def _first(error: BaseException) -> BaseException:
    """Return the first error of a group, of groups within it too."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


async def _export(order: Order, client: "HostedClient") -> int:
    from evalhaven.domain.clock import Clock
    from evalhaven.importers.hosted.export import Exporter, check_access
    from evalhaven.importers.hosted.probe import probe
    from evalhaven.importers.hosted.workspace import Workspace

    await check_access(client)
    workspace = Workspace(order.directory, order.account.base_url, order.filters.describe(), Clock())
    is_ended = False
    try:
        if order.probe:
            answers = await probe(client, order.directory / "probe", Clock())
            print(f"{answers} answers of the live API are recorded in {order.directory / 'probe'}.")
        with _show_progress() as progress:
            exporter = Exporter(client, workspace, order.filters, ProgressBars(progress, client))
            await exporter.run(all_files=order.all_files)
        is_ended = True
    finally:
        manifest = workspace.close(is_ended=is_ended)
        if not is_ended:
            _print_error("The export has not ended. What is there stays; start again with the same --to-dir to go on.")
    is_complete = not (manifest.failures or workspace.is_lacking)
    _print_summary(manifest, order.directory, is_complete=is_complete)
    return EXIT_COMPLETE if is_complete else EXIT_INCOMPLETE


@contextmanager
def _show_progress() -> Generator[Progress]:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="yellow"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield progress


async def _foresee(order: Order, client: "HostedClient") -> int:
    from evalhaven.importers.hosted.forecast import forecast_export

    _print_forecast(await forecast_export(client, order.filters, all_files=order.all_files))
    return EXIT_COMPLETE


def _print_forecast(forecast: "Forecast") -> None:
    table = Table("would come", box=None)
    table.add_column("count", justify="right")
    counts = {
        "evals": forecast.evals,
        "runs": forecast.runs,
        "output items": forecast.output_items,
        "files": len(forecast.file_ids),
    }
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    Console().print(table)
    if forecast.active_runs:
        print(f"{forecast.active_runs:,} of the runs have not ended; what they have by then would come.")


def _print_summary(manifest: "Manifest", directory: Path, *, is_complete: bool) -> None:
    table = Table("in the archive", box=None)
    table.add_column("count", justify="right")
    for name, count in manifest.counts.items():
        table.add_row(name.replace("_", " "), f"{count:,}")
    console = Console()
    console.print(table)
    _print_findings(console, "To look at (what is lacking is fetched again by the next export)", manifest.notes)
    _print_findings(console, "Not fetched", manifest.failures)
    if not is_complete:
        command = f"evalhaven export-hosted --to-dir {directory}"
        console.print(f"Incomplete. To try the missing part again: {command}", highlight=False, soft_wrap=True)
    else:
        console.print(f"Complete: {directory}", highlight=False, soft_wrap=True)


def _print_findings(console: Console, title: str, findings: "list[Finding]") -> None:
    if not findings:
        return
    console.print(f"{title}: {len(findings):,}", style="yellow", highlight=False)
    for each in findings[:FINDINGS_SHOWN]:
        text = f"  {each.kind.replace('_', ' ')} {each.id or ''}: {each.message}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    if len(findings) > FINDINGS_SHOWN:
        console.print(f"  ... and {len(findings) - FINDINGS_SHOWN:,} more; manifest.json names all.", highlight=False)


def _print_error(message: str) -> None:
    console = Console(stderr=True)
    console.print(f"Error: {message}", style="red", highlight=False, markup=False, soft_wrap=True)
