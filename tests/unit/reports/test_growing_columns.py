"""Facts about columns that are made while a run goes on: they equal those made afterwards, whatever happens."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from typing import Any

import pytest
from sqlalchemy import update

from evalhaven.domain.ids import RunId
from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.samples import ItemError, Sample
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.statuses import RunStatus
from evalhaven.graders.calculators import CalculatorPool
from evalhaven.reports.columns import keeper, loading
from evalhaven.reports.columns.keeper import ColumnsKeeper
from evalhaven.reports.columns.loading import NoColumnsError
from evalhaven.reports.columns.preparing import PreparedPart
from evalhaven.runs.patience import Patience
from evalhaven.storage.chunks import insert_chunks, mark_chunks_done, reopen_chunks
from evalhaven.storage.database import Database
from evalhaven.storage.output_item_writes import insert_output_items
from evalhaven.storage.purge import finish_run_purge
from evalhaven.storage.regrading import replace_mended_items
from evalhaven.storage.run_columns import OutdatedRun, find_columns_head, store_columns_part
from evalhaven.storage.run_writes import delete_run, save_plan, save_reopened, save_status, save_tally
from evalhaven.storage.runs import get_run
from evalhaven.storage.tables import output_items
from tests.unit.graders.computed import die
from tests.unit.reports.test_columns import end_run, item_with, keeper_of, list_outdated, load, until_killed
from tests.unit.storage.conftest import database, postgresql_database, sqlite_database
from tests.unit.storage.stored import FAILED, PASSED, make_eval, store_active_run, store_eval

__all__ = ["database", "postgresql_database", "sqlite_database"]

CHUNK = 5
CRITERIA = [{"id": f"c{n}", "name": f"c{n}", "type": "x"} for n in range(2)]
FIELDS = ("third", "lang", "n")
_NUMBERS = count(1)
REFUSED = ItemError("judge_refused", "The judge refused.", "judge")


def items_of(positions: Sequence[int], *, errors: Sequence[int] = ()) -> list[OutputItem]:
    """Return items at these positions, of which some are errored."""
    return [_item(n, is_errored=n in errors) for n in positions]


def _item(n: int, *, is_errored: bool) -> OutputItem:
    text = f'{{"n":{n},"third":{n % 3},"lang":"{"en" if n < 30 else "de"}"}}'
    if is_errored:
        error = ItemError("upstream_unreachable", f"Nothing listens there, {n % 2}.", "sampling")
        return item_with(n, text, sample=Sample(error=error), grades=[])
    judged = Grade(0.5, n % 2 == 0, judge={"asked_for": "json", "result": f"label {n % 4}", "read_from": "json"})
    second = Grade(0.0, False, error=REFUSED) if n >= 40 and n % 7 == 3 else PASSED if n % 5 else FAILED
    return item_with(n, text, sample=Sample(latency_ms=n, attempts=1), grades=[judged, second])


async def begin_run(database: Database, positions: int) -> Run:
    """Store a run under way that is planned, with chunks of five positions."""
    number = next(_NUMBERS)
    parent = await store_eval(database, make_eval(number, CRITERIA))
    run = await store_active_run(database, parent, id=RunId(f"evalrun_{number:032x}"))
    chunks = [Chunk(n, n * CHUNK, CHUNK, 0, 1) for n in range(positions // CHUNK)]
    async with database.write() as tx:
        if chunks:
            await insert_chunks(tx, SCOPE, run.key, chunks)
        await save_plan(tx, SCOPE, run.key, positions, 100)
    return run


async def store_batch(database: Database, run: Run, items: Sequence[OutputItem], done: Sequence[int] = ()) -> None:
    """Store items as the executor does, those that mend others included, and chunks that are done with them."""
    async with database.write() as tx:
        tally = (await get_run(tx, SCOPE, run.eval_id, run.id)).tally
        new = [*await insert_output_items(tx, SCOPE, run.key, items)]
        mended = await replace_mended_items(tx, SCOPE, run.key, items)
        tally = tally.without([older for older, _ in mended], len(CRITERIA))
        new += [item for _, item in mended]
        await save_tally(tx, SCOPE, run.key, tally.fold(new, len(CRITERIA)), is_progress=bool(new))
        await mark_chunks_done(tx, SCOPE, run.key, done)


async def store_chunks(database: Database, run: Run, numbers: Sequence[int], errors: Sequence[int] = ()) -> None:
    """Store all items of some chunks, which are done then."""
    for number in numbers:
        positions = range(number * CHUNK, (number + 1) * CHUNK)
        await store_batch(database, run, items_of(positions, errors=errors), [number])


async def cancel_run(database: Database, run: Run) -> Run:
    """Cancel a run."""
    async with database.write() as tx:
        ended = (await get_run(tx, SCOPE, run.eval_id, run.id)).to(RunStatus.CANCELED, 200)
        await save_status(tx, SCOPE, ended, 200)
        return ended


async def retry_run(database: Database, ended: Run) -> Run:
    """Retry a run that has ended."""
    async with database.write() as tx:
        reopened = ended.reopened()
        await save_reopened(tx, SCOPE, reopened, 300)
        await reopen_chunks(tx, SCOPE, ended.key)
        started = reopened.to(RunStatus.IN_PROGRESS, 300)
        await save_status(tx, SCOPE, started, 300)
        return started


async def parts_of(database: Database, run: Run) -> int:
    """Return how many parts of a run's columns are stored."""
    head = await database.fetch(partial(find_columns_head, scope=SCOPE, run_key=run.key))
    return 0 if head is None else head.parts


