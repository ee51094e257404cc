"""Facts about items that are shown beside others: they say what the whole items say."""

from functools import partial

import pytest
from msgspec.structs import replace

from evalhaven.domain.jsontext import JsonObject, JsonValue, render
from evalhaven.domain.output_items import Grade
from evalhaven.domain.sample_forms import text_of
from evalhaven.domain.samples import NO_SAMPLE, ItemError, Sample, sample_of_row
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.storage.compared_items import list_short_items
from evalhaven.storage.database import Database
from evalhaven.storage.output_item_writes import insert_output_items
from tests.unit.storage.conftest import database, postgresql_database, sqlite_database
from tests.unit.storage.stored import make_item, store_active_run, store_eval

__all__ = ["database", "postgresql_database", "sqlite_database"]

ERROR = ItemError("upstream_unreachable", "Nothing listens there.", "sampling")
ROWS: list[JsonObject] = [
    {"choices": [{"message": {"role": "assistant", "content": "plain"}}]},
    {"choices": [{"message": {"role": "assistant", "content": [{"type": "text", "text": "part"}]}}]},
    {"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}}]},
    {"choices": [{"text": "older"}]},
    {"choices": [{"message": {"content": "one"}}], "output_text": "another"},
    {"choices": [{"message": {"content": None, "audio": {"transcript": "heard"}}}]},
    {"output_text": "alone"},
    {"output_text": None, "output": [{"role": "assistant", "content": "said"}]},
    {"output": [{"type": "message", "content": [{"type": "output_text", "text": "response"}]}]},
    {"content": "\ud800\x00"},
    {"choices": []},
    {"output_json": {"a": 1}},
    {"choices": [{"message": "no message"}], "output_text": 3},
]
SAMPLES = [
    NO_SAMPLE,
    Sample(output=[{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]),
    Sample(output=["nothing", {"role": "assistant", "content": "a"}]),
    Sample(output=[{"role": "assistant", "content": ""}], error=ERROR),
    Sample(),
    *(sample_of_row(row, render(row)) for row in ROWS),
]


def text_in(output: list[JsonValue]) -> str | None:
    """Return the text of the first message of an output."""
    first = next((each for each in output if isinstance(each, dict)), None)
    return None if first is None else text_of(first)


@pytest.mark.parametrize("positions", [list(range(len(SAMPLES))), [0, 2, 3]])
async def test_a_short_item_says_what_the_whole_one_says(database: Database, positions: list[int]) -> None:
    run = await store_active_run(database, await store_eval(database))
    failed = Grade(0.0, passed=False, error=ERROR)
    items = [
        replace(make_item(number), sample=sample, grades=[Grade(1.0, passed=True), *([failed] if number % 2 else [])])
        for number, sample in enumerate(SAMPLES)
    ]
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, run.key, items)

    found = await database.fetch(partial(list_short_items, scope=SCOPE, run_key=run.key, positions=positions))
    assert [item.position for item in found] == positions
    for short, whole in zip(found, (items[number] for number in positions), strict=True):
        assert (short.id, short.repeat, short.item_text) == (whole.id, whole.repeat, whole.item_text)
        assert (short.status, short.score) == (whole.status, whole.score)
        assert short.output_text == text_in(whole.sample.output)
        assert short.error == (whole.sample.error or next((each.error for each in whole.grades if each.error), None))
        assert [(each.score, each.passed) for each in short.grades] == [
            (None, None) if each.error else (each.score, each.passed) for each in whole.grades
        ]
