"""Facts about the guards of a run at several workers: failures and spending are counted together."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from sqlalchemy import text

from evalhaven.access.limits import Limits, MonthCost, month_of
from evalhaven.domain.run_options import Budget
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.scopes import EngineScope
from evalhaven.runs.engine import Engine
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.executing.shared.fence import Fence
from evalhaven.runs.executing.shared.guards import SharedGuard, purse_of
from evalhaven.runs.executing.shared.lending import CallingRun, LimitLender
from evalhaven.runs.months import Months
from evalhaven.storage.access.limits import add_month_cost, save_limits
from evalhaven.storage.queue.guards import forget_guard_states
from evalhaven.storage.queue.months import forget_month_costs
from tests.databases import ON_POSTGRESQL_ONLY
from tests.unit.runs.executed import cancel, inline_run, lines, read_run, row_of

pytestmark = ON_POSTGRESQL_ONLY
KEY_INVALID = ItemError("invalid_api_key", "Incorrect API key.", "sampling", retryable=True)
UNKNOWN = ItemError("model_not_found", "No such model.", "sampling", retryable=True)
REFUSED = ItemError("made_up", "Not today.", "sampling", retryable=False)


class Worker:
    """One worker's guard of a run, with what lends it parts of the budget."""

    def __init__(self, engine: Engine, run: Run, number: int, months: Months | None = None) -> None:
        self.number = number
        self.is_alone = False
        self.stop = anyio.Event()
        self.wanted = 0
        self.purse = purse_of(run, self._want)
        self.guard = RunGuard(run.options.budget, run.tally.spending, self.stop, self.purse, self._ask)
        self.guard.expect_calls(1000)
        self.judge = self.guard.watch_judge()
        self.shared = SharedGuard(run, self.guard)
        calling = CallingRun(self.shared, None)
        self._lender = LimitLender(
            engine.database, engine.caller, Fence(60), lambda: number, lambda: [calling], months, engine.clock
        )

    def _want(self) -> None:
        self.wanted += 1

    def _ask(self) -> bool:
        self.wanted += 1
        return not self.is_alone

    async def wait(self) -> None:
        assert self.purse is not None
        await self.purse.wait()

    async def exchange(self) -> None:
        await self._lender.exchange(self.number)

    def fail(self, count: int, error: ItemError = KEY_INVALID, *, is_fatal: bool = True) -> None:
        for _ in range(count):
            self.guard.note_failure(error, is_fatal=is_fatal)


async def workers_of(engine: Engine, count: int, **options: Any) -> tuple[Run, list[Worker]]:
    run = await inline_run(engine, lines([row_of(0)]))
    run = replace(run, options=replace(run.options, **options))
    return run, [Worker(engine, run, number) for number in range(1, count + 1)]


async def test_failures_are_counted_over_all_workers(engine: Engine) -> None:
    _run, workers = await workers_of(engine, 4)
    for worker in workers[:3]:
        worker.fail(3)
        await worker.exchange()
    assert not any(worker.stop.is_set() for worker in workers)
    workers[3].fail(1)
    assert workers[3].guard.verdict is None
    await workers[3].exchange()
    assert workers[3].guard.verdict == KEY_INVALID
    await workers[0].exchange()
    assert workers[0].guard.verdict == KEY_INVALID


async def test_no_call_is_begun_while_all_seem_to_fail_and_the_others_were_not_heard(engine: Engine) -> None:
    _run, (first, second) = await workers_of(engine, 2)
    second.guard.note_answer(None, 1)
    await second.exchange()
    first.fail(9)
    assert not first.guard.failures.is_suspected
    first.fail(1)
    assert first.guard.failures.is_suspected
    assert not first.judge.failures.is_suspected
    begun: list[None] = []

    async def begin_call() -> None:
        await first.guard.failures.wait()
        begun.append(None)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begin_call)
        with pytest.raises(RuntimeError, match="rolled back"):
            await exchange_in_vain(engine, first, look=True)
        first.shared.put_back()
        await anyio.lowlevel.checkpoint()
        assert first.guard.failures.is_suspected, "nobody was heard"
        assert not begun
        await first.exchange()
    assert len(begun) == 1
    assert first.guard.verdict is None, "another worker has had an answer"


async def test_a_worker_that_is_alone_ends_its_run_at_once(engine: Engine) -> None:
    _run, (worker,) = await workers_of(engine, 1)
    worker.is_alone = True
    worker.fail(10)
    assert worker.guard.verdict == KEY_INVALID
    assert not worker.guard.failures.is_suspected


