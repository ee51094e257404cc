"""The storing process's end: calls are read, stored in batches, and acknowledged once they are committed."""

import socket
import sqlite3
import time
from collections import deque
from collections.abc import Sequence

import anyio
import structlog

from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.logs.handover.frames import Acknowledgement, Record, RecordReader, encode_acknowledgement
from evalhaven.logs.reading.calls import read_exchange
from evalhaven.logs.reading.events import UnreadableReplyError
from evalhaven.logs.reading.redaction import Redaction
from evalhaven.logs.store import LogStore
from evalhaven.storage.database import is_unavailable

_RECEIVED_BYTES = 262_144
_MOST_WAITING_BYTES = 8 * 1024 * 1024
_MOST_IN_A_BATCH = 500
_OVERHEAD_BYTES = 1024
# A commit costs more than a call: while calls keep coming, there are no more commits than this allows.
_BETWEEN_COMMITS_S = 0.05
_BETWEEN_LINES_S = 60.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0


class LogReceiver:
    """Stores what the server hands over."""

    def __init__(self, channel: socket.socket, store: LogStore, redaction: Redaction) -> None:
        """Take over the end of a channel.

        Args:
            channel: A stream socket to the server that does not block.
            store: Where calls are stored.
            redaction: What must not be stored.
        """
        self._channel = channel
        self._store = store
        self._redaction = redaction
        self._waiting: deque[Record] = deque()
        self._waiting_bytes = 0
        self._received = anyio.Event()
        self._taken = anyio.Event()
        self._log = structlog.get_logger("evalhaven.logs")
        self._silent_until = float("-inf")
        self.problem = ""

    async def serve(self) -> None:
        """Receive and store until the server is gone."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._store_batches)
            await self._receive()
            tasks.cancel_scope.cancel()

    async def _receive(self) -> None:
        reader = RecordReader()
        while True:
            if self._waiting_bytes >= _MOST_WAITING_BYTES:
                self._taken = anyio.Event()
                await self._taken.wait()
            await anyio.wait_readable(self._channel)
            try:
                data = self._channel.recv(_RECEIVED_BYTES)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not data:
                return
            for record in reader.feed(data):
                self._waiting.append(record)
                self._waiting_bytes += record.size_bytes + _OVERHEAD_BYTES
                self._received.set()

    async def _store_batches(self) -> None:
        committed_at = float("-inf")
        while True:
            if not self._waiting:
                self._received = anyio.Event()
                await self._received.wait()
            await anyio.sleep(max(0.0, committed_at + _BETWEEN_COMMITS_S - time.monotonic()))
            committed_at = time.monotonic()
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_IN_A_BATCH))]
            calls = [call for record in batch if (call := self._read(record)) is not None]
            failed = await self._store_patiently(calls) if calls else 0
            await self._acknowledge(Acknowledgement(batch[-1].number, len(batch) - len(calls), failed))
            self._waiting_bytes -= sum(record.size_bytes + _OVERHEAD_BYTES for record in batch)
            self._taken.set()

    def _read(self, record: Record) -> LoggedCall | None:
        try:
            return read_exchange(record.exchange(), record.origin, self._redaction)
        except UnreadableReplyError as error:
            self._tell("call_not_readable", record.origin, str(error))
        except Exception as error:
            self._tell("call_not_readable", record.origin, type(error).__name__)
        return None

    async def _store_patiently(self, calls: Sequence[LoggedCall]) -> int:
        """Store calls, however long the store is unavailable, and return how many it refused."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                await self._store.add(calls)
            except Exception as error:
                if not _may_pass(error):
                    return await self._store_alone(calls, error)
                if not self.problem:
                    self.problem = f"Logged calls wait because the store cannot be written: {_reason_of(error)}."
                    self._log.error("log_store_unavailable", reason=_reason_of(error), effect="logged calls wait")
                await anyio.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                if self.problem:
                    self.problem = ""
                    self._log.warning("log_store_available", effect="logged calls are stored")
                return 0

    async def _store_alone(self, calls: Sequence[LoggedCall], error: Exception) -> int:
        """Store calls one at a time, since one of them keeps the others from being stored."""
        if len(calls) > 1:
            return sum([await self._store_patiently([call]) for call in calls])
        self._tell("call_not_stored", calls[0].origin, type(error).__name__)
        return 1

    def _tell(self, event: str, origin: str, reason: str) -> None:
        """Log why a call is not stored, for one a minute; the server counts them all. A traceback could quote calls."""
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _BETWEEN_LINES_S
            self._log.warning(event, call=origin, reason=reason)

    async def _acknowledge(self, acknowledged: Acknowledgement) -> None:
        frame = encode_acknowledgement(acknowledged)
        while frame:
            try:
                frame = frame[self._channel.send(frame) :]
            except BlockingIOError:
                await anyio.wait_writable(self._channel)
            except OSError:
                return  # the server is gone


def _may_pass(error: Exception) -> bool:
    """Tell whether the store may take the same calls later: the disk is full, a file locked, the database away."""
    if isinstance(error, sqlite3.OperationalError):
        return error.sqlite_errorcode != sqlite3.SQLITE_ERROR
    return isinstance(error, OSError) or is_unavailable(error)


def _reason_of(error: Exception) -> str:
    return str(error.__cause__ or error)
