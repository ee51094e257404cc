"""Facts about transactions: what others see of them, and when an error means "later"."""

import errno

import anyio
import anyio.lowlevel
import pytest
from sqlalchemy import URL, text
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.storage.database import Database, is_unavailable
from evalhaven.storage.eval_writes import insert_eval
from evalhaven.storage.evals import get_eval, list_evals
from evalhaven.storage.projects import lock_project
from tests.unit.storage.stored import make_eval, opened, store_eval

PAGE = PageRequest(9, "asc")


async def test_uncommitted_writes_are_seen_by_nobody_else(database: Database) -> None:
    async with database.write() as writing:
        await insert_eval(writing, SCOPE, make_eval())
        async with database.read() as reading:
            assert (await list_evals(reading, SCOPE, PAGE)).objects == []


async def test_a_read_transaction_keeps_its_view(database: Database) -> None:
    async with database.read() as reading:
        assert (await list_evals(reading, SCOPE, PAGE)).objects == []
        await store_eval(database)
        assert (await list_evals(reading, SCOPE, PAGE)).objects == []
    async with database.read() as reading:
        assert len((await list_evals(reading, SCOPE, PAGE)).objects) == 1


async def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    async def store_and_fail() -> None:
        async with database.write() as tx:
            await insert_eval(tx, SCOPE, make_eval())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store_and_fail()
    async with database.read() as tx:
        with pytest.raises(NotFoundError):
            await get_eval(tx, SCOPE, make_eval().id)


async def test_writers_that_lock_wait_for_each_other(database: Database) -> None:
    async def store(number: int) -> None:
        async with database.write() as tx:
            await lock_project(tx, SCOPE)
            count = len((await list_evals(tx, SCOPE, PageRequest(99, "asc"))).objects)
            await anyio.lowlevel.checkpoint()
            await insert_eval(tx, SCOPE, make_eval(number, name=str(count)))

    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(store, number)
    async with database.read() as tx:
        names = {each.name for each in (await list_evals(tx, SCOPE, PageRequest(99, "asc"))).objects}

    assert names == {str(number) for number in range(12)}


async def test_committed_writes_are_there_after_reopening(database_url: URL) -> None:
    async with opened(database_url) as database:
        stored = await store_eval(database)
    async with opened(database_url) as database, database.read() as tx:
        assert await get_eval(tx, SCOPE, stored.id) == stored


async def test_what_may_succeed_later_is_told_from_mistakes(database: Database) -> None:
    full = OperationalError("INSERT", {}, Exception("database or disk is full"))
    integrity = IntegrityError("INSERT", {}, Exception("UNIQUE"))

    assert is_unavailable(full)
    assert is_unavailable(ExceptionGroup("tasks", [full, ExceptionGroup("inner", [full])]))
    assert not is_unavailable(integrity)
    assert not is_unavailable(ExceptionGroup("tasks", [full, integrity]))
    assert not is_unavailable(ValueError("x"))
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN):
        assert is_unavailable(OSError(number, "for now"))
    for never in (OSError(errno.ENOENT, "gone"), OSError(errno.ECONNREFUSED, "not storage"), OSError("unnumbered")):
        assert not is_unavailable(never)
    # psycopg calls it a programming error.
    with pytest.raises((OperationalError, ProgrammingError)) as mistake:
        async with database.read() as tx:
            await tx.execute(text("SELECT nothing FROM nowhere"))
    assert not is_unavailable(mistake.value)
