"""The server's end: calls wait here until the storing process has committed them."""

import socket
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import NamedTuple

import anyio
import anyio.lowlevel
import structlog

from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.exchanges import Exchange
from evalhaven.logs.handover.frames import Acknowledgement, AcknowledgementReader, encode_record, origin_of
from evalhaven.logs.handover.ledger import GivenCall, Ledger, Losses
from evalhaven.logs.handover.losses import LossLog
from evalhaven.logs.reading.calls import read_exchange
from evalhaven.logs.reading.events import UnreadableReplyError
from evalhaven.logs.reading.redaction import Redaction
from evalhaven.logs.store import LogStore
from evalhaven.meters.board import Reading
from evalhaven.meters.declared import LOGGED_CALLS, LOGGED_CALLS_LOST, LOGGED_CALLS_WAITING

OVERHEAD_BYTES = 1024
"""What a waiting call costs beyond its bodies, generously: many small ones must not fill the memory either."""
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 10.0
_RECEIVED_BYTES = 65_536
_ORIGINS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class LogCounts:
    """What became of the calls that were to be stored.

    Attributes:
        pending: Waiting to be stored.
        in_question: Handed to an earlier server's storing process, and not looked for in the store yet.
        losses: Not stored, since the ledger was made.
    """

    pending: int
    in_question: int
    losses: Losses


class _Waiting(NamedTuple):
    """A call that is not acknowledged yet."""

    number: int
    exchange: Exchange
    cost_bytes: int


