"""Hosts kept warm, and graders that use them."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

import anyio
from anyio.abc import TaskGroup

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue
from evalhaven.sandbox.environment import LAYERS, Environment, Isolation, Layers
from evalhaven.sandbox.hosts import Host, HostStarter, HostStartError
from evalhaven.sandbox.limits import Limits
from evalhaven.sandbox.links import HostLink, end_host, open_host
from evalhaven.sandbox.replies import ErrorKind, Reply
from evalhaven.sandbox.sessions import Call, Session, Verdict, frame
from evalhaven.sandbox.watchdog import Watchdog

__all__ = ["ErrorKind", "HostPool", "Reply", "SandboxRefusedError", "SandboxedGrader"]

_WARM = 2
_START_TRIES = 3
_FIRST_PAUSE_S = 0.2


class SandboxRefusedError(Exception):
    """No isolation holds on this machine, so no host may be started."""


class HostPool:
    """Starts hosts before they are needed, a few for each environment; an async context manager, which ends them."""

    def __init__(self, isolation: Isolation, limits: Limits | None = None, canaries: Sequence[Path] = ()) -> None:
        """Start nothing yet.

        Args:
            isolation: What `choose_isolation` found.
            limits: What hosts, calls and graders may use; None: the defaults.
            canaries: Files that no host must be able to open.
        """
        self.limits = limits or Limits()
        self._layers = None if isolation.tier is None else LAYERS[isolation.tier]
        self._canaries = canaries
        self._warm: defaultdict[Environment, deque[HostLink]] = defaultdict(deque)
        self._warming: defaultdict[Environment, int] = defaultdict(int)
        self._stack = AsyncExitStack()

    @classmethod
    def with_layers(cls, layers: Layers, limits: Limits, canaries: Sequence[Path] = ()) -> Self:
        """Make a pool whose hosts have these walls, whatever holds here."""
        pool = cls(Isolation(None, {}), limits, canaries)
        pool._layers = layers
        return pool

    async def __aenter__(self) -> Self:
        if self._layers is not None:
            self._starter = HostStarter(self._layers, self.limits, self._canaries)
            self._stack.callback(self._starter.close)
            self._tasks: TaskGroup = await self._stack.enter_async_context(anyio.create_task_group())
            self._stack.callback(self._tasks.cancel_scope.cancel)
            self._watchdog = Watchdog(self.limits)
            self._tasks.start_soon(self._watchdog.watch)
        return self

    async def __aexit__(self, *exception: object) -> None:
        while self._warm:
            for link in self._warm.popitem()[1]:
                link.close()
        await self._stack.aclose()

    @asynccontextmanager
    async def open_grader(self, source: str, environment: Environment, hosts: int) -> AsyncGenerator["SandboxedGrader"]:
        """Lend a grader, whose hosts end with this context.

        Args:
            source: Defines `grade(sample, item)`.
            environment: What it can import.
            hosts: Most hosts that it has at once.

        Raises:
            SandboxRefusedError: No isolation holds here.
        """
        if self._layers is None:
            raise SandboxRefusedError("graders cannot be executed here: no isolation holds")
        self._keep_warm(environment)
        grader = SandboxedGrader(self, source, environment, hosts)
        try:
            yield grader
        finally:
            await grader.close()

    async def take(self, environment: Environment) -> HostLink:
        """Return a host that is ready for a source.

        Raises:
            HostStartError: None can be started.
        """
        warm = self._warm[environment]
        while warm:
            link = warm.popleft()
            self._keep_warm(environment)
            if link.is_open:
                return link
            await end_host(self._starter, link)
        return await open_host(self._starter, environment, self.limits.start_s)

    def _keep_warm(self, environment: Environment) -> None:
        missing = _WARM - len(self._warm[environment]) - self._warming[environment]
        for _ in range(missing):
            self._warming[environment] += 1
            self._tasks.start_soon(self._warm_up, environment)

    async def _warm_up(self, environment: Environment) -> None:
        try:
            self._warm[environment].append(await open_host(self._starter, environment, self.limits.start_s))
        except HostStartError:
            return  # whoever needs a host tries again, and is told why
        finally:
            self._warming[environment] -= 1

    def list_hosts(self) -> list[Host]:
        """Return every host there is, warm ones too."""
        return [] if self._layers is None else self._starter.list_living()

    def start_task(self, function: Callable[..., Coroutine[object, object, object]], *arguments: object) -> None:
        """Have something done beside the callers."""
        self._tasks.start_soon(function, *arguments)

    def watch(self, session: Session) -> None:
        """Have a session's use of time and memory checked until it is forgotten."""
        self._watchdog.add(session)

    async def bury(self, session: Session) -> str:
        """End a session's host and return how it ended."""
        self._watchdog.remove(session)
        await end_host(self._starter, session.link)
        return session.link.host.describe_end()


