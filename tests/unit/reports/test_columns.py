"""Facts about the columns of runs: what they hold, that they are made in parts, and again when items change."""

from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
import pytest

from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError, Sample
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.scopes import EngineScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import NOTHING
from evalhaven.graders.calculators import CalculatorPool
from evalhaven.reports.columns import keeper
from evalhaven.reports.columns.keeper import ColumnsKeeper
from evalhaven.reports.columns.loading import NoColumnsError, RunColumns, load_columns
from evalhaven.runs.patience import Patience
from evalhaven.storage.database import Database
from evalhaven.storage.output_item_writes import insert_output_items
from evalhaven.storage.run_columns import OutdatedRun, list_outdated_runs, store_columns_part
from evalhaven.storage.run_writes import insert_run, note_items_changed, save_reopened, save_status, save_tally
from evalhaven.storage.runs import get_run
from tests.unit.storage.conftest import database, postgresql_database, sqlite_database
from tests.unit.storage.stored import FAILED, PASSED, make_eval, make_item, make_run, store_active_run, store_eval

__all__ = ["database", "postgresql_database", "sqlite_database"]

NAMES = ("key", "position", "repeat", "status", "score", "latency", "tokens", "error", "outcome", "criterion_score")
ERROR = ItemError("upstream_unreachable", "Nothing listens there.", "sampling")


def item_with(position: int, text: str, **more: object) -> OutputItem:
    """Return an output item with this JSON text as its item."""
    item_hash = sha256(text.encode()).digest()
    return msgspec.structs.replace(make_item(position), item_text=text, item_hash=item_hash, **more)


async def store_ended_run(database: Database, *items: OutputItem, criteria: int = 1) -> Run:
    """Store a completed run with these items."""
    parent = await store_eval(
        database, make_eval(criteria=[{"id": f"c{n}", "name": f"c{n}", "type": "x"} for n in range(criteria)])
    )
    run = await store_active_run(database, parent)
    await add_items(database, run, *items, criteria=criteria)
    return await end_run(database, run)


async def add_items(database: Database, run: Run, *items: OutputItem, criteria: int = 1) -> None:
    """Store items of a run as the executor does."""
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, run.key, items)
        tally = (await get_run(tx, SCOPE, run.eval_id, run.id)).tally.fold(items, criteria)
        await save_tally(tx, SCOPE, run.key, tally)


async def end_run(database: Database, run: Run) -> Run:
    """End a run."""
    async with database.write() as tx:
        ended = (await get_run(tx, SCOPE, run.eval_id, run.id)).to(RunStatus.COMPLETED, 200)
        await save_status(tx, SCOPE, ended, 200)
        return ended


async def list_outdated(database: Database) -> list[OutdatedRun]:
    """Return the runs whose columns are outdated."""
    return await database.fetch(partial(list_outdated_runs, _scope=EngineScope(), limit=10))


async def load(database: Database, run: Run, criteria: int = 1, fields: tuple[str, ...] = ()) -> RunColumns:
    """Return all columns of a run."""
    return await database.fetch(lambda tx: load_columns(tx, run, criteria, (*NAMES, "label"), fields))


def keeper_of(database: Database, part_items: int = 16_384) -> ColumnsKeeper:
    """Return a keeper for a database."""
    return ColumnsKeeper(database, CalculatorPool(), Patience(), part_items)


async def until_killed(database: Database, monkeypatch: pytest.MonkeyPatch, part_items: int, parts: int) -> list[int]:
    """Make columns until the process is killed while it stores a part; return the numbers of parts that it stored."""
    stored: list[int] = []

    async def store(*arguments: Any) -> None:
        await store_columns_part(*arguments)
        stored.append(arguments[3])
        if len(stored) > parts:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(keeper, "store_columns_part", store)
        with pytest.raises(KeyboardInterrupt):
            await keeper_of(database, part_items).keep_once()
    return stored


