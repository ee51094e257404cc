"""Facts about stored runs and output items."""

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.ids import OutputItemId
from evalhaven.domain.output_items import Grade
from evalhaven.domain.paging import PAGE_BYTES, PageRequest
from evalhaven.domain.samples import ItemError, Sample, Usage, sample_of_row
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.scopes import EngineScope
from evalhaven.domain.statuses import ItemStatus, RunStatus
from evalhaven.domain.tallies import NOTHING, CriterionTally, Tally
from evalhaven.storage.database import Database
from evalhaven.storage.eval_writes import delete_eval
from evalhaven.storage.output_item_writes import insert_output_items
from evalhaven.storage.output_items import get_output_item, list_output_items
from evalhaven.storage.run_writes import delete_run, save_status, save_tally
from evalhaven.storage.runs import LockedTally, get_run, list_active_runs, list_runs, lock_tally
from evalhaven.storage.tables import events, output_items
from tests.unit.storage.stored import (
    FAILED,
    PASSED,
    make_eval,
    make_item,
    make_run,
    store_active_run,
    store_eval,
    store_run,
)

ERROR = ItemError("rate_limited", "Too many.", "judge", retryable=True)


async def test_runs_are_listed_by_status(database: Database) -> None:
    parent = await store_eval(database)
    queued = await store_run(database, make_run(parent, 1))
    failed = await store_run(database, make_run(parent, 2, status=RunStatus.FAILED, error=ERROR, ended_at=200))
    async with database.read() as tx:
        assert (await list_runs(tx, SCOPE, parent.key, PageRequest(9, "asc"), None)).objects == [queued, failed]
        assert (await list_runs(tx, SCOPE, parent.key, PageRequest(9, "asc"), RunStatus.FAILED)).objects == [failed]
        assert await list_active_runs(tx, EngineScope(), 9) == [queued]


async def test_a_run_of_another_eval_is_neither_found_nor_a_cursor(database: Database) -> None:
    one, other = await store_eval(database, make_eval(1)), await store_eval(database, make_eval(2))
    run = await store_run(database, make_run(one))
    async with database.read() as tx:
        with pytest.raises(NotFoundError):
            await get_run(tx, SCOPE, other.id, run.id)
        with pytest.raises(InvalidRequestError, match="no run of this list"):
            await list_runs(tx, SCOPE, other.key, PageRequest(9, "asc", run.id), None)


async def test_a_deleted_run_is_gone_but_stays_a_cursor(database: Database) -> None:
    parent = await store_eval(database)
    first, second = [await store_run(database, make_run(parent, number)) for number in (1, 2)]
    async with database.write() as tx:
        await delete_run(tx, SCOPE, first.key, 200)
        with pytest.raises(NotFoundError):
            await get_run(tx, SCOPE, parent.id, first.id)
        assert (await list_runs(tx, SCOPE, parent.key, PageRequest(9, "asc", first.id), None)).objects == [second]


async def test_runs_of_a_deleted_eval_are_gone(database: Database) -> None:
    parent = await store_eval(database)
    run = await store_run(database, make_run(parent))
    async with database.write() as tx:
        await delete_eval(tx, SCOPE, parent.key, 200)
        with pytest.raises(NotFoundError):
            await get_run(tx, SCOPE, parent.id, run.id)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (RunStatus.IN_PROGRESS, None),
        (RunStatus.CANCELED, "eval.run.canceled"),
        (RunStatus.FAILED, "eval.run.failed"),
    ],
)
async def test_a_run_that_ends_is_told_to_the_outbox(database: Database, status: RunStatus, told: str | None) -> None:
    run = await store_run(database, make_run(await store_eval(database)))
    async with database.write() as tx:
        await save_status(tx, SCOPE, run.to(status, 150), 150)
        rows = (await tx.execute(select(events.c.type, events.c.object_id, events.c.created_at))).all()

    assert [tuple(row) for row in rows] == ([] if told is None else [(told, run.id, 150)])


async def test_tallies_come_back_as_they_went_in(database: Database) -> None:
    run = await store_active_run(database)
    tally = Tally(3, 2, 1, 4, (CriterionTally(1, 2, 3), CriterionTally()))
    async with database.write() as tx:
        assert await lock_tally(tx, SCOPE, run.key) == LockedTally(RunStatus.IN_PROGRESS, 0, NOTHING)
        await save_tally(tx, SCOPE, run.key, tally)
        assert await lock_tally(tx, SCOPE, run.key) == LockedTally(RunStatus.IN_PROGRESS, 0, tally)
        assert (await get_run(tx, SCOPE, run.eval_id, run.id)).tally == tally


RECORDED = '{"choices":[{"message":{"content":"\\ud800 x","role":"assistant"},"finish_reason":"stop"}],"model":"m"}'


