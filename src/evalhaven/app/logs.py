"""Logged calls in the server: the store, the way to it, and the recorder that stores them."""

import os
import socket
import sys
from dataclasses import dataclass

import anyio

from evalhaven import __version__
from evalhaven.api.readiness import ProcessState
from evalhaven.api.replicas import Replicas
from evalhaven.app.retention import drop_old_calls
from evalhaven.app.seats import seat_of_directory
from evalhaven.app.stores import log_ledger_path, log_store
from evalhaven.app.supervisor import Child, Supervisor
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.logs.handover.ledger import Ledger
from evalhaven.logs.handover.sender import OVERHEAD_BYTES, LogSender
from evalhaven.logs.reading.redaction import Redaction
from evalhaven.logs.store import LogStore
from evalhaven.meters.board import Board
from evalhaven.settings import Settings
from evalhaven.storage.database import Database
from evalhaven.storage.queue.servers import ServerReport

_MB = 1024 * 1024
_UP_WITHIN_S = 5.0
_DRAINED_WITHIN_S = 3.0
_LONGEST_PAUSE_S = 1.0  # what is offered meanwhile waits in the server, whose queue is bounded


@dataclass(frozen=True, slots=True)
class Logs:
    """The parts that keep logged calls.

    Attributes:
        database: Says for how long projects keep theirs.
        store: Where they are.
        sender: The way to it.
        recorder: Keeps the storing process alive; None if there are no calls to store.
    """

    settings: Settings
    database: Database
    store: LogStore
    sender: LogSender
    recorder: Supervisor | None

    def recorder_state(self) -> ProcessState | None:
        """Return the state of the storing process; None if none is needed."""
        return None if self.recorder is None else self.recorder.state

    async def serve(self) -> None:
        """Have calls stored, and old ones dropped, until canceled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.sender.recount)
            if self.recorder is not None:
                await self.recorder.supervise()
            # Calls that came with an import have their days, too.
            await drop_old_calls(self.store, self.database, self.settings, Clock())

    async def wait_until_up(self) -> None:
        """Wait, but not for long, until calls can be stored: those answered before that, a kill would lose."""
        if self.recorder is not None:
            await self.recorder.wait_until_up(_UP_WITHIN_S)

    async def drain(self) -> None:
        """Give the storing process a moment to store what waits, before it is stopped."""
        if self.recorder is not None:
            await self.sender.settle(_DRAINED_WITHIN_S)


def open_logs(settings: Settings, database: Database, ids: IdFactory, lock_descriptor: int, board: Board) -> Logs:
    """Open what a server needs to store calls, and show on its board; the caller holds the data directory."""
    store = log_store(settings, database)
    # As many calls can be under way as the queue holds if they are empty.
    places = settings.log_queue_mb * _MB // OVERHEAD_BYTES
    ledger = Ledger.open(log_ledger_path(settings.data_dir), ids.new_sender_name(), places)
    sender = _sender(settings, store, ledger)
    board.read_from(sender.read_meters)
    recorder = None
    if settings.records_calls:
        command = recorder_command(settings)
        child = Child("recorder", "stores logged calls", command, serve=sender.serve, longest_pause_s=_LONGEST_PAUSE_S)
        recorder = Supervisor(child, lock_descriptor, board)
    return Logs(settings, database, store, sender, recorder)


def logs_without_calls(settings: Settings, database: Database, ids: IdFactory) -> Logs:
    """Open what a command needs that is asked for no calls; what an earlier server lost is left for the next one."""
    store = log_store(settings, database)
    ledger = Ledger.in_memory(ids.new_sender_name(), 1, log_ledger_path(settings.data_dir))
    return Logs(settings, database, store, _sender(settings, store, ledger), None)


def open_replicas(settings: Settings, database: Database, logs: Logs) -> Replicas:
    """Open what a server needs to know of others; the caller holds the data directory."""
    if settings.database_url is None:
        return Replicas(database, None)
    seat, host = seat_of_directory(settings.data_dir), socket.gethostname()

    def report() -> ServerReport:
        counts, recorder = logs.sender.counts, logs.recorder_state()
        return ServerReport(
            seat=seat,
            host=host,
            process=os.getpid(),
            release=__version__,
            is_up=True,
            recorder=None if recorder is None else recorder.name,
            problem="" if recorder is None else recorder.reason,
            pending=counts.pending,
            in_question=counts.in_question,
            overflow=counts.losses.overflow,
            killed=counts.losses.killed,
            unreadable=counts.losses.unreadable,
            failed=counts.losses.failed,
        )

    return Replicas(database, report)


def recorder_command(settings: Settings) -> list[str]:
    """Return how to start the recorder of this server; the number of its socket comes last."""
    command = [sys.executable, "-m", "evalhaven", "recorder", "--data-dir", str(settings.data_dir)]
    return [*command, "--parent", str(os.getpid()), "--calls"]


def _sender(settings: Settings, store: LogStore, ledger: Ledger) -> LogSender:
    return LogSender(ledger, store, Redaction.of(settings.log_redact), settings.log_queue_mb * _MB)