class SandboxedGrader:
    """One source, in as many hosts as it may have; calls wait their turn and are sent many at once."""

    def __init__(self, pool: HostPool, source: str, environment: Environment, hosts: int) -> None:
        """Start nothing yet: made by `HostPool.open_grader`."""
        self._pool = pool
        self._source = frame(jsontext.render(source).encode())
        self._environment = environment
        self._hosts = hosts
        self._waiting: deque[Call] = deque()
        self._sessions: list[Session] = []
        self._retiring: list[Session] = []
        self._starting = 0
        self._deaths = 0
        self._stopped: str | None = None
        self._is_sending = False
        self._loop = asyncio.get_running_loop()

    async def call(self, sample: JsonValue, item: JsonValue) -> Reply:
        """Return what `grade(sample, item)` came to; whatever the user's code does, this raises nothing."""
        if self._stopped is not None:
            return _stopped(self._stopped)
        call = Call(frame(jsontext.render([sample, item]).encode()), self._loop.create_future())
        self._waiting.append(call)
        if not self._is_sending:
            # Calls that are made in the same turn of the loop leave in the same write.
            self._is_sending = True
            self._loop.call_soon(self._send)
        return await call.reply

    async def close(self) -> None:
        """End the hosts; calls that still wait are answered with `stopped`."""
        self._stop("the grader was closed")
        with anyio.CancelScope(shield=True):
            for session in [*self._sessions, *self._retiring]:
                session.link.close()
                session.link.host.kill()
                self._answer_all(session.calls)
                await self._pool.bury(session)
        self._sessions.clear()
        self._retiring.clear()

    def _send(self) -> None:
        self._is_sending = False
        for session in self._sessions:
            session.fill(self._waiting)
        for session in [session for session in self._sessions if session.is_used_up]:
            self._retire(session)
        missing = min(self._hosts - len(self._sessions) - self._starting, len(self._waiting))
        for _ in range(missing if self._stopped is None else 0):
            self._starting += 1
            self._pool.start_task(self._open_session)

    async def _open_session(self) -> None:
        pause_s = _FIRST_PAUSE_S
        try:
            for attempt in range(_START_TRIES):
                try:
                    link = await self._pool.take(self._environment)
                    break
                except HostStartError as error:
                    if attempt + 1 == _START_TRIES:
                        self._stop(f"no host for graders can be started: {error}")
                        return
                    await anyio.sleep(pause_s)
                    pause_s *= 2
            else:
                return
        finally:
            self._starting -= 1
        session = Session(link, self._source, self._pool.limits, on_replies=self._go_on, on_end=self._lose)
        if self._stopped is not None:
            link.close()
            await self._pool.bury(session)
            return
        self._sessions.append(session)
        self._pool.watch(session)
        self._send()

    def _go_on(self, session: Session) -> None:
        self._deaths = 0
        if session.is_used_up:
            self._retire(session)
        self._send()

    def _retire(self, session: Session) -> None:
        """Give a host that served its calls no more of them, and end it after its last reply."""
        if session in self._sessions:
            self._sessions.remove(session)
            self._retiring.append(session)
        if not session.calls and session in self._retiring:
            self._retiring.remove(session)
            session.link.close()
            self._pool.start_task(self._pool.bury, session)

    def _lose(self, session: Session, verdict: Verdict) -> None:
        """Charge the call that was under way, and let other hosts do the rest."""
        for sessions in (self._sessions, self._retiring):
            if session in sessions:
                sessions.remove(session)
        charged = session.calls.popleft() if session.calls else None
        self._waiting.extendleft(reversed(session.calls))
        self._deaths += 1
        self._pool.start_task(self._bury, session, charged, verdict, time.monotonic() - session.since)
        if self._deaths < self._pool.limits.deaths_in_a_row:
            self._send()

    async def _bury(self, session: Session, charged: Call | None, verdict: Verdict, seconds: float) -> None:
        end = await self._pool.bury(session)
        message = verdict.message or f"the grader's process {end}"
        if charged is not None:
            charged.answer(Reply(None, verdict.kind, message, "", seconds))
        if self._deaths >= self._pool.limits.deaths_in_a_row:
            self._stop(f"{self._deaths} hosts died in a row; the last: {message}")

    def _stop(self, reason: str) -> None:
        if self._stopped is None:
            self._stopped = reason
        self._answer_all(self._waiting)

    def _answer_all(self, calls: deque[Call]) -> None:
        while calls:
            calls.popleft().answer(_stopped(self._stopped or ""))


def _stopped(reason: str) -> Reply:
    return Reply(None, "stopped", reason, "", 0.0)
