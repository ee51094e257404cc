"""Properties of stored lists: pages, repeated batches, and rows shown as one array."""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from io import BytesIO
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import URL

from evalhaven.domain.ids import OutputItemId, RunId
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.paging import Order, Page, PageRequest
from evalhaven.domain.scopes import DEFAULT_PROJECT, ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.storage.blobs import json_array_blocks
from evalhaven.storage.database import Database, postgresql_url, sqlite_url
from evalhaven.storage.eval_writes import delete_eval, insert_eval
from evalhaven.storage.evals import list_evals
from evalhaven.storage.files import delete_file, insert_file, list_files
from evalhaven.storage.output_item_writes import insert_output_items
from evalhaven.storage.output_items import list_output_items, list_stored_positions
from evalhaven.storage.run_writes import delete_run
from evalhaven.storage.runs import list_runs
from evalhaven.storage.schema import upgrade_database
from tests.databases import TemporaryDatabase
from tests.properties.json_texts import OBJECTS, RANDOMS, spelled
from tests.sizes import IS_SOAK
from tests.unit.storage.stored import (
    add_project,
    make_eval,
    make_file,
    make_item,
    make_run,
    opened,
    store_active_run,
    store_eval,
    store_run,
)

FEWER = settings(max_examples=200 if IS_SOAK else 15)
NUMBERS = count(1)
TIMES = st.lists(st.integers(0, 3), max_size=12)
LIMITS = st.integers(1, 13)
ORDERS: st.SearchStrategy[Order] = st.sampled_from(["asc", "desc"])
POSITIONS = st.tuples(st.integers(0, 6), st.integers(0, 1))

ListPage = Callable[[PageRequest], Awaitable[Page[Any]]]
Delete = Callable[[Any], Awaitable[None]]


@pytest.fixture(scope="module")
def shared_url(tmp_path_factory: pytest.TempPathFactory, temporary_database: TemporaryDatabase) -> Iterator[URL]:
    """Return the URL of one database; each example works in a project, eval or run of its own."""
    path = tmp_path_factory.mktemp("properties") / "evalhaven.db"
    with temporary_database() as address:
        url = sqlite_url(path) if address is None else postgresql_url(address)
        upgrade_database(url)
        yield url


async def new_project(database: Database) -> ProjectScope:
    """Add a project of an example's own."""
    scope = ProjectScope(1000 + next(NUMBERS))
    await add_project(database, scope)
    return scope


async def walk(
    list_page: ListPage, limit: int, order: Order, delete: Delete | None = None, victims: Sequence[int] = ()
) -> list[str]:
    """Return the ids of all pages in order, deleting some of the objects seen, cursors among them."""
    ids: list[str] = []
    after = None
    for number in count():
        page = await list_page(PageRequest(limit, order, after))
        ids += [each.id for each in page.objects]
        assert len(page.objects) == limit or not page.has_more
        if not page.has_more:
            return ids
        after = page.objects[-1].id
        if delete is not None:
            for each in page.objects[-1:] if number % 2 else [page.objects[at] for at in victims if at < limit]:
                await delete(each)
    raise AssertionError


def in_order(objects: Sequence[tuple[int, str]], order: Order) -> list[str]:
    """Return ids by (time, id)."""
    return [public_id for _, public_id in sorted(objects, reverse=order == "desc")]


@FEWER
@given(TIMES, LIMITS, ORDERS, st.booleans(), st.sets(st.integers(0, 12)))
async def test_pages_of_evals_are_the_whole_order_also_while_evals_are_deleted(
    shared_url: URL, times: list[int], limit: int, order: Order, by_update: bool, victims: set[int]
) -> None:
    async with opened(shared_url) as database:
        scope = await new_project(database)
        made = [
            make_eval(next(NUMBERS), created_at=5 if by_update else at, updated_at=at if by_update else 5)
            for at in times
        ]
        async with database.write() as tx:
            for each in made:
                await insert_eval(tx, scope, each)
        expected = in_order([(at, each.id) for at, each in zip(times, made, strict=True)], order)

        async def list_page(page: PageRequest) -> Page[Any]:
            async with database.read() as tx:
                return await list_evals(tx, scope, page, by_update=by_update)

        async def delete(each: Any) -> None:
            async with database.write() as tx:
                await delete_eval(tx, scope, each.key, 9)

        assert await walk(list_page, limit, order) == expected
        assert await walk(list_page, limit, order, delete, sorted(victims)) == expected


@FEWER
@given(TIMES, LIMITS, ORDERS, st.sets(st.integers(0, 12)))
async def test_pages_of_files_are_the_whole_order_also_while_files_are_deleted(
    shared_url: URL, times: list[int], limit: int, order: Order, victims: set[int]
) -> None:
    async with opened(shared_url) as database:
        scope = await new_project(database)
        made = [make_file(next(NUMBERS), created_at=at) for at in times]
        async with database.write() as tx:
            for each in made:
                await insert_file(tx, scope, each)
        expected = in_order([(each.created_at, each.id) for each in made], order)

        async def list_page(page: PageRequest) -> Page[Any]:
            async with database.read() as tx:
                return await list_files(tx, scope, page, None, 9)

        async def delete(each: Any) -> None:
            async with database.write() as tx:
                await delete_file(tx, scope, each.key, 9)

        assert await walk(list_page, limit, order) == expected
        assert await walk(list_page, limit, order, delete, sorted(victims)) == expected


