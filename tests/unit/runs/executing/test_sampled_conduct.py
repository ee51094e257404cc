"""Facts about sampled runs that are stopped, interrupted and taken up again: which calls are made, and what stays."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest
from sqlalchemy import Connection, event
from sqlalchemy import Engine as SqlEngine
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.run_options import Budget, RunOptions
from evalhaven.domain.runs import Run
from evalhaven.domain.spending import ModelUsage, Spending
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import NOTHING
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing import handout
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.runs.patience import Patience
from evalhaven.sampling.calls import outage
from evalhaven.sampling.transport.client import HttpReply
from evalhaven.storage.run_history import read_history
from evalhaven.storage.run_writes import save_tally
from tests.unit.runs.answering import AT_ONCE, Answering, Nobody, calling, completion, refusal
from tests.unit.runs.executed import inline_run, lines, read_items, read_run, recount, row_of

SOME = 300


class Model(Answering):
    """Answers every call after a moment, and counts."""

    def __init__(self) -> None:
        self.calls = 0
        self.in_flight = 0
        self.pause_s = 0.002
        self.status = 200
        self.gate = anyio.Event()
        self.gate.set()
        self.is_busy = anyio.Event()
        self.has_answered_some = anyio.Event()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        self.calls += 1
        self.in_flight += 1
        if self.in_flight == AT_ONCE:
            self.is_busy.set()
        if self.calls == SOME:
            self.has_answered_some.set()
        try:
            await anyio.sleep(self.pause_s)
            await self.gate.wait()
        finally:
            self.in_flight -= 1
        if self.status != 200:
            return refusal(self.status, "no_key")
        return completion("m-1", "1")


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
async def sampling(engine: Engine, model: Model) -> AsyncGenerator[Engine]:
    """Return an engine with an endpoint whose answers come from the model."""
    async with calling(engine, model) as calls:
        yield calls


async def sampled_run(engine: Engine, count: int, status: RunStatus = RunStatus.IN_PROGRESS, **options: Any) -> Run:
    """Store a run that asks the model about this many rows."""
    source: Any = {
        "type": "completions",
        "model": "m",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{ item.n }}"}]},
        "source": {"type": "file_content", "content": []},
    }
    content = lines([row_of(number) for number in range(count)])
    more: Any = {"data_source": source, "model": "m", "options": RunOptions(**options)}
    return await inline_run(engine, content, status=status, **more)


async def conduct(engine: Engine, run: Run) -> Run:
    await RunConductor(engine, run.scope, run.key).conduct_run()
    return await read_run(engine, run)


async def test_a_sampled_run_is_completed_with_one_call_an_item(sampling: Engine, model: Model) -> None:
    run = await conduct(sampling, await sampled_run(sampling, 1100, repeats=2))

    assert (run.status, run.tally.total, model.calls) == (RunStatus.COMPLETED, 2200, 2200)
    assert run.tally == await recount(sampling, run)
    assert run.tally.spending.tokens == 22_000
    assert run.flow is not None
    assert run.flow["endpoint"] == "e"


async def test_a_run_that_is_stopped_begins_no_further_call(sampling: Engine, model: Model) -> None:
    run = await sampled_run(sampling, 3000)
    model.gate = anyio.Event()
    running = RunConductor(sampling, run.scope, run.key)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(running.conduct_run)
        with anyio.fail_after(10):
            await model.is_busy.wait()
        running.request_stop()
    await anyio.sleep(0.05)

    # A place that becomes free may be taken before the next chunk learns of the stop, once per chunk.
    assert AT_ONCE <= model.calls <= AT_ONCE + 4
    assert model.in_flight == 0
    assert (await read_run(sampling, run)).tally.total == 0


async def test_a_database_that_is_away_costs_no_call_and_no_answer(
    sampling: Engine, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, store = sampling.database.write, sampling.database.store

    @asynccontextmanager
    async def no_write() -> AsyncGenerator[AsyncConnection]:
        raise OperationalError("UPDATE", None, Exception("disk is full"))
        yield  # it is a generator all the same

    async def store_nothing(_work: object) -> None:
        raise OperationalError("UPDATE", None, Exception("disk is full"))

    async def go_away_for_a_while() -> None:
        await model.has_answered_some.wait()
        monkeypatch.setattr(sampling.database, "write", no_write)
        monkeypatch.setattr(sampling.database, "store", store_nothing)
        await anyio.sleep(0.5)
        monkeypatch.setattr(sampling.database, "write", write)
        monkeypatch.setattr(sampling.database, "store", store)

    monkeypatch.setattr(handout, "_FLOW_S", 0.01)
    hasty = replace(sampling, patience=Patience(first_wait_s=0.01))
    run = await sampled_run(sampling, 1500)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(go_away_for_a_while)
        run = await conduct(hasty, run)

    assert (run.status, run.tally.total, model.calls) == (RunStatus.COMPLETED, 1500, 1500)
    assert run.tally == await recount(sampling, run)


async def test_a_run_of_one_item_takes_four_write_transactions(
    sampling: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy machine, how its calls go would be stored meanwhile.
    monkeypatch.setattr("evalhaven.runs.executing.handout._LOOK_S", 1000.0)
    run = await sampled_run(sampling, 1, status=RunStatus.QUEUED)
    begun: list[Connection] = []

    def on_begin(connection: Connection) -> None:
        if not {"evalhaven_read_only", "postgresql_readonly"} & connection.get_execution_options().keys():
            begun.append(connection)

    event.listen(SqlEngine, "begin", on_begin)
    try:
        run = await conduct(sampling, run)
    finally:
        event.remove(SqlEngine, "begin", on_begin)
    assert run.status is RunStatus.COMPLETED
    # Taken up and planned, noted as being evaluated, stored, completed: each waits for the disk.
    assert len(begun) == 4


async def test_a_budget_ends_a_run_after_the_calls_under_way(sampling: Engine, model: Model) -> None:
    run = await conduct(sampling, await sampled_run(sampling, 3000, budget=Budget(tokens=1000)))

    assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "budget_exceeded")
    # Those under way, and those that took their places at the same moment.
    assert 100 <= model.calls <= 100 + 2 * AT_ONCE
    assert 1000 <= run.tally.spending.tokens <= 1000 + 10 * AT_ONCE


async def test_what_was_spent_before_a_kill_counts_for_the_budget(sampling: Engine, model: Model) -> None:
    run = await sampled_run(sampling, 30, budget=Budget(tokens=200))
    spent = replace(NOTHING, spending=Spending((ModelUsage("m-1", "target", 20, 120, 80, 200),)))
    async with sampling.database.write() as tx:
        await save_tally(tx, run.scope, run.key, spent)
    run = await conduct(sampling, run)

    assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "budget_exceeded")
    assert model.calls == 0


async def test_a_short_run_whose_every_call_is_refused_fails(sampling: Engine, model: Model) -> None:
    model.status = 401
    run = await conduct(sampling, await sampled_run(sampling, 5))

    assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "no_key")
    assert run.tally.errored == 5
    assert [item.error_code for item in await read_items(sampling, run)] == ["no_key"] * 5


async def test_a_run_whose_endpoint_is_not_there_says_so_at_once_and_ends_with_its_reason(engine: Engine) -> None:
    flows: list[Any] = []
    async with calling(engine, Nobody(), strange_for_s=2.5) as lonely:
        run = await sampled_run(lonely, 2000)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(RunConductor(lonely, run.scope, run.key).conduct_run)
            with anyio.fail_after(30):
                while not (run := await read_run(lonely, run)).status.is_final:
                    flows.append(run.flow)
                    await anyio.sleep(0.05)

    told = [flow["unreachable"] for flow in flows if flow and flow["unreachable"]]
    assert told
    assert told[0]["reason"] == "e: no connection to model.example:80: refused"
    assert len({each["since"] for each in told}) == 1
    assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "upstream_unreachable")
    assert run.error is not None
    assert run.error.message == "e: no connection to model.example:80: refused"
    async with engine.database.read() as tx:
        history = (await read_history(tx, run.scope, run.key)).events
    lost = [event for event in history if event.type == "unreachable"]
    assert [event.details for event in lost] == [{"endpoint": "e", "reason": run.error.message}]
    assert history[-1].details == {"code": "upstream_unreachable", "reason": run.error.message}


async def test_one_call_at_a_time_ends_such_a_run_as_soon(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Nobody()
    monkeypatch.setattr(outage, "_FAILURES", 2)
    async with calling(engine, nobody, strange_for_s=2) as lonely:
        run = await conduct(lonely, await sampled_run(lonely, 2000, max_concurrency=1))

    assert (run.status, run.error and run.error.code) == (RunStatus.FAILED, "upstream_unreachable")
    assert run.tally.errored < 10, "it does not wait until ten have failed"


async def test_a_run_that_was_answered_once_outlasts_an_outage_also_when_it_is_taken_up_again(engine: Engine) -> None:
    nobody = Nobody(answered=100)
    async with calling(engine, nobody, strange_for_s=0.5) as first:
        run = await sampled_run(first, 300)
        running = RunConductor(first, run.scope, run.key)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(running.conduct_run)
            await anyio.sleep(3)
            running.request_stop()
    run = await read_run(engine, run)
    assert run.flow is not None
    assert (run.status, run.flow["answered"]) == (RunStatus.IN_PROGRESS, True)

    nobody.answered = 0
    async with calling(engine, nobody, strange_for_s=0.5) as second:
        nobody.until = anyio.current_time() + 4
        run = await conduct(second, run)

    assert (run.status, run.tally.total, run.tally.errored) == (RunStatus.COMPLETED, 300, 0)
