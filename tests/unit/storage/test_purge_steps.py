"""Facts about purging: in steps that can be repeated, leaving ids behind as cursors."""

import pytest
from sqlalchemy import func, select

from evalhaven.domain.paging import PageRequest
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.scopes import EngineScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.storage.access.limits import add_month_cost, measure_month_cost
from evalhaven.storage.chunks import insert_chunks, list_pending_chunks, mark_chunks_done
from evalhaven.storage.database import Database
from evalhaven.storage.eval_writes import delete_eval
from evalhaven.storage.evals import list_evals
from evalhaven.storage.files import delete_file, list_files
from evalhaven.storage.output_item_writes import insert_output_items
from evalhaven.storage.output_items import list_stored_positions
from evalhaven.storage.purge import (
    DeletedFile,
    find_deleted_file,
    find_deleted_run,
    finish_file_purge,
    finish_run_purge,
    list_owned_blobs,
    purge_evals,
    purge_output_items,
)
from evalhaven.storage.run_writes import delete_run, save_status
from evalhaven.storage.runs import list_runs
from evalhaven.storage.tables import chunks, evals, output_items, run_events, runs
from tests.unit.storage.stored import make_item, make_run, store_active_run, store_eval, store_file, store_run

ENGINE = EngineScope()


async def store_deleted_run(database: Database, items: int) -> Run:
    """Store a deleted run with items and a chunk."""
    run = await store_active_run(database)
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, run.key, [make_item(position) for position in range(items)])
        await insert_chunks(tx, SCOPE, run.key, [Chunk(0, 0, items, 0, 10)])
        await save_status(tx, SCOPE, run.to(RunStatus.CANCELED, 150), 150)
        await delete_run(tx, SCOPE, run.key, 200)
    return run


async def test_items_are_purged_from_the_lowest_position_until_none_is_left(database: Database) -> None:
    run = await store_deleted_run(database, 10)
    left: list[int] = []
    last: tuple[int, int] | None = None
    while not left or last is not None:
        async with database.write() as tx:
            last = await purge_output_items(tx, SCOPE, run.key, 4, last)
            left.append(len(await list_stored_positions(tx, SCOPE, run.key, 0, 10)))

    assert left == [6, 2, 0, 0]


async def test_a_purge_goes_on_behind_the_last_item(database: Database) -> None:
    run = await store_deleted_run(database, 10)
    async with database.write() as tx:
        assert await purge_output_items(tx, SCOPE, run.key, 3, (4, 0)) == (7, 0)
        assert await list_stored_positions(tx, SCOPE, run.key, 0, 10) == {(n, 0) for n in (0, 1, 2, 3, 4, 8, 9)}


async def test_a_purge_that_was_cut_short_goes_on(database: Database) -> None:
    run = await store_deleted_run(database, 6)
    async with database.write() as tx:
        await purge_output_items(tx, SCOPE, run.key, 2)
        found = await find_deleted_run(tx, ENGINE)
        assert found is not None
        assert (found.key, found.id, found.scope) == (run.key, run.id, SCOPE)
        await purge_output_items(tx, SCOPE, run.key, 100)
        assert await find_deleted_run(tx, ENGINE) == found
        for _ in range(2):
            await finish_run_purge(tx, SCOPE, run.key, 300)
            assert await find_deleted_run(tx, ENGINE) is None


async def test_what_a_purged_run_cost_stays_in_its_month(database: Database) -> None:
    run = await store_deleted_run(database, 1)
    async with database.write() as tx:
        for cost in (1.0, 0.25):
            await add_month_cost(tx, SCOPE, run.created_at, cost)
        await finish_run_purge(tx, SCOPE, run.key, 300)
        assert await measure_month_cost(tx, SCOPE, run.created_at) == 1.25
        assert await measure_month_cost(tx, SCOPE, run.created_at + 31 * 86_400) == 0


async def test_a_purged_run_leaves_only_its_id_and_times(database: Database) -> None:
    run = await store_deleted_run(database, 3)
    async with database.write() as tx:
        await purge_output_items(tx, SCOPE, run.key, 100)
        await finish_run_purge(tx, SCOPE, run.key, 300)
        for table in (output_items, chunks, run_events):
            assert (await tx.execute(select(func.count()).select_from(table))).scalar_one() == 0
        row = (await tx.execute(select(runs))).one()
        assert (await list_runs(tx, SCOPE, run.eval_key, PageRequest(9, "asc", run.id), None)).objects == []

    assert (row.public_id, row.created_at, row.purged_at) == (run.id, run.created_at, 300)
    assert (row.name, row.data_source, row._mapping["metadata"], row.warnings) == ("", "{}", {}, [])


