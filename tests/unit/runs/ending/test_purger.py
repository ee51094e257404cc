"""Facts about the purger and the sweep of blobs."""

import os
import time

import anyio
import pytest
from sqlalchemy import func, select
from structlog.testing import capture_logs

from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.ending import purge
from evalhaven.runs.ending.purge import Purger, sweep_blobs, sweep_hourly
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.conductor import RunConductor
from evalhaven.storage.eval_writes import delete_eval
from evalhaven.storage.events import KEPT_S, record_event
from evalhaven.storage.files import delete_file
from evalhaven.storage.purge import purge_output_items
from evalhaven.storage.run_writes import delete_run
from evalhaven.storage.tables import chunks, evals, events, files, output_items, runs
from tests.unit.runs.executed import inline_run, lines, read_run, row_of, stored_eval
from tests.unit.storage.stored import blob_path, make_file, make_run, store_file, store_run

ROWS = lines([row_of(number) for number in range(600)])


def purger_of(engine: Engine) -> Purger:
    """Return a purger."""
    return Purger(engine.database, engine.blobs, engine.clock, engine.patience)


async def count_rows(engine: Engine) -> list[int]:
    """Return how many output items and chunks are stored."""
    async with engine.database.read() as tx:
        return [
            (await tx.execute(select(func.count()).select_from(table))).scalar_one() for table in (output_items, chunks)
        ]


async def test_a_deleted_run_leaves_neither_items_nor_chunks_nor_rows(engine: Engine) -> None:
    run = await inline_run(engine, ROWS)
    await RunConductor(engine, run.scope, run.key).conduct_run()
    async with engine.database.write() as tx:
        await delete_run(tx, SCOPE, run.key, 200)
    await purger_of(engine).purge_once()

    assert await count_rows(engine) == [0, 0]
    assert not blob_path(engine.blobs, run.id).exists()


