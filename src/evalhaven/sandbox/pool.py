"""Hosts kept warm, and lent to graders."""

from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

import anyio
from anyio.abc import TaskGroup

from evalhaven.sandbox.environment import LAYERS, Environment, Isolation, Layers
from evalhaven.sandbox.grader import SandboxedGrader
from evalhaven.sandbox.hosts import Host, HostStarter, HostStartError
from evalhaven.sandbox.limits import Limits
from evalhaven.sandbox.links import HostLink, end_host, open_host
from evalhaven.sandbox.replies import ErrorKind, Reply
from evalhaven.sandbox.sessions import Session
from evalhaven.sandbox.slots import HostSlots
from evalhaven.sandbox.watchdog import Watchdog

__all__ = ["ErrorKind", "HostPool", "Reply", "SandboxRefusedError", "SandboxedGrader"]

_WARM = 2


class SandboxRefusedError(Exception):
    """No isolation holds on this machine, so no host may be started."""


class HostPool:
    """Starts a few hosts before they are needed; an async context manager, which ends them on exit."""

    def __init__(self, isolation: Isolation, limits: Limits | None = None, canaries: Sequence[Path] = ()) -> None:
        """Start nothing yet.

        Args:
            isolation: What `choose_isolation` found.
            limits: What hosts, calls and graders may use; None: the defaults.
            canaries: Files that no host may be able to open.
        """
        self.limits = limits or Limits()
        self.slots = HostSlots(max(1, self.limits.hosts - _WARM))
        self._layers = None if isolation.tier is None else LAYERS[isolation.tier]
        self._canaries = canaries
        self._warm: defaultdict[Environment, deque[HostLink]] = defaultdict(deque)
        self._warming: defaultdict[Environment, int] = defaultdict(int)
        self._latest: Environment | None = None
        self._stack = AsyncExitStack()

    @classmethod
    def with_layers(cls, layers: Layers, limits: Limits, canaries: Sequence[Path] = ()) -> Self:
        """Make a pool whose hosts have these walls, whatever isolation holds here."""
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
    async def open_grader(self, source: str, environment: Environment, hosts: int) -> AsyncGenerator[SandboxedGrader]:
        """Lend a grader, whose hosts end with this context.

        Args:
            source: Defines `grade(sample, item)`.
            environment: What it can import.
            hosts: Most hosts that it may have at once.

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
            HostStartError: No host can be started.
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
        """Keep hosts ready for the environment that was requested last, and for no other."""
        self._latest = environment
        for other in [each for each in self._warm if each != environment]:
            for link in self._warm.pop(other):
                self._tasks.start_soon(end_host, self._starter, link)
        missing = _WARM - len(self._warm[environment]) - self._warming[environment]
        for _ in range(missing):
            self._warming[environment] += 1
            self._tasks.start_soon(self._warm_up, environment)

    async def _warm_up(self, environment: Environment) -> None:
        try:
            link = await open_host(self._starter, environment, self.limits.start_s)
        except HostStartError:
            return  # whoever needs a host will try again and get the error
        finally:
            self._warming[environment] -= 1
        if environment == self._latest:
            self._warm[environment].append(link)
        else:
            await end_host(self._starter, link)

    def list_hosts(self) -> list[Host]:
        """Return all hosts, including warm ones."""
        return [] if self._layers is None else self._starter.list_living()

    def start_task(self, function: Callable[..., Coroutine[object, object, object]], *arguments: object) -> None:
        """Run something in the background."""
        self._tasks.start_soon(function, *arguments)

    def watch(self, session: Session) -> None:
        """Have the watchdog check a session's use of time and memory until `bury`."""
        self._watchdog.add(session)

    async def bury(self, session: Session) -> str:
        """End a session's host and return how it ended."""
        self._watchdog.remove(session)
        await end_host(self._starter, session.link)
        return session.link.host.describe_end()
