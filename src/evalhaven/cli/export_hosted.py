"""`evalhaven export-hosted`: the hosted account as an archive, without a server or a database."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Never, cast

import anyio
import typer

from evalhaven.cli.shell import EXIT_INTERRUPTED, print_error

if TYPE_CHECKING:
    from evalhaven.cli.export_report import ProgressBars
    from evalhaven.importers.hosted.account import Account
    from evalhaven.importers.hosted.client import HostedClient, HostedError
    from evalhaven.importers.hosted.orders import Order

EXIT_COMPLETE = 0
EXIT_CANNOT_START = 1
EXIT_INCOMPLETE = 3

ToDir = Annotated[
    Path, typer.Option(metavar="DIR", help="Directory for the archive. Name the same one again to continue an export.")
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Address of the hosted API, such as https://NAME.openai.azure.com/openai/v1; default: the archive's, else "
        "https://api.openai.com/v1. OPENAI_BASE_URL is not read, since it may name the new server already.",
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
    bool, typer.Option("--all-files", help="Also export files of purpose evals that no exported run reads.")
]
Logs = Annotated[
    bool | None,
    typer.Option(
        "--logs/--no-logs",
        show_default=False,
        help="Whether to export stored chat completions with their messages, and the responses that runs or items "
        "name; default: yes.",
    ),
]
Concurrency = Annotated[
    int | None, typer.Option(metavar="NUMBER", min=1, max=64, help="Requests at once, 1 to 64; default: 4.")
]
Tries = Annotated[
    int | None,
    typer.Option(metavar="NUMBER", min=1, help="Attempts at a request before it fails, 1 or more; default: 8."),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.1,
        help="Seconds to wait for an answer before a request is made again, 0.1 or more; default: 60.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Write nothing. Count what would be exported.")]
Probe = Annotated[
    bool,
    typer.Option("--probe", help="First record in DIR/probe how the API answers unusual requests. They only read."),
]


@dataclass(frozen=True, slots=True)
class Task:
    """An export to be made: what is asked for, from which account, and where it goes."""

    order: "Order"
    account: "Account"
    directory: Path
    probe: bool


def export_hosted(
    to_dir: ToDir,
    base_url: BaseUrl = None,
    api_version: ApiVersion = None,
    eval_ids: EvalIds = None,
    since: Since = None,
    until: Until = None,
    metadata: Pairs = None,
    *,
    all_files: AllFiles = False,
    logs: Logs = None,
    concurrency: Concurrency = None,
    tries: Tries = None,
    timeout: Timeout = None,
    dry_run: DryRun = False,
    probe: Probe = False,
) -> None:
    """Copy the evals, runs, output items, files and logs of a hosted account into an archive.

    The account is only read. The key comes from OPENAI_API_KEY (Azure: AZURE_OPENAI_API_KEY), the organisation and the
    project from OPENAI_ORG_ID and OPENAI_PROJECT_ID.

    The export may be interrupted at any time. Start it again with the same directory, and it continues. The archive
    remembers what the first start asked for, so that no other option is needed.

    Exit status: 0 complete, 1 it could not start, 3 nothing was found or something could not be
    exported, 130 interrupted.
    """
    from evalhaven.importers.archive import ArchiveError
    from evalhaven.importers.hosted.account import AccountError, read_account
    from evalhaven.importers.hosted.filters import Filters, InvalidFilterError, parse_moment, parse_pair
    from evalhaven.importers.hosted.orders import OrderError, Wishes, read_order

    if dry_run and probe:
        refuse("--probe writes its evidence and --dry-run writes nothing: choose one.")
    try:
        filters = Filters(
            eval_ids=tuple(eval_ids or ()),
            since=None if since is None else parse_moment(since),
            until=None if until is None else parse_moment(until),
            metadata=tuple(map(parse_pair, metadata or ())),
        )
        wishes = Wishes(
            base_url=base_url,
            filters=filters,
            api_version=api_version,
            all_files=all_files,
            logs=logs,
            concurrency=concurrency,
            tries=tries,
            timeout_s=timeout,
        )
        order = read_order(to_dir, wishes, os.environ)
        asked = order.asked
        manners = {"concurrency": asked.concurrency, "tries": asked.tries, "timeout_s": asked.timeout_s}
        given = {name: value for name, value in manners.items() if value is not None}
        account = read_account({**os.environ, **asked.owner}, order.base_url, asked.api_version, **given)
    except (AccountError, ArchiveError, InvalidFilterError, OrderError) as error:
        refuse(str(error))
    raise typer.Exit(anyio.run(_follow, Task(order, account, to_dir, probe), dry_run))


def refuse(message: str) -> Never:
    """Print why the export cannot start, and end."""
    print_error(message)
    raise typer.Exit(EXIT_CANNOT_START)


async def _follow(task: Task, dry_run: bool) -> int:
    """Export until everything is done or Ctrl-C; return the exit status."""
    from evalhaven.cli.export_report import ProgressBars
    from evalhaven.importers.archive import ArchiveError
    from evalhaven.importers.hosted.client import HostedError, open_client

    status, bars = EXIT_INTERRUPTED, ProgressBars()
    try:
        with bars:
            async with (
                anyio.create_task_group() as tasks,
                open_client(task.account, bars.show_retry) as client,
            ):
                tasks.start_soon(_cancel_on_signal, tasks.cancel_scope)
                status = await (_foresee(task, client, bars) if dry_run else _export(task, client, bars))
                tasks.cancel_scope.cancel()
    except* HostedError as errors:
        print_error(_reason_to_give_up(task, cast("HostedError", _first(errors))))
        status = EXIT_CANNOT_START
    except* ArchiveError as errors:
        print_error(str(_first(errors)))
        status = EXIT_CANNOT_START
    except* OSError as errors:
        print_error(f"Writing to {str(task.directory)!r} failed: {_first(errors)}. What is there stays; start again.")
        status = EXIT_INCOMPLETE
    return status


async def _cancel_on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()
            return


def _first(error: BaseException) -> BaseException:
    """Return the first error of a group, however deeply groups are nested."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error