@pytest.mark.parametrize(
    "sample",
    [
        Sample(),
        Sample(
            input=[{"role": "user", "content": "\ud800"}],
            output=[{"role": "assistant", "content": "\0"}],
            finish_reason="stop",
            model="m-1",
            usage=Usage(1, 2, 3, 4),
        ),
        Sample(output=[], error=ERROR),
    ],
)
async def test_samples_come_back_as_they_went_in(database: Database, sample: Sample) -> None:
    run = await store_active_run(database)
    grade = Grade(0.5, False, unresolved=("item.x",), error=ERROR, sample={"output": ["\ud800", 2**70]})
    call = Sample(model="judge-1", usage=Usage(1, 2, 3, 4, 5), latency_ms=7, attempts=2, cost=0.25, is_cached=True)
    judged = Grade(1.0, True, sample={"output": []}, calls=(call, Sample(attempts=1)), judge={"result": "\ud800"})
    item = make_item(0, [grade, PASSED, judged], sample)
    async with database.write() as tx:
        assert await insert_output_items(tx, SCOPE, run.key, [item]) == [item]
        assert await get_output_item(tx, SCOPE, run.key, item.id) == item


async def test_recorded_samples_are_derived_again_from_what_the_user_wrote(database: Database) -> None:
    run = await store_active_run(database)
    recorded = {
        "choices": [{"message": {"content": "\ud800 x", "role": "assistant"}, "finish_reason": "stop"}],
        "model": "m",
    }
    item = make_item(0, sample=sample_of_row(recorded, RECORDED))  # pyright: ignore[reportArgumentType]
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, run.key, [item])
        found = await get_output_item(tx, SCOPE, run.key, item.id)

    assert found.sample.namespace == item.sample.namespace
    assert replace(found.sample, recorded_text=None) == replace(item.sample, recorded_text=None)


async def test_what_is_searched_for_stands_in_columns(database: Database) -> None:
    run = await store_active_run(database)
    items = [
        make_item(0, [PASSED, FAILED], Sample(usage=Usage(total_tokens=7))),
        make_item(1, [PASSED, Grade(0.0, False, error=ERROR)]),
        make_item(2, [], Sample(error=ItemError("template", "m"))),
    ]
    table = output_items.c
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, run.key, items)
        query = select(table.status, table.score, table.tokens, table.error_code).order_by(table.position)
        rows = [tuple(row) for row in (await tx.execute(query)).all()]

    assert rows == [(0, 0.5, 7, None), (2, None, None, "rate_limited"), (2, None, None, "template")]


async def test_items_are_listed_by_status(database: Database) -> None:
    run = await store_active_run(database)
    items = [make_item(0), make_item(1, [FAILED]), make_item(2, [], Sample(error=ERROR))]
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, run.key, items)
        for status, item in zip((ItemStatus.PASS, ItemStatus.FAIL, ItemStatus.ERROR), items, strict=True):
            page = await list_output_items(tx, SCOPE, run.key, PageRequest(9, "asc"), status)
            assert page.objects == [item]


@pytest.mark.parametrize("foreign", ["item-1", "outputitem_ABC", "x" * 128])
async def test_items_with_ids_of_another_form_are_found_and_paged(database: Database, foreign: str) -> None:
    run = await store_active_run(database)
    items = [make_item(0, id=OutputItemId(foreign)), make_item(1)]
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, run.key, items)
        assert await get_output_item(tx, SCOPE, run.key, foreign) == items[0]
        first = await list_output_items(tx, SCOPE, run.key, PageRequest(1, "asc"), None)
        second = await list_output_items(tx, SCOPE, run.key, PageRequest(1, "asc", first.objects[0].id), None)

    assert {item.id for item in (*first.objects, *second.objects)} == {item.id for item in items}
    assert (first.has_more, second.has_more) == (True, False)


@pytest.mark.parametrize("item_id", ["", "outputitem_1", "\ud800", "\0", "outputitem_" + "0" * 32, "x" * 500])
async def test_ids_that_name_no_item_are_not_found(database: Database, item_id: str) -> None:
    run = await store_active_run(database)
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, run.key, [make_item(5)])
        with pytest.raises(NotFoundError):
            await get_output_item(tx, SCOPE, run.key, item_id)
        with pytest.raises(InvalidRequestError, match="Invalid 'after'"):
            await list_output_items(tx, SCOPE, run.key, PageRequest(1, "asc", item_id or "-"), None)


async def test_items_of_another_run_are_not_found(database: Database) -> None:
    parent = await store_eval(database)
    one, other = [await store_active_run(database, parent, id=f"evalrun_{number}") for number in (1, 2)]
    item = make_item(0)
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, one.key, [item])
        with pytest.raises(NotFoundError):
            await get_output_item(tx, SCOPE, other.key, item.id)
        with pytest.raises(InvalidRequestError, match="no output item of this list"):
            await list_output_items(tx, SCOPE, other.key, PageRequest(1, "asc", item.id), None)


async def test_a_page_ends_once_it_exceeds_16_mb_with_at_least_one_item(database: Database) -> None:
    run = await store_active_run(database)
    sizes = [PAGE_BYTES + 1, PAGE_BYTES // 2, PAGE_BYTES // 2, PAGE_BYTES // 2, 10]
    items = [make_item(position, item_text=f'"{"x" * size}"') for position, size in enumerate(sizes)]
    pages: list[list[int]] = []
    more: list[bool] = []
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, run.key, items)
    after = None
    while not more or more[-1]:
        async with database.read() as tx:
            page = await list_output_items(tx, SCOPE, run.key, PageRequest(1000, "asc", after), None)
        pages.append([item.position for item in page.objects])
        more.append(page.has_more)
        after = page.objects[-1].id

    assert pages == [[0], [1, 2], [3, 4]]
    assert more == [True, True, False]