class LogSender:
    """Hands calls to the storing process, and keeps them until they are stored; for the event loop's thread only."""

    def __init__(self, ledger: Ledger, store: LogStore, redaction: Redaction, most_bytes: int) -> None:
        """Begin with an empty queue.

        Args:
            ledger: Outlives this process.
            store: Asked which calls of earlier servers are stored.
            redaction: What copies of waiting calls must not show.
            most_bytes: How much may wait; what does not fit is not stored, and counted.
        """
        self._ledger = ledger
        self._store = store
        self._redaction = redaction
        self._most_bytes = most_bytes
        self._sent: deque[_Waiting] = deque()
        self._unsent: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._offered = anyio.Event()
        self._recounted = anyio.Event()
        self._settling: list[tuple[int, anyio.Event]] = []
        self._losses = LossLog()
        self._taken_over = 0

    @property
    def counts(self) -> LogCounts:
        """Return what became of the calls so far."""
        return LogCounts(len(self._sent) + len(self._unsent), len(self._ledger.in_question()), self._ledger.losses)

    def read_meters(self) -> Reading:
        """Return what a board shows of the calls."""
        counts = self.counts
        yield LOGGED_CALLS, (), self._taken_over
        yield LOGGED_CALLS_WAITING, (), counts.pending
        for reason, lost in asdict(counts.losses).items():
            yield LOGGED_CALLS_LOST, (reason,), lost

    def offer(self, exchange: Exchange) -> None:
        """Take over a call to be stored, or count it as lost; this never waits and never fails."""
        cost_bytes = len(exchange.request) + len(exchange.reply) + OVERHEAD_BYTES
        number = None
        if self._waiting_bytes + cost_bytes <= self._most_bytes:
            number = self._ledger.give(int(exchange.started_at))
        if number is None:
            self.refuse()
            return
        self._unsent.append(_Waiting(number, exchange, cost_bytes))
        self._waiting_bytes += cost_bytes
        self._offered.set()

    def refuse(self) -> None:
        """Count a call as lost that is too large to be handed over."""
        self._ledger.note_overflow()
        self._losses.note("overflow")

    def pending(self, scope: ProjectScope, kind: CallKind, call_id: str) -> LoggedCall | None:
        """Return a call that is not stored yet, as it will be; None if no such call waits."""
        wanted = call_id.encode("utf-8", "surrogatepass")  # the id may be anything that JSON can say
        for waiting in (*reversed(self._unsent), *reversed(self._sent)):
            exchange = waiting.exchange
            if exchange.scope != scope or exchange.kind is not kind:
                continue
            # Reading is dear, and an id that the endpoint gave stands in the reply as it is.
            origin = origin_of(self._ledger.sender, waiting.number)
            if wanted in exchange.reply:
                with suppress(UnreadableReplyError):
                    call = read_exchange(exchange, origin, self._redaction)
                    if call.id == call_id:
                        return call
        return None

    async def settle(self, within_s: float = 1.0) -> None:
        """Wait until what was offered so far is stored, or the time is over: after that a client sees its own calls."""
        last = self._ledger.given
        if self._ledger.acknowledged >= last:
            return
        settled = anyio.Event()
        entry = (last, settled)
        self._settling.append(entry)
        try:
            with anyio.move_on_after(within_s):
                await settled.wait()
        finally:
            self._settling.remove(entry)

    async def recount(self) -> None:
        """Count what earlier servers lost, once the store answers; nothing is handed over before that."""
        questions = self._ledger.in_question()
        if questions:
            stored = await self._count_stored(questions)
            self._ledger.note_recounted(len(questions) - stored)
            self._losses.note("killed", len(questions) - stored)
        self._recounted.set()

    async def serve(self, channel: socket.socket) -> None:
        """Hand over what waits, from the oldest on, until the storing process at the other end is gone.

        Args:
            channel: A stream socket that does not block.
        """
        await self._recounted.wait()
        # What an earlier process had received may not be stored.
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send, channel)
            await self._receive(channel)
            tasks.cancel_scope.cancel()

    async def _send(self, channel: socket.socket) -> None:
        while True:
            if not self._unsent:
                self._offered = anyio.Event()
                await self._offered.wait()
            waiting = self._unsent.popleft()
            self._sent.append(waiting)
            frame = memoryview(encode_record(self._ledger.sender, waiting.number, waiting.exchange))
            while frame:
                try:
                    frame = frame[channel.send(frame) :]
                except BlockingIOError:
                    await anyio.wait_writable(channel)
                except OSError:
                    return  # the other end is gone: the next one gets everything again
            # Others have their turn between two records, however many wait.
            await anyio.lowlevel.checkpoint()

    async def _receive(self, channel: socket.socket) -> None:
        reader = AcknowledgementReader()
        while True:
            await anyio.wait_readable(channel)
            try:
                data = channel.recv(_RECEIVED_BYTES)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not data:
                return
            for acknowledged in reader.feed(data):
                self._note(acknowledged)

    def _note(self, acknowledged: Acknowledgement) -> None:
        while self._sent and self._sent[0].number <= acknowledged.number:
            self._waiting_bytes -= self._sent.popleft().cost_bytes
            self._taken_over += 1
        self._ledger.note_acknowledged(
            acknowledged.number, unreadable=acknowledged.unreadable, failed=acknowledged.failed
        )
        self._losses.note("unreadable", acknowledged.unreadable)
        self._losses.note("failed", acknowledged.failed)
        self._losses.tell()
        for last, settled in self._settling:
            if last <= acknowledged.number:
                settled.set()

    async def _count_stored(self, calls: Sequence[GivenCall]) -> int:
        """Return how many of these calls are stored, however long it takes until the store says so."""
        return sum(
            [
                await _patiently(self._store, calls[at : at + _ORIGINS_AT_ONCE])
                for at in range(0, len(calls), _ORIGINS_AT_ONCE)
            ]
        )


async def _patiently(store: LogStore, calls: Sequence[GivenCall]) -> int:
    pause_s = _FIRST_PAUSE_S
    has_failed = False
    while True:
        try:
            return await store.count_stored(None, calls)
        except Exception as error:
            if not has_failed:
                structlog.get_logger("evalhaven.logs").exception(
                    "log_store_unavailable", effect="logged calls wait", reason=type(error).__name__
                )
            has_failed = True
        await anyio.sleep(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
