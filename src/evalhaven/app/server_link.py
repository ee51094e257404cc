"""A child's link to its server: it receives wake-ups, reports its state, and notices the server's end."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress

import anyio

from evalhaven.app.heartbeats import Heartbeats
from evalhaven.meters.board import Board

_BEAT_S = 1.0
_SHOWN_CHARS = 300


async def follow_parent(on_wake: Callable[[], None]) -> None:
    """Call `on_wake` for each wake-up on the parent's socket (standard input); return when the parent is gone."""
    descriptor = sys.stdin.fileno()
    while True:
        await anyio.wait_readable(descriptor)
        try:
            if not os.read(descriptor, 4096):
                return
        except BlockingIOError:
            continue
        except ConnectionResetError:  # the parent left with beats unread
            return
        on_wake()


async def beat(find_problem: Callable[[], str], board: Board) -> None:
    """Report the state to the server through standard input, a socket to it, until canceled.

    Args:
        find_problem: Returns what keeps it from its work; "" if nothing does.
        board: Its changes are reported too.
    """
    descriptor = sys.stdin.fileno()
    unsent = b""
    while True:
        if not unsent:
            line = " ".join(find_problem().split())[:_SHOWN_CHARS]
            changes = board.changes()
            unsent = f"{line}\n".encode() + (Heartbeats.line_of(changes) if changes else b"")
        # A server that is too busy to read misses a beat; one that is gone is noticed elsewhere.
        with suppress(OSError):
            unsent = unsent[os.write(descriptor, unsent) :]
        await anyio.sleep(_BEAT_S)
