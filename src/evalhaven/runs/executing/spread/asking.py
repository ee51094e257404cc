"""The slots of limits that a process shares with others: asked for again and again while calls are made."""

from collections.abc import Awaitable, Callable, Mapping
from math import inf

import anyio

from evalhaven.runs.executing.shared.limits import SharedLimit
from evalhaven.runs.executing.spread.messages import LimitUse
from evalhaven.sampling.calls.caller import ModelCaller

_AGAIN_S = 0.1
_SOONEST_S = 0.02

AskForSlots = Callable[[Mapping[str, LimitUse]], Awaitable[Mapping[str, int]]]
"""Tells how limits are used, and returns how many slots of each are this process's."""


class SlotAsker:
    """Asks for the slots that this process needs, and hands them to the limiters."""

    def __init__(
        self, caller: ModelCaller, run_limits: Callable[[], Mapping[str, SharedLimit]], ask: AskForSlots
    ) -> None:
        """Ask for nothing yet.

        Args:
            caller: Whose limiters are lent slots.
            run_limits: Returns the limits of the runs under way here.
            ask: Asks for slots.
        """
        self._caller = caller
        self._run_limits = run_limits
        self._ask = ask
        self._wake = anyio.Event()

    def wake(self) -> None:
        """Ask now: a call waits for a slot."""
        self._wake.set()

    async def serve(self) -> None:
        """Ask until canceled; while nothing is called, only when woken."""
        while True:
            self._wake = anyio.Event()
            of_runs = self._run_limits()
            limits = {**self._model_limits(), **of_runs}
            # A call that waits for its run's limit wakes nobody.
            is_idle = not of_runs and not any(each.wanted for each in limits.values())
            if is_idle:
                # Before it asks again, others may need what it has.
                for each in limits.values():
                    each.lend(0, inf, 0.0)
                limits.clear()
            uses = {name: LimitUse(each.most, each.wanted, each.in_use) for name, each in limits.items()}
            for name, slots in (await self._ask(uses)).items():
                # What is lent stays until less is.
                limits[name].lend(slots, inf, slots / limits[name].most)
            await anyio.sleep(_SOONEST_S)
            with anyio.move_on_after(inf if is_idle else _AGAIN_S - _SOONEST_S):
                await self._wake.wait()

    def _model_limits(self) -> dict[str, SharedLimit]:
        return {
            f"model {model} at {endpoint}": SharedLimit(
                most, limiter.wanted, limiter.in_flight, limiter.shrink, limiter.lend
            )
            for (endpoint, model), (limiter, most) in self._caller.limiters.items()
        }