async def test_an_answer_at_one_worker_ends_the_streak_of_all(engine: Engine) -> None:
    _run, (first, second) = await workers_of(engine, 2)
    first.fail(9)
    await first.exchange()
    second.guard.note_answer(None, 1)
    await second.exchange()
    await first.exchange()
    # From now on it takes fifty.
    for worker in (first, second):
        worker.fail(24)
        await worker.exchange()
    assert second.guard.verdict is None
    second.fail(1, UNKNOWN)
    await second.exchange()
    first.fail(49)
    assert first.wanted > 0, "the others are asked at once"
    await first.exchange()
    assert first.guard.verdict is None, "another failure ended the streak"
    first.fail(1)
    await first.exchange()
    assert first.guard.verdict == KEY_INVALID


async def test_refusals_in_the_same_words_are_counted_over_all_workers(engine: Engine) -> None:
    _run, (first, second) = await workers_of(engine, 2)
    for worker in (first, second):
        worker.fail(50, REFUSED, is_fatal=False)
        await worker.exchange()
    assert (first.guard.verdict, second.guard.verdict) == (None, REFUSED)


async def test_the_failures_of_a_judge_are_those_of_the_same_judge_elsewhere(engine: Engine) -> None:
    _run, (first, second) = await workers_of(engine, 2)
    for worker in (first, second):
        worker.guard.note_answer(None, 1)
        for _ in range(5):
            worker.judge.note_failure(KEY_INVALID, is_fatal=True)
        await worker.exchange()
    assert second.guard.verdict == replace(KEY_INVALID, origin="judge")


async def exchange_in_vain(engine: Engine, worker: Worker, *, look: bool = False) -> None:
    """Tell the others in vain; if `look`, learn meanwhile what they know, as when items are stored."""
    async with engine.database.write() as tx:
        await worker.shared.exchange(tx)
        if look:
            async with engine.database.read() as other:
                await worker.shared.look(other)
        raise RuntimeError("rolled back")


async def test_what_could_not_be_told_is_told_the_next_time(engine: Engine) -> None:
    _run, (first, second) = await workers_of(engine, 2, budget=Budget(tokens=1000))
    first.fail(5)
    first.guard.note_answer(None, 100)
    first.fail(5)
    with pytest.raises(RuntimeError, match="rolled back"):
        await exchange_in_vain(engine, first)
    first.shared.put_back()
    for worker in (first, second):
        await worker.exchange()
    second.guard.note_answer(None, 899)
    assert second.guard.verdict is None
    second.guard.note_answer(None, 1)
    assert second.guard.is_spent


async def test_a_budget_is_lent_by_parts_and_spent_by_all_together(engine: Engine) -> None:
    run, (first, second) = await workers_of(engine, 2, budget=Budget(cost=0.001, tokens=1000))
    assert run.tally.spending.tokens == 0
    assert first.purse is not None
    assert second.purse is not None
    waiting = [purse for purse in (first.purse, second.purse) if not purse.is_open]
    assert len(waiting) == 2, "nothing is spent before the others are known"
    async with anyio.create_task_group() as tasks:
        for worker in (first, second):
            tasks.start_soon(worker.wait)
        await anyio.lowlevel.checkpoint()
        # Whoever comes first has all, until the other says that it needs some.
        for worker in (first, second, first, second):
            await worker.exchange()

    spent = 0
    while first.guard.verdict is None or second.guard.verdict is None:
        for worker in (first, second):
            while worker.purse is not None and worker.purse.is_open and not worker.stop.is_set():
                worker.guard.note_answer(0.0000001, 7)
                spent += 7
        for worker in (first, second):
            await worker.exchange()
    # Each exceeds its last part by the one call that was under way.
    assert 1000 <= spent < 1000 + 2 * 7
    assert first.guard.verdict.code == second.guard.verdict.code == "budget_exceeded"


@contextmanager
def sharing_a_month(engine: Engine, runs: Sequence[Run], stored: MonthCost) -> Generator[list[Worker]]:
    """Give each run a worker of its own, all of them with a month."""
    with ExitStack() as stack:
        workers: list[Worker] = []
        for number, run in enumerate(runs, 1):
            months = Months()
            worker = Worker(engine, run, number, months)
            stack.enter_context(months.entered(run.scope, stored, worker.guard, lambda: None))
            workers.append(worker)
        yield workers


