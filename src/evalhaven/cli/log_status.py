"""What `evalhaven logs status` and `evalhaven doctor` say about logged calls."""

import anyio
import httpx2
from pydantic import ValidationError
from rich.console import Console

from evalhaven.app.client import find_server, open_client
from evalhaven.app.stores import StartError
from evalhaven.cli.shell import print_error
from evalhaven.domain.wording import counted
from evalhaven.settings import Settings
from evalhaven.telemetry import configure_logging
from evalhaven.wire.logs import LogStatus, LostCalls

_TIMEOUT_S = 30.0
_REASONS = {
    "overflow": "found the queue full",
    "killed": "were under way when a server ended",
    "unreadable": "had a reply that is incomplete or unreadable",
    "failed": "were refused by the store",
}


def show(settings: Settings, console: Console) -> int:
    """Print the state of logging; return 0, or 1 if something keeps calls from being stored."""
    configure_logging("warning", settings.log_format)  # without a server the API runs in this process
    try:
        is_there = find_server(settings) is not None or settings.data_dir.is_dir()
        status = anyio.run(_ask, settings) if is_there else None
    except StartError as error:
        print_error(str(error))
        return 1
    except (httpx2.HTTPError, ValidationError) as error:
        print_error(f"The server does not tell the state of logging: {type(error).__name__}.")
        return 1
    if status is None:
        print_error(f"No server is running, and there is no data directory {str(settings.data_dir)!r}.")
        return 1
    for line in lines_of(status):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if status.problem:
        console.print(f"! {status.problem}", style="red", highlight=False, markup=False, soft_wrap=True)
    return 1 if status.problem else 0


def log_notes(settings: Settings, problems: list[str]) -> list[str]:
    """Return what there is to say of the logged calls of the server that the settings name."""
    try:
        status = anyio.run(_ask, settings)
    except (httpx2.HTTPError, ValidationError) as error:
        problems.append(f"The server does not tell the state of logging: {type(error).__name__}.")
        return []
    if status.problem:
        problems.append(status.problem)
    return [" ".join(lines_of(status))]


def lines_of(status: LogStatus) -> list[str]:
    """Return what a status says, a sentence a line, without its problem."""
    retention = status.retention
    most = "" if retention.max_gb is None else f", and at most {retention.max_gb:g} GB"
    return [
        stored_line(status),
        *([] if status.pending is None else [f"Waiting to be stored: {status.pending:,}."]),
        *([f"Not looked for yet, after a server ended: {status.in_question:,}."] if status.in_question else []),
        *([] if status.lost is None else [lost_line(status.lost)]),
        f"Kept: {counted(retention.days, 'day')}{most}.",
        *(["Recorder: none is running."] if status.recorder is None else []),
        *([f"Servers that share the database: {status.servers}."] if (status.servers or 1) > 1 else []),
    ]


def stored_line(status: LogStatus) -> str:
    """Return the sentence about what is stored."""
    stored = status.stored
    if stored is None:
        return "Stored calls: unknown."
    since = "" if stored.oldest_day is None else f", the oldest of {stored.oldest_day}"
    size = "" if stored.size_bytes is None else f" in {stored.size_bytes / 1e6:,.1f} MB"
    if stored.all_calls is None or stored.all_calls == stored.calls:
        return f"Stored calls: {stored.calls:,}{size}{since}."
    return f"Stored calls: {stored.calls:,} of this project{since}; {stored.all_calls:,} of all projects{size}."


def lost_line(lost: LostCalls) -> str:
    """Return the sentence about what is not stored."""
    counts = lost.model_dump()
    parts = [f"{counts[name]:,} {what}" for name, what in _REASONS.items() if counts[name]]
    return f"Lost: {', '.join(parts)}." if parts else "Lost: none."


async def _ask(settings: Settings) -> LogStatus:
    async with open_client(settings) as client:
        answer = await client.get("/api/logs", timeout=_TIMEOUT_S)
        answer.raise_for_status()
        return LogStatus.model_validate_json(answer.content)
