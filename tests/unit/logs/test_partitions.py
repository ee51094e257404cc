"""Facts about partitions alone: how PostgreSQL is made to use the indexes that were chosen for a query."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import URL, text

from evalhaven.domain.logged_calls import CallFilter
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs.facts import wanted_by
from evalhaven.logs.keys import LARGEST_KEY, day_of
from evalhaven.logs.partitions import store as partition_store
from evalhaven.logs.partitions.days import drop_lone_day
from evalhaven.logs.partitions.queries import key_query
from evalhaven.logs.partitions.store import PartitionStore
from evalhaven.storage.database import Database, open_database
from evalhaven.storage.reading import ReadTransaction
from tests.unit.logs.logged import CHAT, DAY_S, NOON, OTHER_PROJECT, StandingClock, chat, ids, pinned


@pytest.fixture
async def database(postgresql_database_url: URL) -> AsyncIterator[Database]:
    database = open_database(postgresql_database_url)
    yield database
    await database.close()


async def test_no_plan_is_used_for_other_values_than_it_was_made_for(database: Database) -> None:
    """A generic plan searches all days, and takes every term for a frequent one."""
    store = PartitionStore(database, StandingClock())
    await store.add([chat(number, NOON - number * DAY_S, metadata={"own": number}) for number in range(5)])

    async def plans(tx: ReadTransaction) -> list[int]:
        query = key_query(DEFAULT_PROJECT, CHAT, wanted_by(DEFAULT_PROJECT, CallFilter(metadata={"own": 3})), few=500)
        for _ in range(20):
            assert len(await partition_store._keys_wanted(tx, query, (0, LARGEST_KEY - 1), "desc", 10)) == 1
        made = "SELECT generic_plans FROM pg_prepared_statements WHERE statement LIKE '%logged_calls%terms%'"
        return list((await tx.execute(text(made))).scalars())

    counts = await database.fetch(plans)
    assert counts
    assert set(counts) == {0}


async def test_the_planner_knows_the_size_of_a_new_day(database: Database) -> None:
    store = PartitionStore(database, StandingClock())
    await store.add([chat(number) for number in range(50)])
    known = "SELECT reltuples FROM pg_class WHERE relname = 'logged_calls_20251126'"

    async def size(tx: ReadTransaction) -> float:
        return (await tx.execute(text(known))).scalar_one()

    assert await database.fetch(size) == 50
    await store.add([chat(number) for number in range(50, 300)])
    assert await database.fetch(size) == 300


async def test_much_and_little_is_found_alike(database: Database) -> None:
    """Whatever counts as few, and so whichever way is taken."""
    store = PartitionStore(database, StandingClock())
    await store.add(
        [chat(number, NOON + number, question="even" if number % 2 == 0 else "odd") for number in range(60)]
    )
    expected = await pinned(store, CallFilter(text="even"))

    for few in (1, 5, 29, 30, 31, 100):
        store = PartitionStore(database, StandingClock(), few)
        for limit in (1, 4, 28, 30):
            page = await store.page(DEFAULT_PROJECT, CallFilter(text="even"), limit=limit, order="desc")
            assert [call.created_at for call in page.calls] == [NOON + 58 - 2 * number for number in range(limit)]
            assert page.has_more is (limit < 30)
        assert await pinned(store, CallFilter(text="even")) == expected


async def test_a_call_that_comes_while_its_day_is_dropped_for_another_project_is_stored(database: Database) -> None:
    store = PartitionStore(database, StandingClock())
    yesterday = NOON - DAY_S
    await store.add([chat(1, yesterday)])

    async def waiting(tx: ReadTransaction) -> int:
        locks = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE "
        return (await tx.execute(text(f"{locks} datname = current_database())"))).scalar_one()

    async with asyncio.timeout(60):
        async with database.write() as tx:
            assert await drop_lone_day(tx, DEFAULT_PROJECT, day_of(yesterday)) == 1
            adding = asyncio.create_task(store.add([chat(2, yesterday, scope=OTHER_PROJECT)]))
            while not await database.fetch(waiting):  # noqa: ASYNC110 - only the database knows
                await asyncio.sleep(0.01)
        assert await adding == 1
    assert await ids(store, scope=OTHER_PROJECT) == ["chatcmpl-2"]
    async with database.write() as tx:
        assert await drop_lone_day(tx, DEFAULT_PROJECT, day_of(yesterday)) == 0
    assert await ids(store, scope=OTHER_PROJECT) == ["chatcmpl-2"]


async def test_a_file_goes_with_the_last_dropped_call_that_holds_it(database: Database) -> None:
    store = PartitionStore(database, StandingClock(), dropped_at_once=30)
    images = [f"data:image/png;base64,{name * 400}" for name in "ab"]
    yesterday = NOON - DAY_S
    await store.add([chat(number, yesterday, answer=images[0], question=images[number % 2]) for number in range(50)])
    await store.add([chat(99, yesterday, scope=OTHER_PROJECT, answer=images[1])])

    async def uses(tx: ReadTransaction) -> list[int]:
        return list((await tx.execute(text("SELECT uses FROM logged_call_files ORDER BY uses"))).scalars())

    assert await database.fetch(uses) == [26, 50]
    left = [await database.fetch(uses) async for _ in store.drop_calls(DEFAULT_PROJECT, before_day="2025-11-26")]
    assert [len(left), left[-1]] == [2, [1]]
