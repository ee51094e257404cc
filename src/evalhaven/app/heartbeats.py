"""Heartbeats: once a second a child tells the server that it is at work, or what keeps it from working.

What its meters show comes in lines of their own between them.
"""

import time
from collections.abc import Callable

from evalhaven.api.readiness import ProcessState

_SILENT_S = 5.0  # rows of megabytes may hold up a beat for a second or two
_HEALTHY_AFTER_S = 30.0
_DEATHS_IN_A_ROW = 3
_METERS = b"\x1f"  # begins a line of meters: no problem begins with it


class Heartbeats:
    """What the server knows about a child."""

    def __init__(self, duty: str, now: Callable[[], float] = time.monotonic) -> None:
        """Begin without a process.

        Args:
            duty: What the process does, for sentences such as "The process that executes runs is not up".
            now: Tells the time.
        """
        self._process = f"The process that {duty}"
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

    def note_beats(self, data: bytes) -> list[bytes]:
        """Note what the process sent; return what its meters show."""
        *lines, self._unread = (self._unread + data).split(b"\n")
        if lines:
            self._beat_at = self._now()
        if beats := [line for line in lines if not line.startswith(_METERS)]:
            self._problem = beats[-1].decode(errors="replace")
        return [line.removeprefix(_METERS) for line in lines if line.startswith(_METERS)]

    @staticmethod
    def line_of(meters: bytes) -> bytes:
        """Return the line in which a process sends what its meters show."""
        return _METERS + meters + b"\n"

    @property
    def age_s(self) -> float | None:
        """Return how long ago the process was started; None while there is none."""
        return None if self._started_at is None else self._now() - self._started_at

    @property
    def silent_s(self) -> float:
        """Return how long ago the process told something, or was started if it has told nothing yet."""
        heard_at = self._beat_at or self._started_at
        return 0.0 if heard_at is None else self._now() - heard_at

    @property
    def state(self) -> ProcessState:
        """Return the executor's state now."""
        if self._deaths >= _DEATHS_IN_A_ROW and not self._is_settled():
            return ProcessState(
                "crash_looping",
                f"{self._process} died {self._deaths} times in a row, last with status "
                f"{self._exit_code}; the next one has to live for {_HEALTHY_AFTER_S:.0f} s.",
            )
        if self._started_at is None:
            last = f"; the last one ended with status {self._exit_code}" if self._deaths else ""
            return ProcessState("down", f"{self._process} is not up{last}.")
        if self._beat_at is None:
            silent_s = self._now() - self._started_at
            return ProcessState("starting", f"{self._process} was started {silent_s:.0f} s ago.")
        silent_s = self._now() - self._beat_at
        if silent_s > _SILENT_S:
            return ProcessState("not_responding", f"{self._process} has been silent for {silent_s:.0f} s.")
        return ProcessState("paused", self._problem) if self._problem else ProcessState("ok")

    def _is_settled(self) -> bool:
        return self._started_at is not None and self._now() - self._started_at > _HEALTHY_AFTER_S
