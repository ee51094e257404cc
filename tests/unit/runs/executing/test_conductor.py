"""Facts about the conductor and the executor: every run reaches its final status, from wherever it stands."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.ending.purge import Purger
from evalhaven.runs.engine import Engine
from evalhaven.runs.evaluating.items import ItemEvaluator
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.runs.executing.ending import RunEnding
from evalhaven.runs.executing.executor import Executor
from evalhaven.runs.planning.plan import RunPlanner
from evalhaven.storage.database import Database
from evalhaven.storage.tables import events
from tests.unit.runs.executed import (
    CRITERIA,
    cancel,
    inline_run,
    lines,
    read_chunks,
    read_items,
    read_run,
    recount,
    row_of,
    stored_eval,
)
from tests.unit.storage.stored import make_run, store_run

ROWS = lines([row_of(number) for number in range(1200)])


async def conduct(engine: Engine, run: Any) -> Any:
    """Conduct a run and return it as it is stored then."""
    await RunConductor(engine, run.scope, run.key).conduct_run()
    return await read_run(engine, run)


async def list_events(engine: Engine) -> list[str]:
    """Return the events in the outbox."""
    async with engine.database.read() as tx:
        return list((await tx.execute(select(events.c.type))).scalars())


async def test_a_queued_run_is_completed(engine: Engine) -> None:
    run = await conduct(engine, await inline_run(engine, ROWS, status=RunStatus.QUEUED))

    assert (run.status, run.error, run.items_planned) == (RunStatus.COMPLETED, None, 1200)
    assert (run.started_at, run.ended_at) == (1000, 1000)
    assert [item.position for item in await read_items(engine, run)] == list(range(1200))
    assert run.tally == await recount(engine, run)
    assert await read_chunks(engine, run) == []
    assert await list_events(engine) == ["eval.run.succeeded"]


async def test_a_run_goes_on_where_it_stands(engine: Engine) -> None:
    run = await inline_run(engine, ROWS)
    conductor = RunConductor(engine, run.scope, run.key)
    with anyio.move_on_after(0.05):
        await conductor.conduct_run()
    finished = await conduct(engine, run)

    assert finished.status is RunStatus.COMPLETED
    assert finished.tally == await recount(engine, run)
    assert finished.tally.total == 1200


@pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.CANCELED, RunStatus.FAILED])
async def test_a_finished_run_is_not_touched(engine: Engine, status: RunStatus) -> None:
    before = await inline_run(engine, ROWS, status=status, started_at=5, ended_at=6)
    events_before = await list_events(engine)

    assert await conduct(engine, before) == before
    assert await read_items(engine, before) == []
    assert await list_events(engine) == events_before


@pytest.mark.parametrize(
    ("data_source", "lacking"),
    [
        ({"type": "jsonl", "source": {"type": "telepathy"}}, "cannot read the run's data source"),
        ({"type": "jsonl", "source": {"type": "file_content", "content": []}}, "were not imported"),
    ],
)
async def test_a_run_that_this_release_cannot_execute_fails_and_says_what_is_missing(
    engine: Engine, data_source: dict[str, Any], lacking: str
) -> None:
    parent = await stored_eval(engine)
    new = make_run(parent, data_source=data_source, model=data_source.get("model", ""), has_inline_rows=False)
    run = await conduct(engine, await store_run(engine.database, new))

    assert (run.status, run.error.code) == (RunStatus.FAILED, "unsupported")
    assert lacking in run.error.message
    assert await list_events(engine) == ["eval.run.failed"]


async def test_a_grader_that_this_release_lacks_fails_the_run_before_anything_runs(engine: Engine) -> None:
    parent = await stored_eval(engine, criteria=[*CRITERIA, {"type": "oracle", "name": "Code", "id": "Code-1"}])
    run = await conduct(engine, await inline_run(engine, ROWS, parent=parent))

    assert (run.status, run.error.code, run.items_planned) == (RunStatus.FAILED, "unsupported", None)
    assert "Testing criterion 'Code' is of type 'oracle'" in run.error.message
    assert await read_items(engine, run) == []


async def test_rows_that_cannot_be_used_fail_the_run(engine: Engine) -> None:
    run = await conduct(engine, await inline_run(engine, b""))

    assert run.status is RunStatus.FAILED
    assert run.error == ItemError(
        "invalid_data_source", 'The data source has no rows; a row is a line such as {"item": {…}}.', "data_source"
    )


async def test_an_unexpected_error_fails_the_run_and_is_logged(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await inline_run(engine, ROWS)

    async def raise_error(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ItemEvaluator, "evaluate_item", raise_error)
    with capture_logs() as logs:
        failed = await conduct(engine, run)

    assert (failed.status, failed.error.code) == (RunStatus.FAILED, "internal_error")
    assert "Traceback" not in failed.error.message
    assert "run_failed_unexpectedly" in [entry["event"] for entry in logs]


async def test_a_canceled_run_whose_rows_are_gone_already_is_no_error(engine: Engine) -> None:
    run = await inline_run(engine, ROWS)
    await RunPlanner(engine, run, lambda: False).plan_run(ItemSchema(True))
    engine.blobs.delete(run.scope, run.id)
    with pytest.MonkeyPatch.context() as patch, capture_logs() as logs:
        patch.setattr(RunEnding, "_is_over", canceling(engine, run))
        after = await conduct(engine, run)

    assert after.status is RunStatus.CANCELED
    assert [entry["event"] for entry in logs] == ["run_stopped"]


def canceling(engine: Engine, run: Run) -> Callable[[RunEnding], Awaitable[bool]]:
    """Return the conductor's own check whether the run is over, made just after it was canceled."""
    ask = RunEnding._is_over

    async def cancel_and_ask(ending: RunEnding) -> bool:
        await cancel(engine, run)
        return await ask(ending)

    return cancel_and_ask


