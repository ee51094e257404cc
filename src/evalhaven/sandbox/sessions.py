"""One host at work for one grader: the calls in flight there, in order."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from evalhaven.sandbox.limits import Limits
from evalhaven.sandbox.links import HostLink
from evalhaven.sandbox.replies import ErrorKind, Reply, ReplyReader

_HEAD_BYTES = 4
_FIRST_WINDOW = 2
# Calls that a host is given ahead: enough to keep it busy, and few enough to leave some for other hosts.
_AHEAD_S = 0.05
_AHEAD_BYTES = 1 << 20


@dataclass(slots=True, eq=False)
class Call:
    """A call that waits for its reply.

    Attributes:
        number: The reply begins with it; it is random, so that a reply cannot be forged ahead of its call.
        frame: What is sent to the host.
        reply: Where the reply goes.
    """

    number: int
    frame: bytes
    reply: asyncio.Future[Reply]

    def answer(self, reply: Reply) -> None:
        """Deliver the reply, unless nobody waits for it any more."""
        if not self.reply.done():
            self.reply.set_result(reply)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a host was ended.

    Attributes:
        kind: The error of the call that was being executed.
        message: Its text; "": say how the process ended.
    """

    kind: ErrorKind
    message: str


def frame(text: bytes) -> bytes:
    """Return a message in the form that goes through the pipe."""
    return len(text).to_bytes(_HEAD_BYTES, "little") + text


class Session:
    """A host with a source in it.

    Attributes:
        link: The host's pipes.
        calls: Those in flight; the first one is being executed.
        since: When the first of them began, on the monotonic clock.
        opened_at: When the host was given its source, on the same clock.
    """

    def __init__(
        self,
        link: HostLink,
        source: bytes,
        limits: Limits,
        *,
        on_replies: Callable[["Session"], None],
        on_end: Callable[["Session", Verdict], None],
    ) -> None:
        """Take over the host and send it the source.

        Args:
            link: A host without a source.
            source: The frame with the source.
            limits: What a host may do.
            on_replies: Called after replies were delivered.
            on_end: Called once, when the host is of no more use.
        """
        self.link = link
        self.calls: deque[Call] = deque()
        self.since = self.opened_at = time.monotonic()
        self._reader = ReplyReader(limits.output_chars)
        self._limits = limits
        self._window = _FIRST_WINDOW
        self._left = limits.calls_a_host
        self._bytes_ahead = 0
        self._on_replies = on_replies
        self._on_end = on_end
        link.on_received = self._receive
        link.send(source)
        if not link.is_open:
            asyncio.get_running_loop().call_soon(self.end, Verdict("crashed", ""))

    @property
    def is_used_up(self) -> bool:
        """Tell whether this host gets no more calls."""
        return self._left <= 0

    def is_over(self, turn_s: float) -> bool:
        """Tell whether the session has been open for longer than a turn."""
        return time.monotonic() - self.opened_at > turn_s

    def fill(self, waiting: deque[Call]) -> None:
        """Take from a queue as many calls as the host should have ahead, and send them in one write."""
        frames: list[bytes] = []
        calls = self.calls
        if not calls:
            self.since = time.monotonic()
        while (
            waiting and self._left > 0 and len(calls) < self._window and (not calls or self._bytes_ahead < _AHEAD_BYTES)
        ):
            call = waiting.popleft()
            if call.reply.done():
                continue
            calls.append(call)
            self._reader.expect(call.number)
            frames.append(call.frame)
            self._bytes_ahead += len(call.frame)
            self._left -= 1
        if frames:
            self.link.send(b"".join(frames) if len(frames) > 1 else frames[0])

    def check_clock(self, now: float) -> None:
        """End the host if the current call takes too long."""
        if self._is_late(now):
            # The reply may have arrived while this process itself was busy.
            self.link.read()
            if self._is_late(now):
                self.end(Verdict("timeout", f"grade() took longer than {self._limits.call_s:g} seconds"))

    def _is_late(self, now: float) -> bool:
        return self.link.is_open and bool(self.calls) and now - self.since > self._limits.call_s

    def end(self, verdict: Verdict) -> None:
        """Kill the host, and charge the call that was being executed."""
        # Replies that it sent before still count.
        self.link.read()
        self._finish(verdict)

    def abandon(self) -> None:
        """Kill the host without reporting its end."""
        self.link.close()
        self.link.host.kill()
        self._on_end = _ended

    def _finish(self, verdict: Verdict) -> None:
        self.link.close()
        self.link.host.kill()
        on_end, self._on_end = self._on_end, _ended
        on_end(self, verdict)

    def _receive(self, received: bytes) -> None:
        if not received:
            self._finish(Verdict("crashed", ""))
            return
        replies = self._reader.read(received)
        seconds = 0.0
        for reply in replies:
            call = self.calls.popleft()
            self._bytes_ahead -= len(call.frame)
            seconds += reply.seconds
            call.answer(reply)
        self.since = time.monotonic()
        if self._reader.fault is not None:
            self._finish(Verdict("protocol", f"the grader broke the protocol: {self._reader.fault}"))
        elif replies:
            ahead = int(_AHEAD_S * len(replies) / max(seconds, 1e-6))
            self._window = max(_FIRST_WINDOW, min(ahead, self._limits.window))
            self._on_replies(self)


def _ended(_session: Session, _verdict: Verdict) -> None:
    """Replace `on_end` once the end has been reported, or if it must not be."""
