"""Facts about projects: a second one sees, lists and changes nothing of the first."""

from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import select

from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.imports import ImportedDocument
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.runs import Chunk
from evalhaven.domain.samples import ItemError, Sample
from evalhaven.domain.scopes import DEFAULT_PROJECT as FIRST
from evalhaven.domain.scopes import EngineScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import Tally
from evalhaven.storage import (
    chunks,
    eval_writes,
    evals,
    files,
    imports,
    output_item_writes,
    output_items,
    purge,
    run_writes,
    runs,
    sample_cache,
    tables,
)
from evalhaven.storage.database import Database
from evalhaven.storage.idempotency import claim_key
from evalhaven.storage.run_history import read_history
from evalhaven.storage.samples import sample_text
from evalhaven.storage.tables import run_events
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
IMPORTED = ImportedDocument("https://example.com", {})


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
        await eval_writes.update_eval(tx, OTHER, replace(mine, name="theirs"))
        await eval_writes.delete_eval(tx, OTHER, mine.key, 200)
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
        await run_writes.save_status(tx, OTHER, canceled, 200)
        await run_writes.save_plan(tx, OTHER, mine.key, 5, 200)
        await run_writes.save_tally(tx, OTHER, mine.key, Tally(passed=1))
        await run_writes.delete_run(tx, OTHER, mine.key, 200)
        await eval_writes.delete_eval(tx, OTHER, parent.key, 200)
        await purge.finish_run_purge(tx, OTHER, mine.key, 200)
        assert await runs.get_run(tx, FIRST, parent.id, mine.id) == mine
    async with database.read() as tx:
        assert [event.type for event in (await read_history(tx, FIRST, mine.key)).events] == []
        assert (await tx.execute(select(run_events))).all() == []


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
        await output_item_writes.insert_output_items(tx, FIRST, run.key, [item])
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
        await eval_writes.delete_eval(tx, FIRST, mine.key, 200)
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


async def test_two_projects_hold_the_same_ids_and_each_asks_for_its_own(database: Database) -> None:
    await add_project(database)
    mine = await store_eval(database, make_eval(name="mine"))
    theirs = await store_eval(database, make_eval(name="theirs"), OTHER)
    my_run = await store_active_run(database, mine, name="mine")
    their_run = await store_run(database, make_run(theirs, 1, OTHER, name="theirs", imported=IMPORTED))
    my_file = await store_file(database, make_file(filename="mine"))
    their_file = await store_file(database, make_file(filename="theirs"), OTHER)
    my_item, their_item = make_item(0, created_at=100), make_item(0, created_at=200)
    async with database.write() as tx:
        for scope, run, item in ((FIRST, my_run, my_item), (OTHER, their_run, their_item)):
            await output_item_writes.insert_output_items(tx, scope, run.key, [item])
    assert (mine.id, my_run.id, my_file.id) == (theirs.id, their_run.id, their_file.id)
    for scope, parent, run, file, item in (
        (FIRST, mine, my_run, my_file, my_item),
        (OTHER, theirs, their_run, their_file, their_item),
    ):
        async with database.read() as tx:
            assert await evals.get_eval(tx, scope, mine.id) == parent
            assert (await evals.list_evals(tx, scope, PAGE)).objects == [parent]
            assert (await evals.list_evals(tx, scope, replace(PAGE, after=mine.id))).objects == []
            assert await runs.get_run(tx, scope, mine.id, my_run.id) == run
            assert await runs.get_run_by_id(tx, scope, my_run.id) == run
            assert (await runs.list_runs(tx, scope, parent.key, PAGE, None)).objects == [run]
            assert (await runs.list_runs(tx, scope, parent.key, replace(PAGE, after=my_run.id), None)).objects == []
            assert await files.get_file(tx, scope, my_file.id, 100) == file
            assert (await files.list_files(tx, scope, replace(PAGE, after=my_file.id), None, 100)).objects == []
            assert await output_items.get_output_item(tx, scope, run.key, my_item.id) == item
    async with database.read() as tx:
        assert await imports.list_imported_counts(tx, FIRST, [my_run.id]) == {}
        assert await imports.list_imported_counts(tx, OTHER, [my_run.id]) == {my_run.id: (0, 0, 0)}


