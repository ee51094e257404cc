"""The place where python graders of all runs are executed: one pool of hosts, opened for the first of them."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import anyio

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.graders.python.criteria import PythonCriterion
from evalhaven.graders.python.environments import Environments, Selection
from evalhaven.graders.python.isolation import IsolationChoice, told
from evalhaven.graders.python.source_check import SourceChecker
from evalhaven.meters.board import Reading
from evalhaven.meters.declared import SANDBOX_HOSTS, SANDBOX_KILLED, SANDBOX_WAITING
from evalhaven.sandbox.environment import Isolation
from evalhaven.sandbox.limits import Limits
from evalhaven.sandbox.pool import HostPool, SandboxedGrader

DEFAULT_LIMITS = Limits()


class PythonExecution:
    """Executes python graders; `serve` must run while they are open."""

    def __init__(
        self, choice: IsolationChoice, environments: Environments, hosts: int, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        """Start nothing yet.

        Args:
            choice: How graders are isolated.
            environments: What they can import.
            hosts: Most hosts of one grader at once.
            limits: What a call may use.
        """
        self.environments = environments
        self.checker = SourceChecker()
        self._choice = choice
        self._hosts = hosts
        self._limits = limits
        self._needed = anyio.Event()
        self._opened = anyio.Event()
        self._pool: HostPool | None = None

    async def serve(self) -> None:
        """Keep the pool open from the first grader on, until canceled."""
        await self._needed.wait()
        isolation = await self._choice.choose()
        if isolation.tier is None:
            self._opened.set()
            return
        async with HostPool(isolation, self._limits, self._choice.canaries) as pool:
            self._pool = pool
            self._opened.set()
            await anyio.sleep_forever()

    def read_meters(self) -> Reading:
        """Return what a board shows of the pool."""
        pool = self._pool
        if pool is not None:
            yield SANDBOX_HOSTS, (), len(pool.list_hosts())
            yield SANDBOX_WAITING, (), pool.waiting
            for reason, count in pool.killed.items():
                yield SANDBOX_KILLED, (reason,), count

    async def isolation(self) -> Isolation:
        """Return how graders are isolated."""
        return await self._choice.choose()

    async def describe(self, criteria: Iterable[PythonCriterion]) -> JsonObject:
        """Return how graders are isolated and what they can import, in the form that a run shows."""
        names = {self.environments.select(criterion.image_tag).name for criterion in criteria}
        return {**told(await self.isolation()), "environments": list[JsonValue](sorted(names))}

    @asynccontextmanager
    async def opened(self, source: str, selection: Selection) -> AsyncGenerator[SandboxedGrader]:
        """Open a grader for the time of a run.

        Args:
            source: Its code, checked.
            selection: What it can import.

        Raises:
            IsolationError: No isolation is available here.
        """
        self._needed.set()
        await self._opened.wait()
        if self._pool is None:
            raise IsolationError(await self._choice.choose())
        async with self._pool.open_grader(source, selection.sandboxed, self._hosts) as grader:
            yield grader


class IsolationError(Exception):
    """Python graders cannot be executed here.

    Attributes:
        isolation: What was tried.
    """

    def __init__(self, isolation: Isolation) -> None:
        super().__init__("no isolation is available")
        self.isolation = isolation
