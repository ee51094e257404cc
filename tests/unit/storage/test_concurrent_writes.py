"""Facts about concurrent writers: the second decides by what the first has written."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import anyio
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.limits import Limits
from evalhaven.domain.errors import LimitExceededError, NotFoundError
from evalhaven.domain.evals import Eval
from evalhaven.domain.files import StoredFile
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.statuses import RunStatus
from evalhaven.storage.access.limits import claim_room, measure_stored, save_limits
from evalhaven.storage.database import Database
from evalhaven.storage.eval_writes import delete_eval, update_eval
from evalhaven.storage.evals import get_eval
from evalhaven.storage.files import delete_file, get_file, insert_file
from evalhaven.storage.run_writes import insert_run, save_status, save_tally
from evalhaven.storage.runs import get_run_by_key, lock_active_runs, lock_tally
from tests.unit.storage.stored import make_file, make_run, store_active_run, store_eval, store_file

Step = Callable[[AsyncConnection], Awaitable[None]]
_HELD_S = 0.1


async def meet(database: Database, first: Step, second: Step) -> None:
    """Run a second writer after the first has done its part and before it commits."""
    has_begun = anyio.Event()

    async def begin() -> None:
        async with database.write() as tx:
            await first(tx)
            has_begun.set()
            await anyio.sleep(_HELD_S)

    async def follow() -> None:
        await has_begun.wait()
        async with database.write() as tx:
            await second(tx)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begin)
        tasks.start_soon(follow)


def renaming(parent: Eval, name: str | None, metadata: dict[str, str] | None) -> Step:
    async def rename(tx: AsyncConnection) -> None:
        found = await get_eval(tx, SCOPE, parent.id, for_update=True)
        await update_eval(tx, SCOPE, found.renamed(name, metadata, 200))

    return rename


def deleting(parent: Eval) -> Step:
    async def delete(tx: AsyncConnection) -> None:
        found = await get_eval(tx, SCOPE, parent.id, for_update=True)
        for run in await lock_active_runs(tx, SCOPE, found.key):
            await save_status(tx, SCOPE, run.to(RunStatus.CANCELED, 200), 200)
        await delete_eval(tx, SCOPE, found.key, 200)

    return delete


def creating_a_run(parent: Eval) -> Step:
    async def create(tx: AsyncConnection) -> None:
        await get_eval(tx, SCOPE, parent.id, for_share=True)
        await insert_run(tx, SCOPE, make_run(parent))

    return create


async def test_two_updates_of_an_eval_both_come_through(database: Database) -> None:
    parent = await store_eval(database)
    await meet(database, renaming(parent, "new name", None), renaming(parent, None, {"new": "metadata"}))

    async with database.read() as tx:
        found = await get_eval(tx, SCOPE, parent.id)
    assert (found.name, found.metadata) == ("new name", {"new": "metadata"})


async def test_a_run_created_just_before_its_eval_is_deleted_is_canceled_with_it(database: Database) -> None:
    parent = await store_eval(database)
    await meet(database, creating_a_run(parent), deleting(parent))

    async with database.read() as tx:
        run = await get_run_by_key(tx, SCOPE, 1)
    assert run.status is RunStatus.CANCELED


async def test_no_run_is_created_in_an_eval_that_was_just_deleted(database: Database) -> None:
    parent = await store_eval(database)
    with pytest.RaisesGroup(NotFoundError):
        await meet(database, deleting(parent), creating_a_run(parent))


async def test_a_run_that_ends_while_its_eval_is_deleted_keeps_its_status(database: Database) -> None:
    parent = await store_eval(database)
    run = await store_active_run(database, parent)

    async def end(tx: AsyncConnection) -> None:
        current = await get_run_by_key(tx, SCOPE, run.key, for_update=True)
        await save_status(tx, SCOPE, current.to(RunStatus.COMPLETED, 200), 200)

    await meet(database, end, deleting(parent))
    async with database.read() as tx:
        assert (await get_run_by_key(tx, SCOPE, run.key)).status is RunStatus.COMPLETED


async def test_a_file_that_was_just_deleted_is_named_by_no_run(database: Database) -> None:
    file = await store_file(database)
    parent = await store_eval(database)

    async def delete(tx: AsyncConnection) -> None:
        found = await get_file(tx, SCOPE, file.id, 200, for_update=True)
        await delete_file(tx, SCOPE, found.key, 200)

    async def create(tx: AsyncConnection) -> None:
        await get_file(tx, SCOPE, file.id, 200, for_share=True)
        await insert_run(tx, SCOPE, replace(make_run(parent), has_inline_rows=False, file_id=file.id))

    with pytest.RaisesGroup(NotFoundError):
        await meet(database, delete, create)


async def test_of_two_files_for_which_there_is_room_for_one_the_first_is_stored(database: Database) -> None:
    first, second = (replace(make_file(), id=f"file-{number}", size_bytes=600) for number in (1, 2))
    async with database.write() as tx:
        await save_limits(tx, SCOPE, Limits(stored_bytes=1000))

    def storing(file: StoredFile) -> Step:
        async def store(tx: AsyncConnection) -> None:
            await claim_room(tx, SCOPE, file.size_bytes)
            await insert_file(tx, SCOPE, file)

        return store

    with pytest.RaisesGroup(LimitExceededError):
        await meet(database, storing(first), storing(second))
    async with database.read() as tx:
        assert await measure_stored(tx, SCOPE) == 600


async def test_runs_of_one_eval_are_created_side_by_side(postgresql_database: Database) -> None:
    parent = await store_eval(postgresql_database)
    with anyio.fail_after(5):
        async with postgresql_database.write() as first, postgresql_database.write() as second:
            for tx in (first, second):
                await get_eval(tx, SCOPE, parent.id, for_share=True)
            await insert_run(second, SCOPE, make_run(parent, 2))
            await insert_run(first, SCOPE, make_run(parent, 1))


async def test_a_run_ends_while_its_eval_waits_to_delete_it(postgresql_database: Database) -> None:
    parent = await store_eval(postgresql_database)
    run = await store_active_run(postgresql_database, parent)
    async with postgresql_database.write() as deletion:
        await get_eval(deletion, SCOPE, parent.id, for_update=True)
        with anyio.fail_after(10):
            async with postgresql_database.write() as tx:
                await lock_tally(tx, SCOPE, run.key)
                await save_tally(tx, SCOPE, run.key, run.tally)
                await save_status(tx, SCOPE, run.to(RunStatus.COMPLETED, 200), 200)
        assert await lock_active_runs(deletion, SCOPE, run.eval_key) == []
