"""Limits that all workers share: how many calls a model may be asked at once, and how many a run may make at once.

Each worker holds a part of each limit for a second and a half, and begins no call beyond it, nor after that time. What
a dead worker held is free as soon as its time is over.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio

from evalhaven.domain.scopes import EngineScope
from evalhaven.runs.executing.shared.fence import Fence
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.storage.database import Database, is_unavailable
from evalhaven.storage.queue.limits import LimitShare, hold_shares, lock_shares

LEASE_S = 1.5
_AGAIN_S = 0.5
_SOONEST_S = 0.05


@dataclass(frozen=True, slots=True)
class SharedLimit:
    """A limit as one worker sees it.

    Attributes:
        most: How many slots there are for all workers.
        wanted: How many this worker would use.
        in_use: How many it uses.
        lend: Gives the worker slots until a moment of the loop's clock, and the fraction of all that they are.
    """

    most: int
    wanted: int
    in_use: int
    lend: Callable[[int, float, float], None]


def fair_part(most: int, wanted: int, others: Sequence[int]) -> int:
    """Return how many slots are one worker's part: nobody gets more than it wants while another wants for slots.

    What nobody wants is divided evenly, so that a call that comes next need not wait for slots.

    Args:
        most: How many slots there are.
        wanted: How many the worker would use.
        others: How many each of the others would use.
    """
    wishes = sorted([wanted, *others])
    left, waiting = most, len(wishes)
    for wish in wishes:
        if wish * waiting > left:
            # Who wants more than an even part gets that; what cannot be divided is for who comes first.
            return min(wanted, left // waiting + (left % waiting > 0))
        left, waiting = left - wish, waiting - 1
    return wanted + left // len(wishes)


class LimitLender:
    """Holds this worker's parts of all limits that it uses."""

    def __init__(
        self,
        database: Database,
        caller: ModelCaller,
        fence: Fence,
        find_worker: Callable[[], int | None],
        run_limits: Callable[[], Mapping[str, SharedLimit]],
    ) -> None:
        """Hold nothing yet.

        Args:
            database: Where the parts of all workers are.
            caller: Whose limiters are lent slots.
            fence: The worker's.
            find_worker: Returns the worker's number; None while it has none.
            run_limits: Returns the limits of the runs that it takes part in.
        """
        self._database = database
        self._caller = caller
        self._fence = fence
        self._find_worker = find_worker
        self._run_limits = run_limits
        self._wake = anyio.Event()

    def wake(self) -> None:
        """Look now: a call waits for a slot."""
        self._wake.set()

    async def serve(self) -> None:
        """Hold parts until canceled."""
        while True:
            self._wake = anyio.Event()
            worker_id = self._find_worker()
            if worker_id is not None and self._fence.is_open:
                try:
                    await self._hold(worker_id)
                except Exception as error:
                    if not is_unavailable(error):
                        raise
            await anyio.sleep(_SOONEST_S)
            with anyio.move_on_after(_AGAIN_S - _SOONEST_S):
                await self._wake.wait()

    async def _hold(self, worker_id: int) -> None:
        limits = {**self._model_limits(), **self._run_limits()}
        if not limits:
            return
        sent_at = asyncio.get_running_loop().time()
        async with self._database.write() as tx:
            held = await lock_shares(tx, EngineScope(), sorted(limits))
            parts: list[LimitShare] = []
            for name, limit in sorted(limits.items()):
                others = [share for share in held if share.name == name and share.worker_id != worker_id]
                free = limit.most - sum(share.slots for share in others)
                wanted = min(limit.wanted, limit.most)
                part = min(fair_part(limit.most, wanted, [share.wanted for share in others]), free)
                # Calls under way use their slots until they end, whatever others want.
                parts.append(LimitShare(name, worker_id, max(part, limit.in_use, 0), wanted))
            await hold_shares(tx, EngineScope(), parts, LEASE_S)
        for part in parts:
            limit = limits[part.name]
            limit.lend(part.slots, sent_at + LEASE_S, part.slots / limit.most)

    def _model_limits(self) -> dict[str, SharedLimit]:
        return {
            f"model {model} at {endpoint}": SharedLimit(most, limiter.wanted, limiter.in_flight, limiter.lend)
            for (endpoint, model), (limiter, most) in self._caller.limiters.items()
        }


class RunLimit:
    """How many calls of one run this worker may have under way; see `CallLimit`.

    Whoever takes a place compares the time: a timer would be late in a process that stood still.
    """

    def __init__(self, run_key: int, most: int, now: Callable[[], float] | None = None) -> None:
        self.name = f"run {run_key}"
        self._limiter = anyio.CapacityLimiter(0)
        self._most = most
        self._now = now or asyncio.get_running_loop().time
        self._until = 0.0

    @property
    def shared(self) -> SharedLimit:
        """Return the limit as it is now."""
        state = self._limiter.statistics()
        return SharedLimit(self._most, state.borrowed_tokens + state.tasks_waiting, state.borrowed_tokens, self._lend)

    def acquire_on_behalf_of_nowait(self, borrower: object, /) -> None:
        """Take a place; raise WouldBlock if there is none."""
        self._end_late()
        self._limiter.acquire_on_behalf_of_nowait(borrower)

    async def acquire_on_behalf_of(self, borrower: object, /) -> None:
        """Take a place, waiting for it."""
        while True:
            self._end_late()
            await self._limiter.acquire_on_behalf_of(borrower)
            if self._now() < self._until:
                return
            # It was given back and taken before anybody looked at the time.
            self._limiter.total_tokens = 0
            self._limiter.release_on_behalf_of(borrower)

    def release_on_behalf_of(self, borrower: object, /) -> None:
        """Give a place back."""
        self._end_late()
        self._limiter.release_on_behalf_of(borrower)

    def _lend(self, slots: int, until: float, _fraction: float) -> None:
        self._until = until
        self._limiter.total_tokens = slots

    def _end_late(self) -> None:
        if self._now() >= self._until:
            self._limiter.total_tokens = 0
