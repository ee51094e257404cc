"""The hosts of all graders, and the graders to which they are lent."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Self

import anyio

from evalhaven.sandbox.environment import LAYERS, Environment, Isolation, Layers
from evalhaven.sandbox.grader import SandboxedGrader
from evalhaven.sandbox.hosts import Host, HostStarter
from evalhaven.sandbox.limits import Limits
from evalhaven.sandbox.replies import ErrorKind, Reply
from evalhaven.sandbox.slots import HostSlots
from evalhaven.sandbox.warm_hosts import WARM, WarmHosts

__all__ = ["ErrorKind", "HostPool", "Reply", "SandboxRefusedError", "SandboxedGrader"]


class SandboxRefusedError(Exception):
    """No isolation holds on this machine, so no host may be started."""


class HostPool:
    """Lends hosts to graders, a bounded number at once; an async context manager, which ends them."""

    def __init__(self, isolation: Isolation, limits: Limits | None = None, canaries: Sequence[Path] = ()) -> None:
        """Start nothing yet.

        Args:
            isolation: What `choose_isolation` found.
            limits: What hosts, calls and graders may use; None: the defaults.
            canaries: Files that no host may be able to open.
        """
        self._limits = limits or Limits()
        self._slots = HostSlots(max(1, self._limits.hosts - WARM))
        self._layers = None if isolation.tier is None else LAYERS[isolation.tier]
        self._canaries = canaries
        self._hosts: WarmHosts | None = None
        self._stack = AsyncExitStack()

    @classmethod
    def with_layers(cls, layers: Layers, limits: Limits, canaries: Sequence[Path] = ()) -> Self:
        """Make a pool whose hosts have these walls, whatever isolation holds here."""
        pool = cls(Isolation(None, {}), limits, canaries)
        pool._layers = layers
        return pool

    async def __aenter__(self) -> Self:
        if self._layers is not None:
            starter = HostStarter(self._layers, self._limits, self._canaries)
            self._stack.callback(starter.close)
            tasks = await self._stack.enter_async_context(anyio.create_task_group())
            self._stack.callback(tasks.cancel_scope.cancel)
            self._hosts = WarmHosts(starter, self._limits, tasks)
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._hosts is not None:
            self._hosts.close()
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
        if self._hosts is None:
            raise SandboxRefusedError("graders cannot be executed here: no isolation holds")
        self._hosts.keep_warm(environment)
        grader = SandboxedGrader(self._hosts, self._slots, source, environment, hosts)
        try:
            yield grader
        finally:
            await grader.close()

    @property
    def waiting(self) -> int:
        """Return how many graders wait for a host."""
        return self._slots.waiting

    @property
    def killed(self) -> Mapping[ErrorKind, int]:
        """Return how many hosts were ended because of what they did, by the error."""
        return {} if self._hosts is None else self._hosts.killed

    def list_hosts(self) -> list[Host]:
        """Return all hosts, including warm ones."""
        return [] if self._hosts is None else self._hosts.list_hosts()