def record_parts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list to which the number of each part is added that is stored from now on."""
    stored: list[int] = []

    async def store(*arguments: Any) -> None:
        await store_columns_part(*arguments)
        stored.append(arguments[3])

    monkeypatch.setattr(keeper, "store_columns_part", store)
    return stored


async def shown(database: Database, run: Run) -> list[dict[str, Any]]:
    """Return what the columns of a run say of each item, in words: the numbers of words may differ."""
    columns = await load(database, run, len(CRITERIA), FIELDS)
    by_name = {name: columns.array(name).tolist() for name in ("key", "position", "repeat", "status", "latency")}
    by_name["error"] = _words(columns.array("error"), columns.errors)
    for n in range(len(CRITERIA)):
        by_name[f"outcome {n}"] = columns.outcome(n).tolist()
        by_name[f"score {n}"] = [str(score) for score in columns.criterion_score(n).tolist()]
        if n in columns.labels:
            by_name[f"label {n}"] = _words(columns.label(n), columns.labels[n])
    for name in columns.fields:
        by_name[name] = _words(columns.field(name), columns.fields[name])
    return [dict(zip(by_name, values, strict=True)) for values in zip(*by_name.values(), strict=True)]


def _words(codes: Any, texts: Sequence[Any]) -> list[Any]:
    return [None if code == 0 else texts[code - 1] for code in codes.tolist()]


async def made_of_rows(database: Database, items: Sequence[OutputItem]) -> list[dict[str, Any]]:
    """Return what columns say of the same items in a run whose columns are not stored."""
    twin = await begin_run(database, 0)
    await store_batch(database, twin, items)
    assert await parts_of(database, twin) == 0
    return await shown(database, twin)


async def test_columns_of_a_run_under_way_equal_those_made_afterwards(database: Database) -> None:
    run = await begin_run(database, 60)
    keeper = keeper_of(database, part_items=7)
    stored: list[int] = []
    parts: list[int] = []
    for chunks in ([0, 2], [1], [4, 3, 6, 7], [5, 8, 9]):
        await store_chunks(database, run, chunks, errors=[4, 17, 33])
        stored += [n * CHUNK + each for n in chunks for each in range(CHUNK)]
        await keeper.keep_once()
        parts.append(await parts_of(database, run))
        assert await shown(database, run) == await made_of_rows(database, items_of(sorted(stored), errors=[4, 17, 33]))
    await store_chunks(database, run, [10, 11])
    await end_run(database, run)
    items = items_of(range(60), errors=[4, 17, 33])
    before_the_last_parts = await shown(database, run)
    await keeper.keep_once()

    # Half of a part is enough to be made, but not behind a chunk that is not done.
    assert parts == [1, 3, 5, 9]
    assert before_the_last_parts == await made_of_rows(database, items)
    assert await shown(database, run) == before_the_last_parts
    assert await list_outdated(database) == []
    assert await parts_of(database, run) == 11


async def test_a_run_under_way_goes_on_with_its_columns_after_a_kill(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await begin_run(database, 40)
    await store_chunks(database, run, range(6), errors=[8])
    parts = await until_killed(database, monkeypatch, part_items=4, parts=3)
    after_the_kill = await parts_of(database, run)
    await store_chunks(database, run, [6, 7])
    await end_run(database, run)
    whole_before = await shown(database, run)
    await keeper_of(database, part_items=4).keep_once()

    assert (parts, after_the_kill, await parts_of(database, run)) == ([0, 1, 2, 3], 3, 10)
    assert whole_before == await shown(database, run)
    assert whole_before == await made_of_rows(database, items_of(range(40), errors=[8]))


async def test_a_retry_makes_only_the_parts_again_that_have_errors(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await begin_run(database, 40)
    await store_chunks(database, run, range(8), errors=[9, 31, 33])
    ended = await end_run(database, run)
    await keeper_of(database, part_items=8).keep_once()
    made = record_parts(monkeypatch)

    await retry_run(database, ended)
    await store_batch(database, run, items_of([9]), [0])
    mended_but_not_done = await shown(database, run)
    await keeper_of(database, part_items=8).keep_once()
    made_too_early = [*made]
    await store_batch(database, run, items_of([31]), range(1, 8))
    await keeper_of(database, part_items=8).keep_once()
    made_while_it_goes_on = [*made]
    await end_run(database, run)
    await keeper_of(database, part_items=8).keep_once()

    assert mended_but_not_done == await made_of_rows(database, items_of(range(40), errors=[31, 33]))
    assert (made_too_early, made_while_it_goes_on, made) == ([], [1, 3, 4], [1, 3, 4])
    assert await shown(database, run) == await made_of_rows(database, items_of(range(40), errors=[33]))
    assert await list_outdated(database) == []


async def test_a_retry_adds_what_was_missing_when_a_run_was_canceled(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await begin_run(database, 40)
    await store_chunks(database, run, range(4), errors=[6])
    await keeper_of(database, part_items=8).keep_once()
    await store_chunks(database, run, [5, 7])  # the chunk between them was under way
    await store_batch(database, run, items_of([22, 31]))
    ended = await cancel_run(database, run)
    await keeper_of(database, part_items=8).keep_once()
    canceled, parts = await shown(database, run), await parts_of(database, run)
    left = [*range(20), 22, *range(25, 30), 31, *range(35, 40)]
    assert canceled == await made_of_rows(database, items_of(left, errors=[6]))
    assert (parts, await list_outdated(database)) == (5, [])

    made = record_parts(monkeypatch)
    again = await retry_run(database, ended)
    await store_batch(database, again, items_of([6, *range(40)]), range(5))
    assert await shown(database, run) == await made_of_rows(database, items_of(range(40)))
    await end_run(database, again)
    await keeper_of(database, part_items=8).keep_once()

    assert await shown(database, run) == await made_of_rows(database, items_of(range(40)))
    assert (made, await list_outdated(database)) == ([0, 3, 4, 5], [])


async def test_a_retry_that_changes_nothing_leaves_the_columns(database: Database) -> None:
    run = await begin_run(database, 10)
    await store_chunks(database, run, [0, 1], errors=[3])
    ended = await end_run(database, run)
    await keeper_of(database, part_items=4).keep_once()
    columns = await shown(database, run)
    await retry_run(database, ended)
    await store_batch(database, run, items_of([3], errors=[3]), [0, 1])

    assert await shown(database, run) == columns
    await end_run(database, run)
    assert await list_outdated(database) == []
    assert await shown(database, run) == columns


async def test_a_run_is_read_item_by_item_only_while_few_of_its_items_have_no_columns(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "SMALL_RUN_ITEMS", 12)
    run = await begin_run(database, 40)
    await store_chunks(database, run, [1, 2, 3])
    with pytest.raises(NoColumnsError):
        await shown(database, run)
    await keeper_of(database, part_items=7).keep_once()
    with pytest.raises(NoColumnsError):  # the first chunk is not done
        await shown(database, run)
    await store_chunks(database, run, [0])
    await keeper_of(database, part_items=7).keep_once()

    assert len(await shown(database, run)) == 20


async def test_columns_of_a_run_that_is_deleted_meanwhile_are_not_stored(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await begin_run(database, 25)
    await store_chunks(database, run, range(4))
    keeper = keeper_of(database, part_items=15)
    prepare = keeper._prepare  # pyright: ignore[reportPrivateUsage] - between it and the write, anything may happen

    async def prepare_and_purge(outdated: OutdatedRun) -> PreparedPart | None:
        prepared = await prepare(outdated)
        async with database.write() as tx:
            await delete_run(tx, SCOPE, run.key, 300)
            await finish_run_purge(tx, SCOPE, run.key, 300)
        assert prepared is not None
        return prepared

    monkeypatch.setattr(keeper, "_prepare", prepare_and_purge)
    await keeper.keep_once()

    assert await parts_of(database, run) == 0


async def test_runs_under_way_and_a_few_that_have_ended_have_their_turns_for_a_part(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = [await begin_run(database, 20) for _ in range(10)]
    for run in ended:
        await store_chunks(database, run, range(4))
        await end_run(database, run)
    growing = await begin_run(database, 25)
    await store_chunks(database, growing, range(4))
    turns: list[int] = []

    async def store(*arguments: Any) -> None:
        await store_columns_part(*arguments)
        turns.append(arguments[2])

    monkeypatch.setattr(keeper, "store_columns_part", store)
    await keeper_of(database, part_items=10).keep_once()

    newest, oldest = [run.key for run in ended[:1:-1]], [run.key for run in ended[:2]]
    assert turns[:18] == [growing.key, *newest, growing.key, *newest]
    assert sorted(turns[18:]) == sorted(2 * oldest)


class DyingCalculators(CalculatorPool):
    """Calculators of which the first dies before it has a result."""

    calls = 0

    async def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Call a function in a calculator."""
        self.calls += 1
        if self.calls == 1:
            return await super().call(die)
        return await super().call(function, *arguments)


