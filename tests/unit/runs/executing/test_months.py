"""Facts about what the runs of a project may cost in a month: it bounds them together, whichever is executed first."""

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import anyio
import pytest
from sqlalchemy.exc import OperationalError

from evalhaven.access.limits import Limits, MonthCost, month_of
from evalhaven.domain.evals import Eval
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.runs.executing.grader_calls import GraderCalls
from evalhaven.runs.months import MonthBudget, Months
from evalhaven.runs.patience import Patience
from evalhaven.sampling.catalog import Price
from evalhaven.sampling.transport.client import HttpReply
from evalhaven.storage.access.limits import add_month_cost, measure_month_cost, save_limits
from evalhaven.storage.grader_calls import (
    GraderAnswer,
    find_grader_answer,
    insert_grader_call,
    save_grader_answer,
)
from evalhaven.storage.reading import WriteTransaction
from tests.unit.runs.answering import AT_ONCE, Answering, calling, completion
from tests.unit.runs.executed import inline_run, lines, read_run, row_of, stored_eval

DOLLAR = 1_000_000.0 / 10  # per million tokens, of which a call has ten: a call costs a dollar
ITEMS = 200
NOVEMBER = MonthCost(202611, 10.0, 4.0)


class Model(Answering):
    """Answers every call after a moment, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        self.calls += 1
        await anyio.sleep(0.002)
        return completion("m-1", "1")


class OneRun:
    """A run as its month sees it."""

    def __init__(self, untold: float = 0.0) -> None:
        self.month: MonthBudget | None = None
        self.verdict: ItemError | None = None
        self.untold_cost = untold

    def untold(self, limit: str) -> float:
        assert limit == "cost"
        return self.untold_cost

    def end_spent(self, verdict: ItemError) -> None:
        self.verdict = verdict


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
async def priced(engine: Engine, model: Model) -> AsyncGenerator[Engine]:
    """Return an engine with an endpoint whose every call costs a dollar."""
    async with calling(engine, model, prices=(Price("*", DOLLAR, None, DOLLAR),)) as calls:
        yield calls


async def limit_month(engine: Engine, dollars: float) -> None:
    async with engine.database.write() as tx:
        await save_limits(tx, SCOPE, Limits(month_cost=dollars))


async def spent_in_month(engine: Engine) -> float:
    async with engine.database.read() as tx:
        return await measure_month_cost(tx, SCOPE, engine.clock.now())


async def sampled_run(engine: Engine, number: int, parent: Eval) -> Run:
    source: Any = {
        "type": "completions",
        "model": "m",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.n }}"}]},
        "source": {"type": "file_content", "content": []},
    }
    content = lines([row_of(each) for each in range(ITEMS)])
    return await inline_run(engine, content, number, parent, data_source=source, model="m")


async def conduct(engine: Engine, *begun: Run) -> list[Run]:
    async with anyio.create_task_group() as tasks:
        for run in begun:
            tasks.start_soon(RunConductor(engine, run.scope, run.key).conduct_run)
    return [await read_run(engine, run) for run in begun]


async def test_runs_begun_together_end_when_they_have_spent_the_month_together(priced: Engine, model: Model) -> None:
    await limit_month(priced, 150.0)
    async with priced.database.write() as tx:
        await add_month_cost(tx, SCOPE, priced.clock.now(), 50.0)
    parent = await stored_eval(priced)
    ended = await conduct(priced, *[await sampled_run(priced, number, parent) for number in (1, 2, 3)])

    assert [(run.status, run.error and run.error.code) for run in ended] == [
        (RunStatus.FAILED, "month_cost_exceeded")
    ] * 3
    assert ended[0].error is not None
    assert "in January 1970, and may cost $150.00 a month" in ended[0].error.message
    assert 100 <= model.calls <= 100 + 2 * AT_ONCE
    stored = sum(run.tally.spending.priced_cost for run in ended)
    assert await spent_in_month(priced) == pytest.approx(50 + stored)
    assert list(priced.months) == []


async def test_a_month_that_is_spent_ends_what_calls_models_and_nothing_else(priced: Engine, model: Model) -> None:
    await limit_month(priced, 1.0)
    async with priced.database.write() as tx:
        await add_month_cost(tx, SCOPE, priced.clock.now(), 1.0)
    parent = await stored_eval(priced)
    sampled, free = await conduct(
        priced, await sampled_run(priced, 1, parent), await inline_run(priced, lines([row_of(0)]), 2, parent)
    )

    assert (sampled.status, free.status, model.calls) == (RunStatus.FAILED, RunStatus.COMPLETED, 0)


async def test_a_batch_costs_its_month_once_when_the_answer_to_its_commit_is_lost(
    priced: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = priced.database.store
    lost: list[Any] = []

    async def store_and_lose_answers(work: Callable[[WriteTransaction], Coroutine[Any, Any, Any]]) -> Any:
        stored = await store(work)
        if len(lost) < 5:
            lost.append(stored)
            raise OperationalError("COMMIT", None, Exception("server closed the connection unexpectedly"))
        return stored

    monkeypatch.setattr(priced.database, "store", store_and_lose_answers)
    (run,) = await conduct(
        replace(priced, patience=Patience(first_wait_s=0.0)), await sampled_run(priced, 1, await stored_eval(priced))
    )

    assert (run.status, len(lost)) == (RunStatus.COMPLETED, 5)
    assert await spent_in_month(priced) == pytest.approx(ITEMS)


async def test_a_grader_run_alone_costs_its_month_once(priced: Engine) -> None:
    judge: Any = {"type": "score_model", "name": "j", "model": "m", "input": [{"role": "user", "content": "Rate it."}]}
    async with priced.database.write() as tx:
        key = await insert_grader_call(tx, SCOPE, {"grader": judge, "item": {}, "model_sample": "x"}, 1000)
    answer: GraderAnswer | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(GraderCalls(priced).answer_forever)
        with anyio.fail_after(10):
            while answer is None:
                await anyio.sleep(0.01)
                async with priced.database.write() as tx:
                    answer = await find_grader_answer(tx, SCOPE, key)
        tasks.cancel_scope.cancel()
    assert answer is not None
    assert await spent_in_month(priced) == pytest.approx(1.0)
    async with priced.database.write() as tx:
        assert not await save_grader_answer(tx, SCOPE, key, answer), "the answer to its commit may have been lost"


def test_the_runs_of_a_project_share_one_budget_while_any_is_under_way() -> None:
    months, first, second, other = Months(), OneRun(), OneRun(), OneRun()
    with months.entered(SCOPE, None, other):
        assert (list(months), other.month) == ([], None)
    with months.entered(SCOPE, NOVEMBER, first):
        with months.entered(SCOPE, replace(NOVEMBER, spent=3.0), second):
            assert first.month is second.month
            assert first.month is not None
            assert first.month.known.spent == 4.0
            first.month.spend(5.99)
            assert second.verdict is None
            first.month.spend(0.01)
        assert len(list(months)) == 1
    assert list(months) == []
    assert first.verdict == second.verdict
    assert first.verdict is not None
    assert "have cost $10.00 in November 2026" in first.verdict.message
    late = OneRun()
    with months.entered(SCOPE, replace(NOVEMBER, spent=10.0), late):
        assert late.verdict == first.verdict


def test_a_budget_learns_what_all_have_told_and_what_is_allowed_by_now() -> None:
    run = OneRun(untold=1.0)
    budget = MonthBudget(SCOPE, NOVEMBER, lambda: None)
    budget.watch(run)
    budget.learn(replace(NOVEMBER, spent=8.0))
    assert (budget.known.spent, budget.told.spent, budget.known.left) == (9.0, 8.0, 1.0)
    budget.refresh(replace(NOVEMBER, spent=8.5))
    assert budget.known.spent == 9.0, "what is not stored yet is spent all the same"
    budget.refresh(None)
    budget.spend(100.0)
    assert run.verdict is None
    budget.refresh(MonthCost(month_of(1_796_083_200), 10.0, 0.0))
    assert budget.known == MonthCost(202612, 10.0, 0.0)
    budget.refresh(MonthCost(202612, 0.5, 0.5))
    assert run.verdict is not None