async def test_a_database_that_is_away_for_a_while_only_delays_a_run(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await inline_run(engine, ROWS, status=RunStatus.QUEUED)
    write, store, calls = Database.write, Database.store, 0

    def fail_at_times() -> None:
        nonlocal calls
        calls += 1
        if calls in {1, 3, 6, 8, 9, 11}:
            raise OperationalError("INSERT", {}, Exception("database or disk is full"))

    def failing_write(database: Database) -> Any:
        fail_at_times()
        return write(database)

    async def failing_store(database: Database, work: Any) -> Any:
        fail_at_times()
        return await store(database, work)

    async def sleep(_delay: float) -> None:
        return

    monkeypatch.setattr(Database, "write", failing_write)
    monkeypatch.setattr(Database, "store", failing_store)
    monkeypatch.setattr("evalhaven.runs.patience.anyio.sleep", sleep)
    finished = await conduct(engine, run)

    assert calls > 11
    assert finished.status is RunStatus.COMPLETED
    assert finished.tally == await recount(engine, run)
    assert finished.tally.total == 1200


async def test_a_run_that_is_asked_to_stop_stops(engine: Engine) -> None:
    run = await inline_run(engine, ROWS)
    conductor = RunConductor(engine, run.scope, run.key)
    conductor.request_stop()
    await conductor.conduct_run()

    assert (await read_run(engine, run)).status is RunStatus.IN_PROGRESS
    assert await read_items(engine, run) == []


async def wait_until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds."""
    with anyio.fail_after(20):
        while not await holds():  # noqa: ASYNC110 - what is waited for stands in the database
            await anyio.sleep(0.005)


async def test_the_executor_picks_up_runs_as_they_appear_and_stops_when_canceled(engine: Engine) -> None:
    executor = Executor(engine, Purger(engine.database, engine.blobs, engine.clock, engine.patience))
    parent = await stored_eval(engine)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(executor.execute_forever)
        for number in (1, 2):
            run = await inline_run(engine, ROWS, number, parent, status=RunStatus.QUEUED)
            executor.wake()

            async def is_final(run: Run = run) -> bool:
                return (await read_run(engine, run)).status.is_final

            await wait_until(is_final)
            assert (await read_run(engine, run)).status is RunStatus.COMPLETED
        tasks.cancel_scope.cancel()


async def test_the_executor_drops_a_run_that_was_canceled(engine: Engine) -> None:
    executor = Executor(engine, Purger(engine.database, engine.blobs, engine.clock, engine.patience))
    run = await inline_run(engine, lines([row_of(number) for number in range(60_000)]), status=RunStatus.QUEUED)
    at_cancel: list[Run] = []

    async def has_items() -> bool:
        return (await read_run(engine, run)).tally.total > 0

    async def is_idle() -> bool:
        return not executor._conducted

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(executor.execute_forever)
        await wait_until(has_items)
        await cancel(engine, run)
        at_cancel.append(await read_run(engine, run))
        executor.wake()
        await wait_until(is_idle)
        tasks.cancel_scope.cancel()

    assert at_cancel[0].tally.total < 60_000
    assert [await read_run(engine, run)] == at_cancel
