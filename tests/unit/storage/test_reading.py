"""Facts about reads that are over in one go: the same answers as any transaction's, one view, no waiting for others."""

import threading
from collections.abc import Sequence
from typing import Any, cast

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
import psycopg
import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.evals import DataSourceConfig, Eval
from evalhaven.domain.imports import ImportedDocument
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError, Sample, Usage, sample_of_row
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.statuses import ItemStatus, RunStatus
from evalhaven.storage.database import Database
from evalhaven.storage.eval_writes import delete_eval, insert_eval
from evalhaven.storage.evals import get_eval, list_evals
from evalhaven.storage.output_item_writes import insert_output_items
from evalhaven.storage.output_items import get_output_item, list_output_items
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run, get_run_and_eval, list_runs
from evalhaven.storage.tables import evals
from tests.unit.storage.stored import (
    FAILED,
    OTHER_PROJECT,
    PASSED,
    make_eval,
    make_item,
    make_run,
    store_eval,
    store_run,
)

PAGE = PageRequest(2, "desc")
ODD: dict[str, Any] = {"\0\ud800": [1.0, 12345678901234567890123, {"": None}], "é": "\u2028"}
RECORDED = '{"choices": [{"message": {"content": "\\ud800"}}]}'


async def store_odd_objects(database: Database) -> tuple[Eval, Run]:
    """Store evals, runs and items of which each has what few others have; return an eval and its last run."""
    imported = ImportedDocument("https://elsewhere.example", {"id": "x", "evalhaven": {"imported": 1}, **ODD})
    criteria = [{"type": "string_check", "name": "\ud800", "id": "c-1", **ODD}]
    await store_eval(database, make_eval(2, imported=imported))
    await store_eval(database, make_eval(3, name="\0", data_source_config=DataSourceConfig({"type": "logs", **ODD})))
    parent = await store_eval(database, make_eval(1, criteria, metadata={"\ud800": "\0"}))
    await store_run(database, make_run(parent, 1, imported=imported, name="\ud800"))
    await store_run(database, make_run(parent, 2, own_criteria=Criteria(criteria), has_inline_rows=False))
    error = ItemError("a\0", "b\ud800", "sampling", retryable=True)
    run = await store_run(database, make_run(parent, 3, status=RunStatus.FAILED, error=error, data_source=ODD))
    recorded = sample_of_row({"choices": [{"message": {"content": "\ud800"}}]}, RECORDED)
    answered = Sample(output=[{"content": "\ud800"}], input=[{"content": "?"}], usage=Usage(1, 2, 3), latency_ms=7)
    stored = [
        make_item(0, [PASSED, FAILED]),
        make_item(1, [], Sample(error=error)),
        make_item(2, [FAILED], answered),
        make_item(3, [PASSED], recorded),
        make_item(4, [PASSED], imported_text='{"id": "x"}', imported_status=ItemStatus.ERROR),
    ]
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, run.key, stored)
    return parent, run


async def everything(tx: ReadTransaction, parent: Eval, run: Run, items: Sequence[OutputItem]) -> list[Any]:
    """Return what is read by all functions that answer requests for objects and pages."""
    first = [
        await list_evals(tx, SCOPE, PAGE),
        await list_evals(tx, SCOPE, PAGE, by_update=True),
        await list_runs(tx, SCOPE, parent.key, PAGE, None),
        await list_runs(tx, SCOPE, parent.key, PageRequest(9, "asc"), RunStatus.FAILED),
        await list_output_items(tx, SCOPE, run.key, PAGE, None),
        await list_output_items(tx, SCOPE, run.key, PageRequest(9, "asc"), ItemStatus.FAIL),
    ]
    later = [
        await list_evals(tx, SCOPE, PageRequest(9, "asc", parent.id)),
        await list_runs(tx, SCOPE, parent.key, PageRequest(9, "desc", run.id), None),
        await list_output_items(tx, SCOPE, run.key, PageRequest(2, "asc", items[0].id), None),
    ]
    objects = [await get_eval(tx, SCOPE, parent.id), await get_run(tx, SCOPE, parent.id, run.id)]
    return [*first, *later, *objects, *[await get_output_item(tx, SCOPE, run.key, each.id) for each in items]]


async def test_a_read_in_one_go_reads_what_any_transaction_reads(database: Database) -> None:
    parent, run = await store_odd_objects(database)
    async with database.read() as tx:
        items = (await list_output_items(tx, SCOPE, run.key, PageRequest(9, "asc"), None)).objects
        expected = await everything(tx, parent, run, items)

    assert len(items) == 5
    assert await database.fetch(lambda tx: everything(tx, parent, run, items)) == expected


async def test_a_run_and_its_eval_are_those_that_are_found_one_by_one(database: Database) -> None:
    parent, _ = await store_odd_objects(database)
    async with database.read() as tx:
        for run in (await list_runs(tx, SCOPE, parent.key, PageRequest(9, "asc"), None)).objects:
            found = await database.fetch(lambda tx, run_id=run.id: get_run_and_eval(tx, SCOPE, parent.id, run_id))

            assert found == (await get_run(tx, SCOPE, parent.id, run.id), await get_eval(tx, SCOPE, parent.id))