async def test_an_eval_is_purged_after_its_runs(database: Database) -> None:
    parent = await store_eval(database)
    run = await store_run(database, make_run(parent))
    async with database.write() as tx:
        await save_status(tx, SCOPE, run.to(RunStatus.CANCELED, 200), 200)
        await delete_eval(tx, SCOPE, parent.key, 200)
        await purge_evals(tx, ENGINE, 300)
        assert (await tx.execute(select(evals.c.purged_at))).scalar_one() is None
        await finish_run_purge(tx, SCOPE, run.key, 300)
        await purge_evals(tx, ENGINE, 400)
        row = (await tx.execute(select(evals))).one()
        assert (await list_evals(tx, SCOPE, PageRequest(9, "asc", parent.id))).objects == []

    assert (row.purged_at, row.name, row.testing_criteria, row.data_source_config) == (400, "", "[]", "{}")


async def test_what_is_not_deleted_is_never_purged(database: Database) -> None:
    parent = await store_eval(database)
    run = await store_run(database, make_run(parent))
    file = await store_file(database)
    async with database.write() as tx:
        await purge_evals(tx, ENGINE, 300)
        assert await find_deleted_run(tx, ENGINE) is None
        assert await find_deleted_file(tx, ENGINE) is None
        assert (await list_evals(tx, SCOPE, PageRequest(9, "asc"))).objects == [parent]
        assert (await list_runs(tx, SCOPE, parent.key, PageRequest(9, "asc"), None)).objects == [run]
        assert (await list_files(tx, SCOPE, PageRequest(9, "asc"), None, 100)).objects == [file]


@pytest.mark.parametrize("status", [RunStatus.QUEUED, RunStatus.IN_PROGRESS])
async def test_a_deleted_file_stays_while_an_unfinished_run_reads_it(database: Database, status: RunStatus) -> None:
    file = await store_file(database)
    run = await store_run(
        database, make_run(await store_eval(database), file_id=file.id, has_inline_rows=False, status=status)
    )
    async with database.write() as tx:
        await delete_file(tx, SCOPE, file.key, 200)
        assert await find_deleted_file(tx, ENGINE) is None
        assert await list_owned_blobs(tx, SCOPE, [file.id]) == {file.id}
        await save_status(tx, SCOPE, run.to(RunStatus.CANCELED, 250), 250)
        assert await find_deleted_file(tx, ENGINE) == DeletedFile(file.key, SCOPE, file.id)
        await finish_file_purge(tx, SCOPE, file.key, 300)
        assert await find_deleted_file(tx, ENGINE) is None
        assert await list_owned_blobs(tx, SCOPE, [file.id]) == set()


async def test_blobs_are_owned_by_files_and_runs_that_are_not_purged(database: Database) -> None:
    file = await store_file(database)
    run = await store_deleted_run(database, 1)
    async with database.write() as tx:
        assert await list_owned_blobs(tx, SCOPE, [file.id, run.id, "stray"]) == {file.id, run.id}
        await finish_run_purge(tx, SCOPE, run.key, 300)
        assert await list_owned_blobs(tx, SCOPE, [file.id, run.id, "stray"]) == {file.id}
        assert await list_owned_blobs(tx, SCOPE, []) == set()


async def test_chunks_are_handed_out_in_order_until_they_are_done(database: Database) -> None:
    run = await store_active_run(database)
    planned = [Chunk(number, 10 * number, 10, 100 * number, 100 * number + 100) for number in range(4)]
    async with database.write() as tx:
        await insert_chunks(tx, SCOPE, run.key, planned)
        await mark_chunks_done(tx, SCOPE, run.key, [1])
        assert await list_pending_chunks(tx, SCOPE, run.key, above=-1, limit=2) == [planned[0], planned[2]]
        assert await list_pending_chunks(tx, SCOPE, run.key, above=2, limit=2) == [planned[3]]
        for number in (0, 2, 3):
            assert await list_pending_chunks(tx, SCOPE, run.key, above=-1, limit=1)
            await mark_chunks_done(tx, SCOPE, run.key, [number])
        assert not await list_pending_chunks(tx, SCOPE, run.key, above=-1, limit=1)
