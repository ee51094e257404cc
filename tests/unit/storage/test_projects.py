"""Facts about projects: a second one sees, lists and changes nothing of the first."""

from dataclasses import replace

import pytest

from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.runs import Chunk
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import DEFAULT_PROJECT as FIRST
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import Tally
from evalhaven.storage import chunks, evals, files, output_items, purge, runs
from evalhaven.storage.database import Database
from evalhaven.storage.idempotency import claim_key
from tests.unit.storage.stored import (
    OTHER_PROJECT as OTHER,
)
from tests.unit.storage.stored import (
    add_project,
    make_eval,
    make_file,
    make_item,
    make_run,
    store_active_run,
    store_eval,
    store_file,
    store_run,
)

PAGE = PageRequest(10, "asc")


async def test_evals_of_another_project_are_not_found(database: Database) -> None:
    mine = await store_eval(database)
    async with database.read() as tx:
        with pytest.raises(NotFoundError):
            await evals.get_eval(tx, OTHER, mine.id)
        assert (await evals.list_evals(tx, OTHER, PAGE)).objects == []
        assert (await evals.list_evals(tx, OTHER, PAGE, by_update=True)).objects == []
        for by_update in (False, True):
            with pytest.raises(InvalidRequestError, match="no eval of this list"):
                await evals.list_evals(tx, OTHER, replace(PAGE, after=mine.id), by_update=by_update)


async def test_evals_of_another_project_are_not_changed(database: Database) -> None:
    mine = await store_eval(database)
    async with database.write() as tx:
        await evals.update_eval(tx, OTHER, replace(mine, name="theirs"))
        await evals.delete_eval(tx, OTHER, mine.key, 200)
        assert await evals.get_eval(tx, FIRST, mine.id) == mine


async def test_runs_of_another_project_are_not_found(database: Database) -> None:
    parent = await store_eval(database)
    mine = await store_run(database, make_run(parent))
    async with database.read() as tx:
        with pytest.raises(NotFoundError):
            await runs.get_run(tx, OTHER, parent.id, mine.id)
        assert (await runs.list_runs(tx, OTHER, parent.key, PAGE, None)).objects == []
        with pytest.raises(InvalidRequestError, match="no run of this list"):
            await runs.list_runs(tx, OTHER, parent.key, replace(PAGE, after=mine.id), None)
    async with database.write() as tx:
        assert await runs.lock_active_runs(tx, OTHER, parent.key) == []


async def test_runs_of_another_project_are_not_changed(database: Database) -> None:
    parent = await store_eval(database)
    mine = await store_run(database, make_run(parent))
    async with database.write() as tx:
        canceled = mine.to(RunStatus.CANCELED, 200, ItemError("c", "m"))
        await runs.save_status(tx, OTHER, canceled, 200)
        await runs.save_plan(tx, OTHER, mine.key, 5)
        await runs.save_tally(tx, OTHER, mine.key, Tally(passed=1))
        await runs.delete_run(tx, OTHER, mine.key, 200)
        await evals.delete_eval(tx, OTHER, parent.key, 200)
        await purge.finish_run_purge(tx, OTHER, mine.key, 200)
        assert await runs.get_run(tx, FIRST, parent.id, mine.id) == mine


async def test_files_of_another_project_are_neither_found_nor_changed(database: Database) -> None:
    mine = await store_file(database)
    async with database.write() as tx:
        with pytest.raises(NotFoundError):
            await files.get_file(tx, OTHER, mine.id, 100)
        assert (await files.list_files(tx, OTHER, PAGE, None, 100)).objects == []
        with pytest.raises(InvalidRequestError, match="no file of this list"):
            await files.list_files(tx, OTHER, replace(PAGE, after=mine.id), None, 100)
        await files.delete_file(tx, OTHER, mine.key, 200)
        assert await files.get_file(tx, FIRST, mine.id, 100) == mine


async def test_output_items_of_another_project_are_neither_found_nor_changed(database: Database) -> None:
    run = await store_active_run(database)
    item = make_item(0)
    async with database.write() as tx:
        await output_items.insert_output_items(tx, FIRST, run.key, [item])
        with pytest.raises(NotFoundError):
            await output_items.get_output_item(tx, OTHER, run.key, item.id)
        assert (await output_items.list_output_items(tx, OTHER, run.key, PAGE, None)).objects == []
        with pytest.raises(InvalidRequestError, match="no output item of this list"):
            await output_items.list_output_items(tx, OTHER, run.key, replace(PAGE, after=item.id), None)
        assert await output_items.list_stored_positions(tx, OTHER, run.key, 0, 10) == set()
        assert not await purge.purge_output_items(tx, OTHER, run.key, 10)
        assert await output_items.get_output_item(tx, FIRST, run.key, item.id) == item


async def test_chunks_of_another_project_are_neither_found_nor_changed(database: Database) -> None:
    run = await store_active_run(database)
    chunk = Chunk(0, 0, 1, 0, 10)
    async with database.write() as tx:
        await chunks.insert_chunks(tx, FIRST, run.key, [chunk])
        assert await chunks.list_pending_chunks(tx, OTHER, run.key, above=-1, limit=9) == []
        assert not await chunks.list_pending_chunks(tx, OTHER, run.key, above=-1, limit=1)
        await chunks.mark_chunks_done(tx, OTHER, run.key, [0])
        await chunks.delete_chunks(tx, OTHER, run.key)
        assert await chunks.list_pending_chunks(tx, FIRST, run.key, above=-1, limit=9) == [chunk]


async def test_two_projects_list_their_own_objects(database: Database) -> None:
    await add_project(database)
    mine = await store_eval(database, make_eval(1))
    theirs = await store_eval(database, make_eval(2), OTHER)
    their_run = await store_run(database, make_run(theirs, 2, OTHER))
    their_file = await store_file(database, make_file(2), OTHER)
    async with database.read() as tx:
        assert (await evals.list_evals(tx, FIRST, PAGE)).objects == [mine]
        assert (await evals.list_evals(tx, OTHER, PAGE)).objects == [theirs]
        assert (await runs.list_runs(tx, OTHER, theirs.key, PAGE, None)).objects == [their_run]
        assert (await files.list_files(tx, OTHER, PAGE, None, 100)).objects == [their_file]
        assert (await files.list_files(tx, FIRST, PAGE, None, 100)).objects == []


async def test_deleting_an_eval_hides_no_run_of_another_project(database: Database) -> None:
    await add_project(database)
    mine = await store_eval(database, make_eval(1))
    theirs = await store_eval(database, make_eval(2), OTHER)
    run = await store_run(database, make_run(theirs, 2, OTHER))
    async with database.write() as tx:
        await evals.delete_eval(tx, FIRST, mine.key, 200)
        assert await runs.get_run(tx, OTHER, theirs.id, run.id) == run


async def test_two_projects_may_use_the_same_idempotency_key(database: Database) -> None:
    await add_project(database)
    async with database.write() as tx:
        assert await claim_key(tx, FIRST, "key", b"one", "eval_1", 100) is None
        assert await claim_key(tx, OTHER, "key", b"other", "eval_2", 100) is None
        assert await claim_key(tx, FIRST, "key", b"one", "eval_3", 100) == "eval_1"
        assert await claim_key(tx, OTHER, "key", b"other", "eval_4", 100) == "eval_2"
        with pytest.raises(InvalidRequestError, match="used for another request"):
            await claim_key(tx, FIRST, "key", b"other", "eval_5", 100)
