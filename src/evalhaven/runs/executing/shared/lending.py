"""What all workers share while they call models: limits, budgets, what they know of failures and of outages.

Each worker holds a part of each limit for a second and a half, and begins no call beyond it, nor after that time. What
a dead worker held is free as soon as its time is over. In the same transaction workers tell each other how calls fail,
what they have cost, and which endpoints are gone.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import anyio
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.limits import MonthCost, unlimited_month
from evalhaven.domain.clock import Clock
from evalhaven.domain.scopes import EngineScope
from evalhaven.runs.executing.shared.fence import Fence
from evalhaven.runs.executing.shared.guards import SharedGuard, month_limits
from evalhaven.runs.executing.shared.limits import RunLimit, SharedLimit, fair_part
from evalhaven.runs.executing.shared.outages import exchange_outages
from evalhaven.runs.months import MonthBudget, Months
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.storage.access.limits import find_month_cost
from evalhaven.storage.database import Database, is_unavailable
from evalhaven.storage.queue.limits import LimitShare, hold_shares, list_shares, lock_limits
from evalhaven.storage.queue.months import tell_month_cost

LEASE_S = 1.5
_AGAIN_S = 0.5
_SOONEST_S = 0.05


@dataclass(frozen=True, slots=True)
class CallingRun:
    """What workers that call models on behalf of one run share.

    Attributes:
        guard: What ends the run early.
        limit: How many calls it may have under way; None leaves that to the endpoints.
    """

    guard: SharedGuard
    limit: RunLimit | None


class LimitLender:
    """Holds this worker's parts of all limits that it uses, and exchanges what workers know of calls."""

    def __init__(
        self,
        database: Database,
        caller: ModelCaller,
        fence: Fence,
        find_worker: Callable[[], int | None],
        list_runs: Callable[[], Sequence[CallingRun]],
        months: Months | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Hold nothing yet.

        Args:
            database: Where the parts of all workers are.
            caller: Whose limiters are lent slots.
            fence: The worker's.
            find_worker: Returns the worker's number; None while it has none.
            list_runs: Returns the runs that it takes part in.
            months: What the projects of these runs may spend in a month; None: none of them has a limit.
            clock: Says which month it is.
        """
        self._months = months or Months()
        self._clock = clock or Clock()
        self._database = database
        self._caller = caller
        self._fence = fence
        self._find_worker = find_worker
        self._list_runs = list_runs
        self._wake = anyio.Event()

    def wake(self) -> None:
        """Look now: a call waits for a slot, or an endpoint was lost or found."""
        self._wake.set()

    async def serve(self) -> None:
        """Hold parts until canceled."""
        was_woken = False
        while True:
            self._wake = anyio.Event()
            worker_id = self._find_worker()
            if worker_id is not None and self._fence.is_open:
                try:
                    await self.exchange(worker_id)
                except Exception as error:
                    if not is_unavailable(error):
                        raise
            # Who was woken and found nothing is not helped by asking on and on.
            soonest_s = _AGAIN_S if was_woken else _SOONEST_S
            await anyio.sleep(soonest_s)
            with anyio.move_on_after(_AGAIN_S - soonest_s) as waiting:
                await self._wake.wait()
            was_woken = not waiting.cancelled_caught and not was_woken

    async def exchange(self, worker_id: int) -> None:
        """Tell the other workers what they are to know of this one, and act on what they know."""
        runs, reachabilities = self._list_runs(), self._caller.reachabilities
        if not runs and not self._caller.limiters:
            return
        sent_at = time.monotonic()
        lent: list[tuple[SharedLimit, int]] = []
        told: list[tuple[MonthBudget, MonthCost]] = []
        try:
            async with self._database.write() as tx:
                await lock_limits(tx, EngineScope())
                effects = await exchange_outages(tx, reachabilities)
                for run in runs:
                    await run.guard.exchange(tx)
                told = [(budget, await self._tell_month(tx, budget, runs)) for budget in self._months]
                lent = await _hold(
                    tx, worker_id, lambda: {**self._model_limits(), **_limits_of(runs), **_month_limits_of(told)}
                )
        except BaseException:
            for run in runs:
                run.guard.put_back()
            raise
        for effect in effects:
            effect()
        for run in runs:
            run.guard.settle()
        for budget, cost in told:
            budget.learn(cost)
        for limit, slots in lent:
            limit.lend(slots, sent_at + LEASE_S, slots / limit.most)

    async def _tell_month(self, tx: AsyncConnection, budget: MonthBudget, runs: Sequence[CallingRun]) -> MonthCost:
        """Tell what a project's runs have spent here, and return what they have spent at all workers."""
        now = self._clock.now()
        known = await find_month_cost(tx, budget.scope, now)
        if known is None:
            return unlimited_month(now)  # since the runs began
        cost = sum(run.guard.told_cost for run in runs if run.guard.month is budget)
        told = await tell_month_cost(tx, budget.scope, known, cost)
        # What a dead worker had not told is stored by now, or lost.
        return replace(known, spent=max(known.spent, told))

    def _model_limits(self) -> dict[str, SharedLimit]:
        return {
            f"model {model} at {endpoint}": SharedLimit(
                most,
                limiter.wanted,
                limiter.in_flight,
                limiter.shrink,
                limiter.lend,
                limiter.asked_pause_s,
                limiter.pause,
            )
            for (endpoint, model), (limiter, most) in self._caller.limiters.items()
        }


def _limits_of(runs: Sequence[CallingRun]) -> dict[str, SharedLimit]:
    limits = {run.limit.name: run.limit.shared for run in runs if run.limit is not None}
    for run in runs:
        limits |= run.guard.limits
    return limits


def _month_limits_of(told: Sequence[tuple[MonthBudget, MonthCost]]) -> dict[str, SharedLimit]:
    limits: dict[str, SharedLimit] = {}
    for budget, cost in told:
        limits |= month_limits(budget, cost)
    return limits


async def _hold(
    tx: AsyncConnection, worker_id: int, find_limits: Callable[[], Mapping[str, SharedLimit]]
) -> list[tuple[SharedLimit, int]]:
    """Take this worker's part of each limit; return how many slots that lets it use once it is committed."""
    names = sorted(find_limits())
    if not names:
        return []
    held = await list_shares(tx, EngineScope(), names)
    limits = find_limits()
    parts: list[LimitShare] = []
    lent: list[tuple[SharedLimit, int]] = []
    for name in names:
        limit = limits[name]
        others = [share for share in held if share.name == name and share.worker_id != worker_id]
        free = limit.most - sum(share.slots for share in others)
        wanted = min(limit.wanted, limit.most)
        part = max(min(fair_part(limit.most, wanted, [share.wanted for share in others]), free), 0)
        # What the others will see as free must not be used any more when they do.
        limit.shrink(part)
        if limit.pause is not None:
            limit.pause(max((share.pause_s for share in others), default=0.0))
        lent.append((limit, part))
        # Calls under way occupy their slots until they end, whatever others want; no other takes their places.
        parts.append(LimitShare(name, worker_id, max(part, limit.in_use), wanted, limit.pause_s))
    await hold_shares(tx, EngineScope(), parts, LEASE_S)
    return lent