@FEWER
@given(TIMES, LIMITS, ORDERS, st.booleans(), st.sets(st.integers(0, 12)))
async def test_pages_of_runs_are_the_whole_order_also_while_runs_are_deleted(
    shared_url: URL, times: list[int], limit: int, order: Order, is_filtered: bool, victims: set[int]
) -> None:
    async with opened(shared_url) as database:
        parent = await store_eval(database, make_eval(next(NUMBERS)))
        made = [await store_run(database, make_run(parent, next(NUMBERS), created_at=at)) for at in times]
        expected = in_order([(each.created_at, each.id) for each in made], order)

        async def list_page(page: PageRequest) -> Page[Any]:
            async with database.read() as tx:
                status = RunStatus.QUEUED if is_filtered else None
                return await list_runs(tx, DEFAULT_PROJECT, parent.key, page, status)

        async def delete(each: Any) -> None:
            async with database.write() as tx:
                await delete_run(tx, DEFAULT_PROJECT, each.key, 9)

        assert await walk(list_page, limit, order) == expected
        assert await walk(list_page, limit, order, delete, sorted(victims)) == expected


@FEWER
@given(TIMES, LIMITS, ORDERS, RANDOMS)
async def test_pages_of_output_items_are_the_whole_order_whatever_the_form_of_their_ids(
    shared_url: URL, times: list[int], limit: int, order: Order, random: Random
) -> None:
    async with opened(shared_url) as database:
        parent = await store_eval(database, make_eval(next(NUMBERS)))
        run = await store_active_run(database, parent, id=RunId(f"evalrun_{next(NUMBERS):032x}"))
        forms = [[f"item-{number}", f"outputitem_{random.getrandbits(128):032x}"] for number in range(len(times))]
        ids = [random.choice(form) for form in forms]
        items = [make_item(number, id=OutputItemId(ids[number]), created_at=at) for number, at in enumerate(times)]
        async with database.write() as tx:
            if items:
                await insert_output_items(tx, run.scope, run.key, items)

        async def list_page(page: PageRequest) -> Page[Any]:
            async with database.read() as tx:
                return await list_output_items(tx, run.scope, run.key, page, None)

        paged = await walk(list_page, limit, order)
        at_of = {item.id: item.created_at for item in items}

        assert sorted(paged) == sorted(ids)
        assert [at_of[OutputItemId(each)] for each in paged] == sorted(times, reverse=order == "desc")
        assert paged == (await walk(list_page, limit, "asc" if order == "desc" else "desc"))[::-1]


@FEWER
@given(st.lists(st.lists(POSITIONS, min_size=1, max_size=6), max_size=8))
async def test_repeated_batches_leave_each_position_once_and_report_it_once(
    shared_url: URL, batches: list[list[tuple[int, int]]]
) -> None:
    async with opened(shared_url) as database:
        parent = await store_eval(database, make_eval(next(NUMBERS)))
        run = await store_active_run(database, parent, id=RunId(f"evalrun_{next(NUMBERS):032x}"))
        reported: list[OutputItem] = []
        for batch in batches:
            items = [
                make_item(position, repeat=repeat, id=OutputItemId(f"outputitem_{next(NUMBERS):032x}"))
                for position, repeat in batch
            ]
            async with database.write() as tx:
                reported += await insert_output_items(tx, run.scope, run.key, items)
        expected = {each for batch in batches for each in batch}
        async with database.read() as tx:
            stored = (await list_output_items(tx, run.scope, run.key, PageRequest(1000, "asc"), None)).objects

            assert await list_stored_positions(tx, run.scope, run.key, 0, 100) == expected
        assert sorted((item.position, item.repeat) for item in reported) == sorted(expected)
        assert {item.id for item in reported} == {item.id for item in stored}


class SlowSource(BytesIO):
    """A blob of which each read gives a few bytes."""

    def __init__(self, content: bytes, sizes: Random) -> None:
        super().__init__(content)
        self._sizes = sizes

    def read(self, _size: int | None = -1, /) -> bytes:
        return super().read(self._sizes.choice((1, 2, 40)))


@FEWER
@given(st.lists(OBJECTS, max_size=4), RANDOMS)
def test_rows_shown_as_an_array_are_the_rows_whatever_the_blocks(rows: list[Any], random: Random) -> None:
    texts = [spelled(row, random).strip().replace("\n", " ").replace("\r", " ") for row in rows]
    blob = "".join(f"{text}\n" for text in texts).encode()

    assert b"".join(json_array_blocks(SlowSource(blob, random))) == f"[{','.join(texts)}]".encode()
    assert json.loads(b"".join(json_array_blocks(SlowSource(blob, random)))) == rows
