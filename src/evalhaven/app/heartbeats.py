"""Heartbeats: once a second the executor tells the server that it is at work, or what keeps it from working."""

import time
from collections.abc import Callable

from evalhaven.api.readiness import ExecutorState

_SILENT_S = 5.0  # rows of megabytes may hold up a beat for a second or two
_HEALTHY_AFTER_S = 30.0
_DEATHS_IN_A_ROW = 3


class Heartbeats:
    """What the server knows about its executor."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._started_at: float | None = None
        self._beat_at: float | None = None
        self._problem = ""
        self._unread = b""
        self._deaths = 0
        self._exit_code = 0

    def note_start(self) -> None:
        """Note that a process was started."""
        self._started_at = self._now()
        self._beat_at = None
        self._unread = b""

    def note_death(self, exit_code: int) -> None:
        """Note that the process ended."""
        self._deaths = 1 if self._is_settled() else self._deaths + 1
        self._exit_code = exit_code
        self._started_at = None

    def note_beats(self, data: bytes) -> None:
        """Note what the process sent."""
        *lines, self._unread = (self._unread + data).split(b"\n")
        if lines:
            self._beat_at = self._now()
            self._problem = lines[-1].decode(errors="replace")

    @property
    def state(self) -> ExecutorState:
        """Return the executor's state now."""
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
            return ExecutorState(
                "not_responding", f"The process that executes runs has been silent for {silent_s:.0f} s."
            )
        return ExecutorState("paused", self._problem) if self._problem else ExecutorState("ok")

    def _is_settled(self) -> bool:
        return self._started_at is not None and self._now() - self._started_at > _HEALTHY_AFTER_S
