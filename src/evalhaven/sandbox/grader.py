"""A grader's source in as many hosts as it may have: waiting calls, calls in flight, and the cost of a dying host."""

import asyncio
import secrets
import time
from collections import deque

import anyio

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue
from evalhaven.sandbox.environment import Environment
from evalhaven.sandbox.hosts import HostStartError
from evalhaven.sandbox.links import HostLink
from evalhaven.sandbox.replies import ErrorKind, Reply
from evalhaven.sandbox.sessions import Call, Session, Verdict, frame
from evalhaven.sandbox.slots import Claim, HostSlots
from evalhaven.sandbox.warm_hosts import WarmHosts

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_NUMBER_BITS = 48


class SandboxedGrader:
    """One source, in as many hosts as it may have; calls wait their turn and are sent in batches."""

    def __init__(
        self, hosts: WarmHosts, slots: HostSlots, source: str, environment: Environment, most_hosts: int
    ) -> None:
        """Start nothing yet; `HostPool.open_grader` makes these."""
        self._hosts = hosts
        self._slots = slots
        self._claim = Claim(self._take_slot, self._release_idle)
        self._source = frame(jsontext.render(source).encode())
        self._environment = environment
        self._most_hosts = most_hosts
        self._waiting: deque[Call] = deque()
        self._sessions: list[Session] = []
        self._retiring: list[Session] = []
        self._starting = 0
        self._deaths = 0
        self._stopped: Reply | None = None
        self._is_sending = False
        self._loop = asyncio.get_running_loop()

    async def call(self, sample: JsonValue, item: JsonValue) -> Reply:
        """Return the outcome of `grade(sample, item)`; whatever the user's code does, this raises nothing."""
        return await self.begin(sample, item)

    def begin(self, sample: JsonValue, item: JsonValue) -> asyncio.Future[Reply]:
        """Send a call and return the future of its reply: many calls can be in flight without a task each."""
        if self._stopped is not None:
            stopped: asyncio.Future[Reply] = self._loop.create_future()
            stopped.set_result(self._stopped)
            return stopped
        number = secrets.randbits(_NUMBER_BITS)
        call = Call(number, frame(jsontext.render([number, sample, item]).encode()), self._loop.create_future())
        self._waiting.append(call)
        if not self._is_sending:
            # Calls made in the same turn of the loop leave in the same write.
            self._is_sending = True
            self._loop.call_soon(self._send)
        return call.reply

    async def close(self) -> None:
        """End the hosts; calls that are still waiting get the reply `stopped`."""
        self._stop("stopped", "the grader was closed")
        self._slots.forget(self._claim)
        ended = [*self._sessions, *self._retiring]
        self._sessions.clear()
        self._retiring.clear()
        # All are killed before any is awaited: one that ended by itself meanwhile would give its slot back twice.
        for session in ended:
            session.abandon()
            self._refuse(session.calls)
        with anyio.CancelScope(shield=True):
            for session in ended:
                await self._end(session)

    def _send(self) -> None:
        self._is_sending = False
        for session in self._sessions:
            session.fill(self._waiting)
        for session in [session for session in self._sessions if session.is_used_up]:
            self._retire(session)
        missing = min(self._most_hosts - len(self._sessions) - self._starting, len(self._waiting))
        for _ in range(missing if self._stopped is None else 0):
            if not self._slots.take(self._claim):
                break
            self._start()

    def _take_slot(self) -> bool:
        """Start a host in a slot that has become free, if there are calls for it."""
        if self._stopped is not None or not self._waiting or len(self._sessions) + self._starting >= self._most_hosts:
            return False
        self._start()
        return True

    def _release_idle(self) -> None:
        """End the hosts that have no call."""
        if not self._waiting:
            for session in [session for session in self._sessions if not session.calls]:
                self._retire(session)

    def _start(self) -> None:
        self._starting += 1
        self._hosts.start_task(self._open_session)

    async def _open_session(self) -> None:
        link = None
        try:
            link = await self._take_host()
        finally:
            self._starting -= 1
            if link is None:
                self._slots.give_back(self._claim)
        if link is None:
            return
        session = Session(link, self._source, self._hosts.limits, on_replies=self._go_on, on_end=self._lose)
        if self._stopped is not None:
            session.abandon()
            await self._end(session)
            return
        self._sessions.append(session)
        self._hosts.watch(session)
        self._send()

    async def _take_host(self) -> HostLink | None:
        """Return a host, however long it takes; None: no call needs it any more."""
        pause_s = _FIRST_PAUSE_S
        give_up_at = time.monotonic() + self._hosts.limits.patience_s
        while self._stopped is None:
            try:
                return await self._hosts.take(self._environment)
            except HostStartError as error:
                if time.monotonic() + pause_s > give_up_at:
                    self._stop("unavailable", f"no host for graders can be started: {error}")
                    return None
            # A run must not lose items because the machine is short of memory or processes for a while.
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return None

    async def _end(self, session: Session) -> str:
        """End a session's host, free its slot for others, and return how it ended."""
        try:
            return await self._hosts.bury(session)
        finally:
            self._slots.give_back(self._claim)

    def _go_on(self, session: Session) -> None:
        self._deaths = 0
        others_wait = self._slots.has_waiting
        is_idle = not session.calls and not self._waiting
        if session.is_used_up or (others_wait and (is_idle or session.is_over(self._hosts.limits.turn_s))):
            self._retire(session)
        self._send()

    def _retire(self, session: Session) -> None:
        """Send no more calls to a host that has served its number, and end it after its last reply."""
        if session in self._sessions:
            self._sessions.remove(session)
            self._retiring.append(session)
        if not session.calls and session in self._retiring:
            self._retiring.remove(session)
            session.abandon()
            self._hosts.start_task(self._end, session)

    def _lose(self, session: Session, verdict: Verdict) -> None:
        """Charge the call that was being executed, and let other hosts do the rest."""
        self._hosts.killed[verdict.kind] += 1
        for sessions in (self._sessions, self._retiring):
            if session in sessions:
                sessions.remove(session)
        charged = session.calls.popleft() if session.calls else None
        self._waiting.extendleft(reversed(session.calls))
        self._deaths += 1
        self._hosts.start_task(self._bury, session, charged, verdict, time.monotonic() - session.since)
        if self._deaths < self._hosts.limits.deaths_in_a_row:
            self._send()

    async def _bury(self, session: Session, charged: Call | None, verdict: Verdict, seconds: float) -> None:
        end = await self._end(session)
        message = verdict.message or f"the grader's process {end}"
        if charged is not None:
            charged.answer(Reply(None, verdict.kind, message, "", seconds))
        if self._deaths >= self._hosts.limits.deaths_in_a_row:
            self._stop("stopped", f"{self._deaths} hosts died in a row; the last: {message}")

    def _stop(self, kind: ErrorKind, reason: str) -> None:
        if self._stopped is None:
            self._stopped = Reply(None, kind, reason, "", 0.0)
        self._refuse(self._waiting)

    def _refuse(self, calls: deque[Call]) -> None:
        while calls and self._stopped is not None:
            calls.popleft().answer(self._stopped)