async def test_what_one_project_changes_of_an_id_stays_as_it_was_in_the_other(database: Database) -> None:
    await add_project(database)
    mine, theirs = await store_eval(database), await store_eval(database, scope=OTHER)
    my_run = await store_active_run(database, mine)
    their_run = await store_run(database, make_run(theirs, 1, OTHER))
    my_file, their_file = await store_file(database), await store_file(database, scope=OTHER)
    async with database.write() as tx:
        await files.update_file(tx, FIRST, replace(my_file, filename="other"))
        await files.delete_file(tx, FIRST, my_file.key, 200)
        await run_writes.save_status(tx, FIRST, my_run.to(RunStatus.CANCELED, 200), 200)
        await eval_writes.delete_eval(tx, FIRST, mine.key, 200)
        await purge.finish_file_purge(tx, FIRST, my_file.key, 300)
        await purge.finish_run_purge(tx, FIRST, my_run.key, 300)
        await purge.purge_evals(tx, EngineScope(), 300)
        assert await evals.get_eval(tx, OTHER, theirs.id) == theirs
        assert await runs.get_run(tx, OTHER, theirs.id, their_run.id) == their_run
        assert await files.get_file(tx, OTHER, their_file.id, 200) == their_file
        for scope, table, expected in (
            (FIRST, tables.evals, {mine.id: False}),
            (OTHER, tables.evals, {mine.id: True}),
            (OTHER, tables.runs, {}),
        ):
            assert await imports.list_taken_ids(tx, scope, table, [mine.id]) == expected


async def test_a_deleted_file_is_not_kept_by_a_run_of_another_project_over_a_file_of_its_id(database: Database) -> None:
    await add_project(database)
    mine, theirs = await store_file(database), await store_file(database, scope=OTHER)
    parent = await store_eval(database, scope=OTHER)
    await store_run(database, make_run(parent, 1, OTHER, file_id=theirs.id, has_inline_rows=False))
    async with database.write() as tx:
        await files.delete_file(tx, OTHER, theirs.key, 200)
        assert await purge.find_deleted_file(tx, EngineScope()) is None
        await files.delete_file(tx, FIRST, mine.key, 200)
        assert await purge.find_deleted_file(tx, EngineScope()) == purge.DeletedFile(mine.key, FIRST, mine.id)
        await purge.finish_file_purge(tx, OTHER, mine.key, 300)
        assert await purge.list_owned_blobs(tx, FIRST, [mine.id]) == {mine.id}
        await purge.finish_file_purge(tx, FIRST, mine.key, 300)
        assert await purge.list_owned_blobs(tx, FIRST, [mine.id]) == set()
        assert await purge.list_owned_blobs(tx, OTHER, [mine.id]) == {mine.id}


async def test_answers_are_remembered_for_each_project(database: Database) -> None:
    await add_project(database)
    answer = Sample(output=[{"role": "assistant", "content": "mine"}], finish_reason="stop", model="m")
    async with database.write() as tx:
        await sample_cache.remember_samples(tx, FIRST, {b"h": sample_text(answer)}, 100)
        assert await sample_cache.find_cached(tx, OTHER, b"h") is None
        await sample_cache.remember_samples(
            tx, OTHER, {b"h": sample_text(msgspec.structs.replace(answer, model="n"))}, 100
        )
        mine = await sample_cache.find_cached(tx, FIRST, b"h")
        theirs = await sample_cache.find_cached(tx, OTHER, b"h")

    assert mine is not None
    assert theirs is not None
    assert (mine.model, theirs.model) == ("m", "n")


async def test_each_project_has_its_share_of_the_runs_that_are_executed_at_once(database: Database) -> None:
    parent = await store_eval(database)
    mine = [await store_active_run(database, parent, id=f"evalrun_{n:032}") for n in range(5)]
    await add_project(database)
    elsewhere = await store_eval(database, scope=OTHER)
    theirs = [await store_active_run(database, elsewhere, id=f"evalrun_{n:032}", scope=OTHER) for n in range(2)]
    async with database.read() as tx:
        found = await runs.list_active_runs(tx, EngineScope(), 4)
        assert [run.key for run in found] == [run.key for run in (*mine[:2], *theirs)]
        assert len(await runs.list_active_runs(tx, EngineScope(), 9)) == 7


async def test_rows_of_another_project_are_not_stored(database: Database) -> None:
    run = await store_active_run(database)
    rows = [output_items.item_values(OTHER, run.key, make_item(0))]
    async with database.write() as tx:
        with pytest.raises(ValueError, match="another project"):
            await output_item_writes.insert_item_rows(tx, FIRST, rows)
    async with database.read() as tx:
        assert (await output_items.list_output_items(tx, FIRST, run.key, PAGE, None)).objects == []
