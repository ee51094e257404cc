"""Facts about cells of a CSV file, and about an export whose run changes meanwhile."""

import csv
import io
import json
import sys
from collections.abc import AsyncGenerator, Sequence
from typing import Any, cast

import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]
import pytest
from starlette.responses import StreamingResponse

from evalhaven.api.exports.columns import KnownColumns
from evalhaven.api.exports.parquet import ParquetRows, require_pyarrow
from evalhaven.api.exports.sources import ItemsInOrder
from evalhaven.api.exports.streaming import stream_items
from evalhaven.api.exports.texts import CsvRows, OutputItemLines, safe_text
from evalhaven.api.routes.extension.compared import ComparedItems
from evalhaven.api.routes.extension.comparisons import export_compared_items
from evalhaven.api.routes.extension.reports import break_down
from evalhaven.api.services import Services
from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.evals import DataSourceConfig
from evalhaven.domain.ids import RunId
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.reports.compared_items import ItemFilter
from evalhaven.storage.database import Database
from evalhaven.storage.evals import get_eval
from evalhaven.storage.output_item_writes import insert_output_items
from evalhaven.storage.run_writes import delete_run
from tests.unit.storage.stored import database, make_eval, make_item, store_active_run

__all__ = ["database"]


@pytest.mark.parametrize(
    "text",
    [
        "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1+1", '"=1+1"', "'=1+1", '" =1', "=", "-", "+",
        "--1", "+-1", "-1e", "+49 30 123", "-1;2", "=cmd|' /C calc'!A0", "\ufeff=1", "\u00a0=1", "\uff1d1", "\uff0b1",
        "\uff0d1", "\uff20a", "-٣", "-²", "-1_000", "-0x10", "-inf", "-nan",
    ],
)  # fmt: skip
def test_what_looks_like_a_formula_is_marked_as_text(text: str) -> None:
    assert safe_text(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "a=1", "1", "-1", "+1", "-1.5", "-.5", "1e5", "-1E-5", "3 - 4", "a@b", '"a"', "(1)"]
)
def test_other_texts_and_numbers_stay_as_they_are(text: str) -> None:
    assert safe_text(text) == text


def items_of(*texts: str) -> list[OutputItem]:
    return [make_item(number, item_text=json.dumps({"a": text})) for number, text in enumerate(texts)]


def test_a_lone_surrogate_is_replaced_and_the_rest_of_the_file_stays() -> None:
    parent = make_eval()
    columns = KnownColumns(parent.testing_criteria, parent).named(["item.a"])
    written = CsvRows(columns).write(items_of("\ud800", "é"))

    assert list(csv.reader(io.StringIO(written.decode()))) == [["?"], ["é"]]


def test_a_value_that_does_not_fit_its_parquet_column_is_null() -> None:
    schema: JsonObject = {"properties": {"item": {"properties": {"n": {"type": "integer"}, "x": {"type": "number"}}}}}
    parent = make_eval(data_source_config=DataSourceConfig({"type": "custom", "schema": schema}))
    columns = KnownColumns(parent.testing_criteria, parent).named(["item.n", "item.x", "item"])
    texts = [
        '{"n":9223372036854775808,"x":"1"}',
        '{"n":2.0,"x":-1}',
        '{"n":true,"x":true}',
        f'{{"n":0.5,"x":1{"0" * 400}}}',
    ]
    rows = ParquetRows(columns)
    content = rows.begin() + rows.write([make_item(n, item_text=text) for n, text in enumerate(texts)]) + rows.end()
    table: Any = pq.read_table(io.BytesIO(content))  # pyright: ignore[reportUnknownMemberType]
    assert table["item.n"].to_pylist() == [None, 2, None, None]
    assert table["item.x"].to_pylist() == [None, -1.0, None, None]
    assert table["item"].to_pylist()[0] == texts[0]


@pytest.fixture
async def run(database: Database) -> Run:
    """Store a run of 1,200 items, which takes more than two batches."""
    stored = await store_active_run(database)
    await store_items(database, stored, range(100, 1300))
    return stored


