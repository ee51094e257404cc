"""Heartbeats: once a second the executor tells its server that it is at work, or what keeps it from it."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import anyio

_BEAT_S = 1.0
_SILENT_S = 5.0  # rows of megabytes may hold up a beat for a second or two
_HEALTHY_AFTER_S = 30.0
_DEATHS_IN_A_ROW = 3
_SHOWN_CHARS = 300


@dataclass(frozen=True, slots=True)
class ExecutorState:
    """How the executor is.

    Attributes:
        name: In one word.
        reason: Why it does no work just now; "" where it does.
    """

    name: Literal["ok", "starting", "down", "not_responding", "crash_looping", "paused"]
    reason: str = ""

    @property
    def is_up(self) -> bool:
        """Tell whether the process is there and answers, or will in a moment."""
        return self.name not in ("down", "not_responding")


class Heartbeats:
    """What the server knows of its executor."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started_at: float | None = None
        self._beat_at: float | None = None
        self._problem = ""
        self._unread = b""
        self._deaths = 0
        self._exit_code = 0

    def note_start(self) -> None:
        """Take note that a process was started."""
        self._started_at = self._now()
        self._beat_at = None
        self._unread = b""

    def note_death(self, exit_code: int) -> None:
        """Take note that it ended."""
        self._deaths = 1 if self._is_settled() else self._deaths + 1
        self._exit_code = exit_code
        self._started_at = None

    def note_beats(self, data: bytes) -> None:
        """Take note of what it told."""
        *lines, self._unread = (self._unread + data).split(b"\n")
        if lines:
            self._beat_at = self._now()
            self._problem = lines[-1].decode(errors="replace")

    @property
    def state(self) -> ExecutorState:
        """Return how the executor is now."""
        if self._deaths >= _DEATHS_IN_A_ROW and not self._is_settled():
            return ExecutorState(
                "crash_looping",
                f"The process that executes runs died {self._deaths} times in a row, last with status "
                f"{self._exit_code}; the next one has to live for {_HEALTHY_AFTER_S:.0f} s.",
            )
        if self._started_at is None:
            last = f"; the last one ended with status {self._exit_code}" if self._deaths else ""
            return ExecutorState("down", f"The process that executes runs is not up{last}.")
        if self._beat_at is None:
            silent_s = self._now() - self._started_at
            return ExecutorState("starting", f"The process that executes runs was started {silent_s:.0f} s ago.")
        silent_s = self._now() - self._beat_at
        if silent_s > _SILENT_S:
            return ExecutorState("not_responding", f"The process that executes runs is silent for {silent_s:.0f} s.")
        return ExecutorState("paused", self._problem) if self._problem else ExecutorState("ok")

    def _is_settled(self) -> bool:
        return self._started_at is not None and self._now() - self._started_at > _HEALTHY_AFTER_S


async def beat(find_problem: Callable[[], str]) -> None:
    """Tell the server on standard input, a socket to it, how things are, until canceled.

    Args:
        find_problem: Returns what keeps runs from going on, "" for nothing.
    """
    descriptor = sys.stdin.fileno()
    while True:
        line = " ".join(find_problem().split())[:_SHOWN_CHARS]
        # A server that reads nothing just now misses a beat, and one that is gone is noticed elsewhere.
        with suppress(OSError):
            os.write(descriptor, f"{line}\n".encode())
        await anyio.sleep(_BEAT_S)
