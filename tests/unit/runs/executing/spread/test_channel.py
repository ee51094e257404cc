"""Facts about the way between an executor and a sampling process."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from evalhaven.domain.samples import ItemError
from evalhaven.runs.executing.spread.channel import Channel, open_channel
from evalhaven.runs.executing.spread.messages import FlowTold, PartEnded, PartKey, Ready

pytestmark = pytest.mark.anyio
KEY = PartKey(7, 1)


@asynccontextmanager
async def both_ends() -> AsyncGenerator[tuple[Channel, Channel, socket.socket]]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    async with open_channel(ours) as here, open_channel(theirs) as there:
        yield here, there, theirs


async def test_messages_arrive_whole_and_in_order_however_large_they_are() -> None:
    sent = [Ready(), FlowTold(KEY, {"text": "x" * 5_000_000}), PartEnded(KEY, ItemError("c", "m", "sampling"))]
    async with both_ends() as (here, there, _):
        for message in sent:
            here.send(message)
        assert [await there.receive() for _ in sent] == sent


async def test_the_end_of_the_other_process_is_told_and_what_is_sent_to_it_is_dropped() -> None:
    async with both_ends() as (here, there, theirs):
        there.send(Ready())
        theirs.shutdown(socket.SHUT_RDWR)
        assert await here.receive() == Ready()
        assert await here.receive() is None
        for _ in range(3):
            here.send(FlowTold(KEY, {"text": "x" * 100_000}))
            await anyio.lowlevel.checkpoint()
        assert await here.receive() is None


async def test_a_message_that_was_cut_is_none() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    async with open_channel(ours) as here:
        theirs.send(b"\0\0\1\0half")
        theirs.close()
        assert await here.receive() is None
