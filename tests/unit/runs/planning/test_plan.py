"""Facts about the plan of a run: rows checked, then cut into chunks."""

import json
from itertools import pairwise
from typing import Any

import pytest

from evalhaven.domain.errors import InvalidRowsError
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.planning.plan import RunPlanner
from evalhaven.runs.rows.parsing import MAX_ROW_BYTES
from evalhaven.runs.sources.file_rows import FileRows
from evalhaven.runs.sources.source import CHUNK_ROWS, Cut
from evalhaven.runs.sources.source_file import source_blob
from evalhaven.storage.chunks import insert_chunks
from tests.databases import ON_SQLITE_ONLY
from tests.unit.runs.executed import cancel, inline_run, lines, read_chunks, read_run, row_of
from tests.unit.storage.stored import OTHER_PROJECT, add_project, blob_path, make_run, store_eval, store_file, store_run

NUMBERED = ItemSchema({"properties": {"n": {"type": "integer"}}})


async def plan_run(engine: Engine, run: Run, *, is_stopped: bool = False) -> int:
    """Plan a run."""
    return await RunPlanner(engine, run, lambda: is_stopped).plan_run(NUMBERED)


async def file_run(engine: Engine, content: bytes) -> Run:
    """Store a run over an uploaded file."""
    file = await store_file(engine.database)
    parent = await store_eval(engine.database)
    new = make_run(parent, file_id=file.id, has_inline_rows=False, status=RunStatus.IN_PROGRESS)
    blob_path(engine.blobs, file.id).write_bytes(content)
    return await store_run(engine.database, new)


