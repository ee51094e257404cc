"""A child's link to its server: it receives wake-ups, reports its state, and notices the server's end."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress

import anyio

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


async def beat(find_problem: Callable[[], str]) -> None:
    """Report the state to the server through standard input, a socket to it, until canceled.

    Args:
        find_problem: Returns what keeps it from its work; "" if nothing does.
    """
    descriptor = sys.stdin.fileno()
    while True:
        line = " ".join(find_problem().split())[:_SHOWN_CHARS]
        # A server that is too busy to read misses a beat; one that is gone is noticed elsewhere.
        with suppress(OSError):
            os.write(descriptor, f"{line}\n".encode())
        await anyio.sleep(_BEAT_S)