async def store_items(database: Database, run: Run, positions: Sequence[int]) -> None:
    async with database.write() as tx:
        await insert_output_items(tx, run.scope, run.key, [make_item(position) for position in positions])


def opened_export(database: Database, run: Run) -> AsyncGenerator[bytes]:
    return stream_items(database, run, OutputItemLines(run, make_eval().testing_criteria), ItemsInOrder(run))


def positions_in(lines: bytes) -> list[int]:
    return [json.loads(line)["datasource_item_id"] for line in lines.splitlines()]


async def test_items_that_were_there_at_the_beginning_are_there_once_whatever_is_stored_meanwhile(
    database: Database, run: Run
) -> None:
    parts: list[bytes] = []
    async for part in opened_export(database, run):
        parts.append(part)
        if len(parts) == 1:
            await store_items(database, run, [0, 5000])

    found = positions_in(b"".join(parts))
    assert len(parts) == 3
    assert found == [*range(100, 1300), 5000]


async def test_the_export_of_a_run_that_is_deleted_meanwhile_breaks_off(database: Database, run: Run) -> None:
    export = opened_export(database, run)
    assert len(positions_in(await anext(export))) == 500
    async with database.write() as tx:
        await delete_run(tx, DEFAULT_PROJECT, run.key, 200)

    with pytest.raises(NotFoundError):
        await anext(export)


async def test_the_export_of_a_comparison_breaks_off_after_a_whole_line(services: Services, run: Run) -> None:
    database = services.database
    parent = await database.fetch(lambda tx: get_eval(tx, DEFAULT_PROJECT, run.eval_id))
    other = await store_active_run(database, parent, id=RunId(f"evalrun_{2:032x}"))
    await store_items(database, other, range(100, 1300))
    asked = ComparedItems(other.id, run.id, (), ItemFilter())
    answer = await export_compared_items(services, DEFAULT_PROJECT, asked)
    export = cast("AsyncGenerator[bytes]", cast("StreamingResponse", answer).body_iterator)
    lines = (await anext(export)).splitlines(keepends=True)
    assert len(lines) == 500
    assert all(json.loads(line)["baseline"] and line.endswith(b"\n") for line in lines)
    async with database.write() as tx:
        await delete_run(tx, DEFAULT_PROJECT, run.key, 200)

    with pytest.raises(NotFoundError):
        await anext(export)


async def test_a_breakdown_breaks_off_after_an_error(services: Services, run: Run) -> None:
    await store_items(services.database, run, range(2000, 4000))
    answer = await break_down(run.id, services, DEFAULT_PROJECT, "item.a")
    lines = cast("AsyncGenerator[str]", cast("StreamingResponse", answer).body_iterator)
    assert json.loads(await anext(lines))["object"] == "run.breakdown.progress"
    async with services.database.write() as tx:
        await delete_run(tx, DEFAULT_PROJECT, run.key, 200)

    assert json.loads(await anext(lines))["error"]["param"] == "run_id"
    with pytest.raises(NotFoundError):
        await anext(lines)


def test_without_pyarrow_parquet_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    require_pyarrow()
    monkeypatch.setattr(sys, "path", [])
    for name in [each for each in sys.modules if each.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)

    with pytest.raises(InvalidRequestError, match=r"pip install 'evalhaven\[parquet\]'") as caught:
        require_pyarrow()
    assert (caught.value.param, caught.value.code) == ("format", "format_unavailable")


async def test_a_batch_of_large_items_ends_before_it_fills_the_memory(database: Database) -> None:
    run = await store_active_run(database)
    large = [make_item(n, item_text=json.dumps({"a": "x" * 1_000_000})) for n in range(12)]
    async with database.write() as tx:
        await insert_output_items(tx, run.scope, run.key, large)

    parts = [part async for part in opened_export(database, run)]
    assert [len(positions_in(part)) for part in parts] == [4, 4, 4]