@pytest.mark.parametrize("rows", [1, 499, 500, 501, 1700])
async def test_chunks_cover_every_row_once_in_order(engine: Engine, rows: int) -> None:
    content = lines([row_of(number) for number in range(rows)])
    run = await inline_run(engine, content)

    assert await plan_run(engine, run) == rows == (await read_run(engine, run)).items_planned
    chunks = await read_chunks(engine, run)
    assert [chunk.number for chunk in chunks] == list(range(-(-rows // CHUNK_ROWS)))
    assert all(chunk.row_count == CHUNK_ROWS for chunk in chunks[:-1])
    assert (chunks[0].first_position, chunks[0].byte_start, chunks[-1].byte_end) == (0, 0, len(content))
    for one, other in pairwise(chunks):
        assert (one.byte_end, one.first_position + one.row_count) == (other.byte_start, other.first_position)


async def test_large_rows_make_small_chunks(engine: Engine) -> None:
    sizes = [10, 10, 400, 5000, 10, 800]
    run = await inline_run(engine, lines([{"item": {"a": "x" * size}} for size in sizes]))
    cut = await FileRows(engine, run, chunk_bytes=1000).cut(NUMBERED, lambda: False)

    assert [chunk.row_count for chunk in cut.chunks] == [3, 1, 2]


async def test_blank_lines_are_no_rows(engine: Engine) -> None:
    run = await file_run(engine, b'\xef\xbb\xbf{"item":{"n":1}}\n\n  \r\n{"item":{"n":2}}')

    assert await plan_run(engine, run) == 2


async def test_a_plan_that_was_cut_short_is_made_again_the_same(engine: Engine) -> None:
    run = await inline_run(engine, lines([row_of(number) for number in range(1200)]))
    async with engine.database.write() as tx:
        await insert_chunks(tx, run.scope, run.key, [Chunk(0, 0, 7, 0, 7), Chunk(9, 100, 7, 0, 7)])
    await plan_run(engine, run)
    first = await read_chunks(engine, run)
    await plan_run(engine, run)

    assert await read_chunks(engine, run) == first
    assert [chunk.row_count for chunk in first] == [500, 500, 200]


async def test_a_run_counts_as_planned_only_when_all_of_its_chunks_are_stored(engine: Engine) -> None:
    run = await inline_run(engine, lines([row_of(number) for number in range(1200)]))
    planned_before: list[int | None] = []

    class WatchedPlanner(RunPlanner):
        async def _store(self, write: Any, planned: Cut | None) -> None:
            planned_before.append((await read_run(engine, run)).items_planned)
            await super()._store(write, planned)

    await WatchedPlanner(engine, run, lambda: False, chunks_a_transaction=1).plan_run(NUMBERED)

    # One for each chunk; what was there before is deleted with the first, and the last one plans the run.
    assert planned_before == [None] * 3
    assert (await read_run(engine, run)).items_planned == 1200


@ON_SQLITE_ONLY
async def test_broken_rows_of_a_file_are_named_by_line(engine: Engine) -> None:
    rows = [json.dumps(row_of(number)) for number in range(3000)]
    rows[69] = '{"item": {"n": 5'
    rows[2500] = '{"item": {"n": "x"}}'
    rows[2600] = '{"x": 1}'
    run = await file_run(engine, "\n\n".join(rows).encode())
    with pytest.raises(InvalidRowsError) as refusal:
        await plan_run(engine, run)

    assert "line 139: it is not valid JSON" in refusal.value.message
    assert (
        'line 5001: its item does not match the item schema: /n: "x" is not of type "integer".' in refusal.value.message
    )
    assert "line 5201: it must be a JSON object with the key 'item'." in refusal.value.message
    assert await read_chunks(engine, run) == []
    assert (await read_run(engine, run)).items_planned is None


@ON_SQLITE_ONLY
async def test_at_most_ten_lines_are_named(engine: Engine) -> None:
    run = await file_run(engine, b"[]\n" * 100)
    with pytest.raises(InvalidRowsError) as refusal:
        await plan_run(engine, run)

    assert refusal.value.message.count("line ") == 10
    assert refusal.value.message.endswith(" The lines after these were not looked at.")


@ON_SQLITE_ONLY
@pytest.mark.parametrize("content", [b"", b"\n \r\n", b"\xef\xbb\xbf"])
async def test_a_file_without_rows_is_refused(engine: Engine, content: bytes) -> None:
    with pytest.raises(InvalidRowsError, match="has no rows"):
        await plan_run(engine, await file_run(engine, content))


async def test_a_file_that_is_gone_is_refused(engine: Engine) -> None:
    run = await file_run(engine, b"")
    engine.blobs.delete(run.scope, source_blob(run))
    with pytest.raises(InvalidRowsError, match=f"The file '{run.file_id}' of the data source is gone"):
        await plan_run(engine, run)


async def test_a_run_reads_the_file_of_its_own_project(engine: Engine) -> None:
    await add_project(engine.database)
    mine = await file_run(engine, b'{"item":{"n":1}}\n')
    theirs = await store_file(engine.database, scope=OTHER_PROJECT)
    blob_path(engine.blobs, theirs.id, OTHER_PROJECT).write_bytes(b'{"item":{"n":1}}\n{"item":{"n":2}}\n')
    parent = await store_eval(engine.database, scope=OTHER_PROJECT)
    new = make_run(parent, 1, OTHER_PROJECT, file_id=theirs.id, has_inline_rows=False, status=RunStatus.IN_PROGRESS)
    run = await store_run(engine.database, new)

    assert (run.id, run.file_id) == (mine.id, mine.file_id)
    assert await plan_run(engine, mine) == 1
    assert await plan_run(engine, run) == 2


@ON_SQLITE_ONLY
async def test_a_line_over_the_limit_is_refused_by_its_number(engine: Engine) -> None:
    with pytest.raises(InvalidRowsError, match="cannot be read: Line 2 is longer"):
        await plan_run(engine, await file_run(engine, b'{"item":{}}\n' + b"x" * (MAX_ROW_BYTES + 1)))


async def test_a_stopped_run_is_not_planned(engine: Engine) -> None:
    run = await inline_run(engine, lines([row_of(number) for number in range(10)]))
    with pytest.raises(RunStoppedError):
        await plan_run(engine, run, is_stopped=True)
    await cancel(engine, run)
    with pytest.raises(RunStoppedError):
        await plan_run(engine, run)

    assert await read_chunks(engine, run) == []