async def test_a_purge_that_was_cut_short_is_finished_by_the_next(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await inline_run(engine, ROWS)
    await RunConductor(engine, run.scope, run.key).conduct_run()
    async with engine.database.write() as tx:
        await delete_run(tx, SCOPE, run.key, 200)
    calls = 0

    async def dying_purge(*arguments: object) -> tuple[int, int] | None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return await purge_output_items(*arguments)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(purge, "purge_output_items", dying_purge)
    with pytest.raises(KeyboardInterrupt):
        await purger_of(engine).purge_once()
    assert (await count_rows(engine))[0] == 600 - 256
    monkeypatch.undo()
    await purger_of(engine).purge_once()

    assert await count_rows(engine) == [0, 0]


async def test_a_deleted_eval_is_purged_with_its_runs(engine: Engine) -> None:
    parent = await stored_eval(engine)
    made = [await inline_run(engine, ROWS, number, parent, status=RunStatus.CANCELED) for number in (1, 2)]
    async with engine.database.write() as tx:
        await delete_eval(tx, SCOPE, parent.key, 200)
    await purger_of(engine).purge_once()
    async with engine.database.read() as tx:
        assert (await tx.execute(select(evals.c.purged_at))).scalars().all() == [1000]
        assert (await tx.execute(select(runs.c.purged_at))).scalars().all() == [1000, 1000]

    assert not any(blob_path(engine.blobs, run.id).exists() for run in made)


async def test_files_are_purged_once_they_expire_or_are_deleted_and_nothing_reads_them(engine: Engine) -> None:
    expired = await store_file(engine.database, make_file(1, expires_at=900))
    deleted = await store_file(engine.database, make_file(2))
    kept = await store_file(engine.database, make_file(3, expires_at=1001))
    read = await store_file(engine.database, make_file(4))
    run = await store_run(engine.database, make_run(await stored_eval(engine), file_id=read.id, has_inline_rows=False))
    for file in (expired, deleted, kept, read):
        blob_path(engine.blobs, file.id).write_bytes(ROWS)
    async with engine.database.write() as tx:
        await delete_file(tx, SCOPE, deleted.key, 200)
        await delete_file(tx, SCOPE, read.key, 200)
    await purger_of(engine).purge_once()
    assert [blob_path(engine.blobs, file.id).exists() for file in (expired, deleted, kept, read)] == [
        False,
        False,
        True,
        True,
    ]

    await RunConductor(engine, run.scope, run.key).conduct_run()
    assert (await read_run(engine, run)).status is RunStatus.COMPLETED
    await purger_of(engine).purge_once()
    assert not blob_path(engine.blobs, read.id).exists()
    async with engine.database.read() as tx:
        names = (await tx.execute(select(files.c.filename).order_by(files.c.key))).scalars().all()
    assert names == ["", "", "rows.jsonl", ""]


async def test_old_events_that_nobody_waits_for_are_forgotten(engine: Engine) -> None:
    async with engine.database.write() as tx:
        await record_event(tx, SCOPE, "eval.run.succeeded", "old", 999 - KEPT_S)
        await record_event(tx, SCOPE, "eval.run.succeeded", "new", 1000 - KEPT_S)
    await purger_of(engine).purge_once()
    async with engine.database.read() as tx:
        assert (await tx.execute(select(events.c.object_id))).scalars().all() == ["new"]


def commit_blob(engine: Engine, name: str) -> None:
    """Write a blob, as a request does before it stores the row."""
    with engine.blobs.writer() as writer:
        writer.write(b"x")
        writer.commit(DEFAULT_PROJECT, name)


async def test_the_sweep_removes_blobs_whose_row_never_came(engine: Engine) -> None:
    run = await inline_run(engine, ROWS)
    file = await store_file(engine.database)
    for name in (file.id, "evalrun_stray", "file-stray", "file-stray2"):
        commit_blob(engine, name)
    parts = blob_path(engine.blobs, "x").parent.parent / "parts"
    (parts / "left").write_bytes(b"x")
    await sweep_blobs(engine.database, engine.blobs, at_once=2)

    assert {name for _, batch in engine.blobs.names(at_once=9) for name in batch} == {run.id, file.id}
    assert list(parts.iterdir()) == []
    assert list(engine.blobs.unnamed(9)) == []


async def test_the_sweep_leaves_blobs_that_it_does_not_know_and_says_so(engine: Engine) -> None:
    run = await inline_run(engine, ROWS)
    strays = {f"file-stray{number}" for number in range(5)}
    for name in strays:
        blob_path(engine.blobs, name).write_bytes(b"x")
    with capture_logs() as logs:
        await sweep_blobs(engine.database, engine.blobs, at_once=2, most_shown=2)

    assert {name for _, batch in engine.blobs.names(at_once=9) for name in batch} == {run.id, *strays}
    [told] = logs
    assert (told["event"], told["count"]) == ("unknown_blobs_kept", 5)
    assert len(told["such_as"].split(", ")) == 2


async def test_nothing_is_said_where_every_blob_is_known(engine: Engine) -> None:
    await inline_run(engine, ROWS)
    with capture_logs() as logs:
        await sweep_blobs(engine.database, engine.blobs)

    assert logs == []


async def test_the_sweep_leaves_alone_what_others_may_be_writing(engine: Engine) -> None:
    run = await inline_run(engine, ROWS)
    parts = blob_path(engine.blobs, "x").parent.parent / "parts"
    marks = parts.parent / "unnamed" / str(SCOPE.project_id)
    for age in ("young", "old"):
        commit_blob(engine, f"file-{age}")
        (parts / age).write_bytes(b"x")
    long_ago = time.time() - 7200
    for path in (marks / "file-old", parts / "old"):
        os.utime(path, (long_ago, long_ago))
    with capture_logs() as logs:
        await sweep_blobs(engine.database, engine.blobs, spared_s=3600)

    assert {name for _, batch in engine.blobs.names(at_once=9) for name in batch} == {run.id, "file-young"}
    assert [path.name for path in parts.iterdir()] == ["young"]
    assert [names for _, names in engine.blobs.unnamed(9)] == [["file-young"]]
    # What is being written is not unknown.
    assert [each["event"] for each in logs] == ["orphan_blob_removed"]


async def test_what_is_left_without_a_start_is_swept_later(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "_BETWEEN_SWEEPS_S", 0.01)
    commit_blob(engine, "file-stray")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sweep_hourly, engine.database, engine.blobs, 0.0)
        while [*engine.blobs.unnamed(9)]:  # noqa: ASYNC110 - nobody tells of a sweep
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert [*engine.blobs.names(at_once=9)] == []
