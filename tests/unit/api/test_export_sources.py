"""Facts about the batches of an export whose items a filter chose: all of them, once, few of large ones at a time."""

import json

import numpy as np
import pytest

from evalhaven.api.exports import sources
from evalhaven.api.exports.sources import ChosenByFilter, ItemsInOrder, ItemSource, Place
from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import ItemStatus
from evalhaven.reports.item_choice import ChosenItems
from evalhaven.reports.item_rows import RowMaker
from evalhaven.storage.chosen_items import FEWEST, read_chosen_items
from evalhaven.storage.database import Database
from evalhaven.storage.output_item_writes import insert_output_items
from tests.unit.storage.stored import database, make_eval, make_item, store_active_run

__all__ = ["database"]

COUNT = 700
LARGE = range(300, 340)
LARGE_CHARS = 300_000


@pytest.fixture
async def run(database: Database) -> Run:
    """Store a run whose every seventh item holds a word, in capitals, and some of whose items are large."""
    stored = await store_active_run(database)

    def text_of(position: int) -> str:
        word = "REFUND" if position % 7 == 0 else "other"
        return json.dumps({"a": word, "b": "x" * LARGE_CHARS if position in LARGE else ""})

    items = [make_item(position, item_text=text_of(position)) for position in range(COUNT)]
    async with database.write() as tx:
        await insert_output_items(tx, stored.scope, stored.key, items)
    return stored


def chosen_by_filter(run: Run, numbers: list[int], text: str | None = None) -> ChosenByFilter:
    chosen = ChosenItems(np.array(numbers, np.int32), np.arange(COUNT), np.zeros(COUNT, np.int64))
    return ChosenByFilter(run, chosen, text, RowMaker(make_eval().testing_criteria, (), 0))


async def batches_of(database: Database, source: ItemSource) -> list[list[int]]:
    """Return the positions of each batch."""
    batches: list[list[int]] = []
    place: Place | None = None
    while not batches or place is not None:
        async with database.read() as tx:
            items, place = await source.read(tx, place)
        batches.append([item.position for item in items])
    return batches


async def test_chosen_items_come_once_in_their_order_and_few_large_ones_at_once(database: Database, run: Run) -> None:
    numbers = [*range(COUNT - 1, -1, -1)]
    batches = await batches_of(database, chosen_by_filter(run, numbers))

    assert [position for batch in batches for position in batch] == numbers
    most_chars = sources._BATCH[1]
    for batch in batches:
        large = sum(position in LARGE for position in batch)
        assert large * LARGE_CHARS <= most_chars or len(batch) <= FEWEST
    assert len(batches) < COUNT / FEWEST, "others come in large batches"


async def test_a_text_is_searched_for_among_chosen_items_whatever_the_case(database: Database, run: Run) -> None:
    numbers = [*range(COUNT - 1, 100, -1)]
    batches = await batches_of(database, chosen_by_filter(run, numbers, "Refund"))

    assert [position for batch in batches for position in batch] == [each for each in numbers if each % 7 == 0]


async def test_what_is_found_in_many_large_items_comes_in_parts(database: Database, run: Run) -> None:
    numbers = [*LARGE]
    batches = await batches_of(database, chosen_by_filter(run, numbers, "xxx"))

    assert [position for batch in batches for position in batch] == numbers
    assert max(map(len, batches)) == FEWEST


async def test_items_that_are_gone_are_left_out_and_end_nothing(database: Database, run: Run) -> None:
    async with database.read() as tx:
        items, read = await read_chosen_items(tx, run.scope, run.key, [(5, 0), (COUNT, 0), (5, 1), (3, 0)], 10_000)

    assert ([item.position for item in items], read) == ([5, 3], 4)


async def test_nothing_is_chosen_or_found(database: Database, run: Run) -> None:
    assert await batches_of(database, chosen_by_filter(run, [])) == [[]]
    assert await batches_of(database, chosen_by_filter(run, [], "x")) == [[]]
    assert await batches_of(database, chosen_by_filter(run, [1, 2], "nowhere")) == [[]]


async def test_items_of_several_statuses_come_in_order(database: Database, run: Run) -> None:
    wanted = ItemsInOrder(run, [ItemStatus.PASS, ItemStatus.FAIL])
    assert [each for batch in await batches_of(database, wanted) for each in batch] == [*range(COUNT)]
    assert await batches_of(database, ItemsInOrder(run, [ItemStatus.FAIL, ItemStatus.ERROR])) == [[]]
