"""Facts about how a process asks for the slots that it shares with others."""

from collections.abc import Mapping

import anyio
import pytest

from evalhaven.runs.executing.shared.limits import RunLimit, SharedLimit
from evalhaven.runs.executing.spread.asking import SlotAsker
from evalhaven.runs.executing.spread.messages import LimitUse
from evalhaven.runs.executing.spread.slots import SlotTable
from evalhaven.sampling.calls.caller import ModelCaller

pytestmark = pytest.mark.anyio
NAME = "run 1"


class Process:
    """A process with the limit of one run, while it has a part of that run."""

    def __init__(self, table: SlotTable, most: int) -> None:
        self.table = table
        self.run_limit: RunLimit | None = RunLimit(1, most)
        self.asked = 0
        self._is_asked = anyio.Event()
        self._named: Mapping[str, LimitUse] = {}
        self.asker = SlotAsker(ModelCaller(), self._limits, self._ask)

    def _limits(self) -> dict[str, SharedLimit]:
        return {} if self.run_limit is None else {self.run_limit.name: self.run_limit.shared}

    async def _ask(self, limits: Mapping[str, LimitUse]) -> Mapping[str, int]:
        self.asked += 1
        self._named = limits
        self._is_asked.set()
        return self.table.ask(self, limits)

    async def is_asked_about(self, count: int) -> None:
        """Wait until it has asked about so many limits."""
        with anyio.fail_after(30):
            while len(self._named) != count:
                self._is_asked = anyio.Event()
                await self._is_asked.wait()


async def test_calls_get_slots_as_they_wait_and_a_run_that_is_over_leaves_them_to_others() -> None:
    table = SlotTable(2)
    first, second = Process(table, 4), Process(table, 4)
    assert first.run_limit is not None
    assert second.run_limit is not None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first.asker.serve)
        with anyio.fail_after(30):
            for _ in range(4):
                await first.run_limit.slots.acquire()
        tasks.start_soon(second.asker.serve)
        # Over here: what it held is free.
        first.run_limit = None
        with anyio.fail_after(30):
            for _ in range(4):
                await second.run_limit.slots.acquire()
        assert table.bounds(NAME) == 4
        tasks.cancel_scope.cancel()


async def test_a_process_without_calls_keeps_no_slots_and_asks_no_more_until_it_is_woken() -> None:
    table = SlotTable(2)
    process = Process(table, 4)
    assert process.run_limit is not None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(process.asker.serve)
        with anyio.fail_after(30):
            await process.run_limit.slots.acquire()
        process.run_limit = None
        await process.is_asked_about(0)
        assert table.bounds(NAME) == 0
        asked = process.asked
        await anyio.sleep(1.0)
        assert process.asked == asked
        process.run_limit = RunLimit(1, 4)
        process.asker.wake()
        with anyio.fail_after(30):
            await process.run_limit.slots.acquire()
        tasks.cancel_scope.cancel()