async def test_parts_of_a_larger_run_are_made_in_another_process_and_again_if_that_dies(database: Database) -> None:
    run = await begin_run(database, 2_005)
    items = items_of(range(2_005), errors=[9])
    await store_batch(database, run, items, range(401))
    made_at_once = await shown(database, run)
    await end_run(database, run)
    async with DyingCalculators(1) as calculators:
        keeper = ColumnsKeeper(database, calculators, Patience(), part_items=1_500)
        await keeper.keep_once()
        after_the_death = await parts_of(database, run)
        await keeper.keep_once()

    assert (after_the_death, await parts_of(database, run), calculators.calls) == (0, 2, 3)
    assert await shown(database, run) == made_at_once


async def test_rows_that_cannot_be_read_keep_only_their_own_run_from_having_columns(database: Database) -> None:
    broken, other = await begin_run(database, 15), await begin_run(database, 15)
    for run in (broken, other):
        await store_chunks(database, run, [0, 1])
    async with database.write() as tx:
        await tx.execute(update(output_items).where(output_items.c.run_key == broken.key).values(grades="[["))
    keeper = keeper_of(database, part_items=4)
    await keeper.keep_once()
    assert [await parts_of(database, run) for run in (broken, other)] == [0, 3]

    async with database.write() as tx:
        await tx.execute(update(output_items).where(output_items.c.run_key == broken.key).values(grades="[]"))
    await end_run(database, broken)
    await keeper.keep_once()
    assert await parts_of(database, broken) == 3
