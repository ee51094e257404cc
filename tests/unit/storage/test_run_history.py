"""Facts about what is recorded of a run's life: each event with its change, in order, and never too many."""

import pytest

from evalhaven.domain.run_events import RunEvent
from evalhaven.domain.runs import RetryChoice
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import Tally
from evalhaven.storage.database import Database
from evalhaven.storage.run_history import read_history
from evalhaven.storage.run_writes import delete_run, save_flow, save_plan, save_reopened, save_status, save_tally
from evalhaven.storage.runs import get_run_by_key
from tests.unit.storage.stored import make_run, store_eval, store_run

PAUSE = RunEvent("paused", 110, {"endpoint": "e", "until": 120.0})


async def history_of(database: Database, run_key: int) -> list[RunEvent]:
    async with database.read() as tx:
        return list((await read_history(tx, SCOPE, run_key)).events)


async def test_each_change_of_a_run_is_recorded_with_it(database: Database) -> None:
    run = await store_run(database, make_run(await store_eval(database)))
    async with database.write() as tx:
        started = run.to(RunStatus.IN_PROGRESS, 101)
        await save_status(tx, SCOPE, started, 101)
        await save_plan(tx, SCOPE, run.key, 10, 102)
        await save_flow(tx, SCOPE, run.key, {}, [PAUSE])
        await save_tally(tx, SCOPE, run.key, Tally(passed=3, errored=2))
        await save_status(tx, SCOPE, started.to(RunStatus.FAILED, 103, ItemError("c", "m")), 103)
        failed = await get_run_by_key(tx, SCOPE, run.key)
        await save_reopened(tx, SCOPE, failed.reopened(), 104)
        await save_reopened(tx, SCOPE, failed.reopened(RetryChoice(frozenset({"m"}))), 105)

    assert await history_of(database, run.key) == [
        RunEvent("started", 101),
        RunEvent("planned", 102, {"items": 10}),
        PAUSE,
        RunEvent("failed", 103, {"code": "c", "reason": "m"}),
        RunEvent("retried", 104, {"items": 7}),
        RunEvent("retried", 105),
    ]


async def test_a_change_that_is_rolled_back_leaves_no_event(database: Database) -> None:
    run = await store_run(database, make_run(await store_eval(database)))

    async def change_and_fail() -> None:
        async with database.write() as tx:
            await save_status(tx, SCOPE, run.to(RunStatus.CANCELED, 101), 101)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_and_fail()

    assert await history_of(database, run.key) == []


async def test_an_endpoint_that_comes_and_goes_fills_no_table_and_the_end_is_recorded_all_the_same(
    database: Database,
) -> None:
    run = await store_run(database, make_run(await store_eval(database), status=RunStatus.IN_PROGRESS))
    async with database.write() as tx:
        for _ in range(6):
            await save_flow(tx, SCOPE, run.key, {}, [PAUSE] * 100)
        await save_status(tx, SCOPE, run.to(RunStatus.COMPLETED, 200), 200)

    history = await history_of(database, run.key)
    assert [event.type for event in history].count("paused") == 500
    assert history[-1] == RunEvent("completed", 200)


async def test_nothing_is_recorded_of_the_calls_of_a_deleted_run(database: Database) -> None:
    run = await store_run(database, make_run(await store_eval(database), status=RunStatus.IN_PROGRESS))
    async with database.write() as tx:
        await delete_run(tx, SCOPE, run.key, 105)
        await save_flow(tx, SCOPE, run.key, {}, [PAUSE])

    assert PAUSE not in await history_of(database, run.key)
