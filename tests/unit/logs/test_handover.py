"""Facts about how a call gets from the server to the store, over a real socket."""

import socket
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.scopes import DEFAULT_PROJECT, ProjectScope
from evalhaven.logs.handover.ledger import Ledger, Losses
from evalhaven.logs.handover.receiver import LogReceiver
from evalhaven.logs.handover.sender import OVERHEAD_BYTES, LogSender
from evalhaven.logs.reading.redaction import Redaction
from tests.unit.logs.exchanged import completion, exchange
from tests.unit.logs.keeping import KeepingStore

_MB = 1024 * 1024


@dataclass
class Handover:
    """A server's end, and storing processes to connect it with."""

    path: Path
    store: KeepingStore = field(default_factory=KeepingStore)
    redaction: Redaction = field(default_factory=Redaction)
    most_bytes: int = _MB
    servers: int = 0
    sender: LogSender = field(init=False)

    def __post_init__(self) -> None:
        self.start_server()

    def start_server(self) -> None:
        """Start a server; one that was started before is gone as if killed."""
        self.servers += 1
        ledger = Ledger.open(self.path, f"server{self.servers}", places=1000)
        self.sender = LogSender(ledger, self.store, self.redaction, self.most_bytes)

    @asynccontextmanager
    async def storing(self) -> AsyncGenerator[LogReceiver]:
        """Run a storing process for a block."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for end in (ours, theirs):
                end.setblocking(False)
            receiver = LogReceiver(theirs, self.store, self.redaction)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.sender.recount)
                tasks.start_soon(self.sender.serve, ours)
                tasks.start_soon(receiver.serve)
                yield receiver
                tasks.cancel_scope.cancel()


@pytest.fixture
def handover(tmp_path: Path) -> Handover:
    return Handover(tmp_path / "log-ledger")


async def until(holds: Callable[[], object]) -> None:
    with anyio.fail_after(20):
        while not holds():  # noqa: ASYNC110 - the other end of a socket tells nobody here what it does
            await anyio.sleep(0.005)


async def test_what_is_offered_is_stored_in_its_order_and_settled(handover: Handover) -> None:
    async with handover.storing():
        for number in range(50):
            handover.sender.offer(exchange(completion(call_id=f"chatcmpl-{number}")))
        await handover.sender.settle(20)

        assert handover.store.origins == [f"server1-{number}" for number in range(1, 51)]
        assert handover.sender.counts.pending == 0
        assert handover.sender.counts.losses == Losses()
    # They came at once, so they were committed together.
    assert len(handover.store.batches) < 10


async def test_a_call_is_visible_until_it_is_stored_without_what_must_not_be_shown(handover: Handover) -> None:
    handover.redaction = Redaction.of(["Yes"])
    handover.start_server()
    sender = handover.sender
    sender.offer(exchange(completion(call_id="chatcmpl-1")))
    sender.offer(exchange(completion("Yes. No.", call_id="chatcmpl-1")))
    sender.offer(exchange(b"data: {", is_streamed=True))

    found = sender.pending(DEFAULT_PROJECT, CallKind.CHAT, "chatcmpl-1")
    assert found is not None
    # The newest of two answers to an id.
    assert "[redacted]. No." in found.reply
    assert sender.pending(DEFAULT_PROJECT, CallKind.CHAT, "chatcmpl") is None
    assert sender.pending(DEFAULT_PROJECT, CallKind.RESPONSE, "chatcmpl-1") is None
    assert sender.pending(ProjectScope(2), CallKind.CHAT, "chatcmpl-1") is None

    async with handover.storing():
        await sender.settle(20)
        assert sender.pending(DEFAULT_PROJECT, CallKind.CHAT, "chatcmpl-1") is None
        assert handover.store.calls[-1] == found


async def test_settling_ends_when_its_time_is_over(handover: Handover) -> None:
    await handover.sender.settle(20)
    handover.sender.offer(exchange(completion()))

    await handover.sender.settle(0.01)

    assert handover.sender.counts.pending == 1


async def test_what_was_committed_and_not_acknowledged_is_sent_again_and_stored_once(handover: Handover) -> None:
    handover.store.is_hanging = True
    async with handover.storing():
        _offer(handover, 5)
        await until(lambda: handover.store.calls)
        _offer(handover, 5)
    handover.store.is_hanging = False
    assert handover.sender.counts.pending == 10

    async with handover.storing():
        await handover.sender.settle(20)

    assert handover.store.origins == [f"server1-{number}" for number in range(1, 11)]


async def test_calls_wait_while_the_store_is_unavailable(handover: Handover) -> None:
    handover.store.errors = [_full(), OSError("no such host"), _full()]
    async with handover.storing() as receiver:
        _offer(handover, 3)
        await until(lambda: receiver.problem)
        assert "the store cannot be written" in receiver.problem
        await handover.sender.settle(20)
        assert receiver.problem == ""

    assert handover.store.origins == ["server1-1", "server1-2", "server1-3"]
    assert handover.sender.counts.losses == Losses()


async def test_what_cannot_be_read_or_stored_is_counted_and_keeps_nothing_else_from_being_stored(
    handover: Handover,
) -> None:
    handover.store.refused = {"server1-2"}
    async with handover.storing():
        _offer(handover, 2)
        handover.sender.offer(exchange(b"<html>"))
        _offer(handover, 1)
        await handover.sender.settle(20)

    assert handover.store.origins == ["server1-1", "server1-4"]
    assert handover.sender.counts.losses == Losses(unreadable=1, failed=1)


async def test_a_full_queue_loses_what_comes_and_counts_it(handover: Handover) -> None:
    body = completion("x" * 10_000)
    cost = len(exchange(body).reply) + len(exchange(body).request) + OVERHEAD_BYTES
    for _ in range(200):
        handover.sender.offer(exchange(body))

    assert handover.sender.counts.pending == _MB // cost
    assert handover.sender.counts.losses == Losses(overflow=200 - _MB // cost)
    async with handover.storing():
        await handover.sender.settle(20)
        _offer(handover, 1)
        await handover.sender.settle(20)
    assert len(handover.store.calls) == _MB // cost + 1


async def test_a_call_larger_than_any_buffer_passes(tmp_path: Path) -> None:
    handover = Handover(tmp_path / "log-ledger", most_bytes=16 * _MB)
    async with handover.storing():
        handover.sender.offer(exchange(completion("ä" * _MB)))
        _offer(handover, 1)
        await handover.sender.settle(60)

    assert handover.store.origins == ["server1-1", "server1-2"]


async def test_the_next_server_counts_what_a_killed_one_lost_once_the_store_answers(handover: Handover) -> None:
    handover.store.is_hanging = True
    async with handover.storing():
        _offer(handover, 3)
        await until(lambda: handover.store.calls)
    stored = len(handover.store.calls)
    _offer(handover, 4)
    handover.store.is_hanging = False
    handover.start_server()
    handover.store.errors = [_full()]
    # It gives numbers before it knows what the other one lost.
    _offer(handover, 2)
    assert handover.sender.counts.in_question == 7

    async with handover.storing():
        await handover.sender.settle(20)

    counts = handover.sender.counts
    assert counts.losses == Losses(killed=7 - stored)
    assert counts.in_question == 0
    assert len(handover.store.calls) == stored + 2
    handover.start_server()
    assert handover.sender.counts == counts


def _offer(handover: Handover, count: int) -> None:
    for _ in range(count):
        handover.sender.offer(exchange(completion()))


def _full() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error