async def limited_month(engine: Engine, dollars: float, spent: float) -> MonthCost:
    async with engine.database.write() as tx:
        await save_limits(tx, SCOPE, Limits(month_cost=dollars))
        await add_month_cost(tx, SCOPE, engine.clock.now(), spent)
    return MonthCost(month_of(engine.clock.now()), dollars, spent)


def spend_what_is_lent(worker: Worker) -> int:
    """Return how many calls of a cent may be begun one after the other."""
    calls = 0
    while worker.guard.purses[0].is_open and not worker.stop.is_set():
        worker.guard.note_answer(0.01, 1)
        calls += 1
    return calls


async def test_what_is_left_of_a_month_is_lent_by_parts_to_the_workers_of_all_runs(engine: Engine) -> None:
    run, _ = await workers_of(engine, 0)
    stored = await limited_month(engine, 10.0, 9.0)
    with sharing_a_month(engine, [run, replace(run, key=run.key + 1)], stored) as workers:
        assert not any(worker.guard.purses[0].is_open for worker in workers), "nothing is spent before all are known"
        calls = 0
        async with anyio.create_task_group() as tasks:
            for worker in workers:
                tasks.start_soon(worker.guard.purses[0].wait)
            await anyio.lowlevel.checkpoint()
            for worker in workers * 2:
                await worker.exchange()
        for _ in range(50):
            calls += sum(spend_what_is_lent(worker) for worker in workers)
            for worker in workers:
                await worker.exchange()
            if all(worker.stop.is_set() for worker in workers):
                break
    assert 100 <= calls <= 102
    assert [worker.guard.verdict and worker.guard.verdict.code for worker in workers] == ["month_cost_exceeded"] * 2


async def test_what_a_dead_worker_told_or_stored_counts_once(engine: Engine) -> None:
    run, _ = await workers_of(engine, 0)
    stored = await limited_month(engine, 10.0, 9.0)
    with sharing_a_month(engine, [run, run], stored) as (dead, living):
        await dead.exchange()
        dead.guard.note_answer(0.3, 1)
        await dead.exchange()
        # The first is stored, too, and the second was told to nobody.
        dead.guard.note_answer(0.2, 1)
        async with engine.database.write() as tx:
            await add_month_cost(tx, SCOPE, engine.clock.now(), 0.5)
        await living.exchange()
        assert living.guard.month is not None
        assert living.guard.month.known.spent == pytest.approx(9.5)
        async with engine.database.write() as tx:
            await save_limits(tx, SCOPE, Limits(month_cost=9.4))
        await living.exchange()
        assert living.stop.is_set(), "a limit that is lowered holds for runs under way"


async def test_what_is_known_of_a_month_goes_when_no_run_of_the_project_is_under_way(engine: Engine) -> None:
    run, _ = await workers_of(engine, 0)
    with sharing_a_month(engine, [run], await limited_month(engine, 10.0, 9.0)) as (worker,):
        await worker.exchange()

    async def forget(minutes: int) -> int:
        async with engine.database.write() as tx:
            past = text("UPDATE month_guards SET told_at = now() - make_interval(mins => :minutes)")
            await tx.execute(past, {"minutes": minutes})
            await forget_month_costs(tx, EngineScope())
            return (await tx.execute(text("SELECT count(*) FROM month_guards"))).scalar_one()

    assert await forget(2) == 1
    await cancel(engine, await read_run(engine, run))
    assert (await forget(0), await forget(2)) == (1, 0)


async def test_what_is_known_begins_anew_with_a_retry_and_goes_with_the_run(engine: Engine) -> None:
    run, (first,) = await workers_of(engine, 1)
    first.fail(9)
    await first.exchange()
    again = Worker(engine, replace(run, times_retried=1), 2)
    again.fail(1)
    await again.exchange()
    assert again.guard.verdict is None

    async def count() -> int:
        async with engine.database.write() as tx:
            await forget_guard_states(tx, EngineScope())
            return (await tx.execute(text("SELECT count(*) FROM run_guards"))).scalar_one()

    assert await count() == 2
    await cancel(engine, await read_run(engine, run))
    assert await count() == 0


async def test_calls_that_are_answered_cost_no_write_after_the_first(engine: Engine) -> None:
    _run, (worker,) = await workers_of(engine, 1)
    versions: set[str] = set()
    for _ in range(3):
        worker.guard.note_answer(None, 1)
        await worker.exchange()
        async with engine.database.write() as tx:
            versions.add((await tx.execute(text("SELECT CAST(xmin AS text) FROM run_guards"))).scalar_one())
    assert len(versions) == 1