def _reason_to_give_up(task: Task, error: "HostedError") -> str:
    from evalhaven.importers.hosted.answers import OK
    from evalhaven.importers.hosted.orders import command

    if not error.is_gone:
        return f"{task.account.base_url} cannot be read. {error}"
    address, resume = task.account.base_url, command(task.order, task.directory)
    what = f"{address} does not answer" if error.status is None else f"{address} cannot be read"
    is_elsewhere = error.status in (None, OK)  # no answer, or one from a login page or a proxy
    advice = "the address and the network (HTTPS_PROXY names a proxy)" if is_elsewhere else "its status page"
    return f"{what}: {error}. Given up after {task.account.tries} tries. Check {advice}, then go on: {resume}"


async def _export(task: Task, client: "HostedClient", bars: "ProgressBars") -> int:
    from evalhaven.cli.export_report import print_line, print_nothing_found, print_summary
    from evalhaven.domain.clock import Clock
    from evalhaven.importers.hosted.export import Exporter, check_access
    from evalhaven.importers.hosted.orders import command
    from evalhaven.importers.hosted.probe import probe
    from evalhaven.importers.hosted.workspace import Workspace

    order, resume = task.order, command(task.order, task.directory)
    bars.begin("Access", None)
    await check_access(client)
    workspace = Workspace(task.directory, order.base_url, order.filters.describe(), Clock(), order.asked)
    is_ended = False
    try:
        if task.probe:
            answers = await probe(client, task.directory / "probe", Clock())
            print(f"{answers} answers of the live API are recorded in {task.directory / 'probe'}.")
        exporter = Exporter(client, workspace, order.filters, bars)
        await exporter.run(all_files=order.asked.all_files, logs=order.asked.logs)
        is_ended = True
    finally:
        bars.close()
        manifest = workspace.close(is_ended=is_ended)
        if not is_ended:
            print_error(f"The export has not ended. What is there stays. To go on: {resume}")
    print_summary(manifest)
    if not exporter.has_found:
        print_nothing_found(order, exporter.listed_evals, manifest.counts["stored_completions"])
    if not manifest.is_whole:
        print_line(f"Incomplete. To try the missing part again: {resume}")
    elif exporter.has_found:
        print_line(f"Complete: {task.directory}")
    return EXIT_COMPLETE if manifest.is_whole and exporter.has_found else EXIT_INCOMPLETE


async def _foresee(task: Task, client: "HostedClient", bars: "ProgressBars") -> int:
    from evalhaven.cli.export_report import print_forecast, print_nothing_found
    from evalhaven.importers.hosted.forecast import forecast_export

    order = task.order
    bars.begin("Evals and runs", None)
    asked = order.asked
    forecast = await forecast_export(client, order.filters, all_files=asked.all_files, logs=asked.logs)
    bars.close()
    print_forecast(forecast)
    if not forecast.evals:
        print_nothing_found(order, forecast.listed_evals, forecast.stored_completions)
    return EXIT_COMPLETE if forecast.evals else EXIT_INCOMPLETE