async def test_columns_hold_what_reports_need_of_each_item(database: Database) -> None:
    judged = Grade(1.0, True, judge={"asked_for": "json", "result": "good", "read_from": "json"})
    erred = Grade(0.0, False, error=ItemError("judge_refused", "The judge refused.", "judge"))
    run = await store_ended_run(
        database,
        item_with(0, '{"topic":"a","n":1}', grades=[judged, FAILED], sample=Sample(latency_ms=30, attempts=1)),
        item_with(1, '{"topic":"b","meta":{"lang":"en"}}', grades=[], sample=Sample(error=ERROR)),
        item_with(2, '{"topic":"a"}', grades=[PASSED, erred]),
        criteria=2,
    )
    await keeper_of(database).keep_once()

    columns = await load(database, run, 2, ("topic", "meta.lang", "n"))

    assert await list_outdated(database) == []
    assert columns.array("status").tolist() == [0, 2, 2]
    assert columns.array("latency").tolist() == [30, -1, -1]
    assert columns.outcome(0).tolist() == [1, 0, 1]
    assert columns.outcome(1).tolist() == [2, 0, 3]
    assert np.array_equal(columns.criterion_score(1), [0.0, np.nan, np.nan], equal_nan=True)
    assert columns.labels == {0: ["good"]}
    assert columns.label(0).tolist() == [1, 0, 0]
    assert columns.errors == [(ERROR.code, ERROR.message), ("judge_refused", "The judge refused.")]
    assert columns.array("error").tolist() == [0, 1, 2]
    assert columns.fields["topic"] == ["a", "b"]
    assert columns.field("topic").tolist() == [1, 2, 1]
    assert columns.field("meta.lang").tolist() == [0, 1, 0]
    assert columns.field("n").tolist() == [1, 0, 0]


async def test_columns_made_in_parts_equal_those_made_at_once(database: Database) -> None:
    items = [
        item_with(n, f'{{"n":{n},"third":{n % 3}}}', grades=[PASSED if n % 4 else FAILED], sample=Sample(latency_ms=n))
        for n in range(40)
    ]
    run = await store_ended_run(database, *items)
    at_once = await load(database, run, fields=("third", "n"))
    assert await list_outdated(database) != []

    await keeper_of(database, part_items=7).keep_once()
    in_parts = await load(database, run, fields=("third", "n"))

    assert await list_outdated(database) == []
    assert in_parts.count == at_once.count == len(items)
    for name in NAMES[:8]:
        assert in_parts.array(name).tolist() == at_once.array(name).tolist()
    assert in_parts.outcome(0).tolist() == at_once.outcome(0).tolist()
    assert in_parts.field("third").tolist() == at_once.field("third").tolist()
    assert in_parts.fields == at_once.fields


async def test_a_kill_amid_a_part_loses_none(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await store_ended_run(database, *[item_with(n, f'{{"n":{n}}}') for n in range(10)])
    parts = await until_killed(database, monkeypatch, part_items=3, parts=2)
    await keeper_of(database, part_items=4).keep_once()

    columns = await load(database, run)
    assert parts == [0, 1, 2]
    assert columns.array("position").tolist() == list(range(10))


async def test_columns_are_made_again_after_a_retry(database: Database) -> None:
    run = await store_ended_run(database, item_with(0, '{"n":0}', sample=Sample(error=ERROR), grades=[]))
    await keeper_of(database).keep_once()
    async with database.write() as tx:
        reopened = run.reopened()
        await save_reopened(tx, SCOPE, reopened, 300)
        await save_status(tx, SCOPE, reopened.to(RunStatus.IN_PROGRESS, 300), 300)
    await add_items(database, run, item_with(1, '{"n":1}'))
    await end_run(database, run)

    assert len(await list_outdated(database)) == 1
    await keeper_of(database).keep_once()

    assert (await load(database, run)).array("status").tolist() == [2, 1]


async def test_a_field_with_many_values_has_no_column(database: Database) -> None:
    items = [item_with(n, f'{{"n":{n},"half":{n % 2}}}') for n in range(300)]
    run = await store_ended_run(database, *items)
    await keeper_of(database, part_items=150).keep_once()

    columns = await load(database, run, fields=("n", "half"))

    assert columns.dropped == {"n"}
    assert columns.fields == {"half": [0, 1]}


async def test_a_large_run_that_has_not_ended_has_no_columns(database: Database) -> None:
    run = await store_active_run(database)
    async with database.write() as tx:
        await save_tally(tx, SCOPE, run.key, replace(NOTHING, passed=20_001))

    with pytest.raises(NoColumnsError):
        await load(database, run)


async def test_columns_of_an_imported_run_are_made_once_its_items_have_stopped_coming(database: Database) -> None:
    parent = await store_eval(database, make_eval(criteria=[{"id": "c", "name": "c", "type": "x"}]))
    async with database.write() as tx:
        key = await insert_run(tx, SCOPE, make_run(parent, status=RunStatus.COMPLETED, ended_at=100), imported_at=200)
        await insert_output_items(tx, SCOPE, key, [item_with(0, '{"n":0}')])
        await note_items_changed(tx, SCOPE, key)
    keeper = keeper_of(database)

    await keeper.keep_once()
    async with database.write() as tx:
        await insert_output_items(tx, SCOPE, key, [item_with(1, '{"n":1}')])
        await note_items_changed(tx, SCOPE, key)
    await keeper.keep_once()
    assert len(await list_outdated(database)) == 1

    await keeper.keep_once()
    assert await list_outdated(database) == []