async def test_what_is_missing_of_a_run_and_its_eval_is_named(database: Database) -> None:
    parent, other = await store_eval(database), await store_eval(database, make_eval(2))
    run = await store_run(database, make_run(parent))

    async def missing(eval_id: str, run_id: str, scope: Any = SCOPE) -> str | None:
        with pytest.raises(NotFoundError) as error:
            await database.fetch(lambda tx: get_run_and_eval(tx, scope, eval_id, run_id))
        return error.value.param

    assert await missing(other.id, run.id) == "run_id"
    assert await missing(parent.id, "evalrun_1") == "run_id"
    assert await missing(parent.id, "no id\0") == "run_id"
    assert await missing("eval_1", run.id) == "eval_id"
    assert await missing("no id\0", run.id) == "eval_id"
    assert await missing(parent.id, run.id, OTHER_PROJECT) == "eval_id"
    async with database.write() as tx:
        await delete_eval(tx, SCOPE, parent.key, 100)
    assert await missing(parent.id, run.id) == "eval_id"


async def test_a_read_in_one_go_keeps_its_view(database: Database) -> None:
    async def look_twice(tx: ReadTransaction) -> tuple[int, int]:
        before = len((await list_evals(tx, SCOPE, PAGE)).objects)
        anyio.from_thread.run(store_eval, database)
        return before, len((await list_evals(tx, SCOPE, PAGE)).objects)

    assert await database.fetch(look_twice) == (0, 0)
    assert len((await database.fetch(lambda tx: list_evals(tx, SCOPE, PAGE))).objects) == 1


async def test_a_read_in_one_go_sees_what_was_committed_before_and_waits_for_no_writer(database: Database) -> None:
    for number in range(1, 6):
        await store_eval(database, make_eval(number))
        assert len((await database.fetch(lambda tx: list_evals(tx, SCOPE, PageRequest(9, "asc")))).objects) == number
    async with database.write() as tx:
        await insert_eval(tx, SCOPE, make_eval(9))
        assert len((await database.fetch(lambda tx: list_evals(tx, SCOPE, PageRequest(9, "asc")))).objects) == 5


async def test_a_read_in_one_go_cannot_write(database: Database) -> None:
    stored = await store_eval(database)

    async def write(tx: ReadTransaction) -> None:
        await tx.execute(update(evals).values(name="changed"))

    with pytest.raises(DBAPIError, match=r"readonly|read-only"):
        await database.fetch(write)
    assert await database.fetch(lambda tx: get_eval(tx, SCOPE, stored.id)) == stored


async def test_a_read_that_waits_for_something_else_is_a_mistake_and_gives_its_connection_back(
    database: Database,
) -> None:
    stored = await store_eval(database)

    async def wait(_tx: ReadTransaction) -> None:
        await anyio.lowlevel.checkpoint()

    for _ in range(20):  # more than there are connections
        with pytest.raises(RuntimeError):
            await database.fetch(wait)
        with pytest.raises(NotFoundError):
            await database.fetch(lambda tx: get_eval(tx, SCOPE, "eval_1"))
    assert await database.fetch(lambda tx: get_eval(tx, SCOPE, stored.id)) == stored


async def test_more_reads_than_there_are_connections_all_come_to_an_end(database: Database) -> None:
    stored = await store_eval(database)
    found: list[Eval] = []

    async def read() -> None:
        found.append(await database.fetch(lambda tx: get_eval(tx, SCOPE, stored.id)))

    async with anyio.create_task_group() as tasks:
        for _ in range(60):
            tasks.start_soon(read)

    assert found == [stored] * 60


async def test_who_is_canceled_does_not_wait_for_a_database_that_hangs(database: Database) -> None:
    may_end, has_ended = threading.Event(), threading.Event()

    async def hang(_tx: ReadTransaction) -> None:
        may_end.wait(60)
        has_ended.set()

    with anyio.move_on_after(0.05) as waiting:
        await database.fetch(hang)

    assert waiting.cancelled_caught
    assert not has_ended.is_set()
    may_end.set()
    await anyio.to_thread.run_sync(has_ended.wait)


async def test_a_connection_that_comes_back_after_the_database_was_closed_is_closed_too(
    postgresql_database: Database,
) -> None:
    may_end, used = threading.Event(), list[psycopg.Connection]()

    async def hang(tx: ReadTransaction) -> None:
        result = await tx.execute(text("SELECT 1"))
        used.append(cast("psycopg.Connection", result.connection.connection.driver_connection))
        anyio.from_thread.run_sync(tasks.cancel_scope.cancel)
        may_end.wait(60)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(postgresql_database.fetch, hang)
    await postgresql_database.close()

    assert not used[0].closed
    may_end.set()
    with anyio.fail_after(5):
        while not used[0].closed:  # noqa: ASYNC110 - the thread that closes it tells nobody
            await anyio.sleep(0.01)
