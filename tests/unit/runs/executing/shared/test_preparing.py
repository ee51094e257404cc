"""Facts about the preparation of a run: who has planned it has its first chunk, and only who has the job plans it."""

from collections.abc import Sequence

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.evals import Eval
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.executing.ending import RunEnding
from evalhaven.runs.executing.opening import open_run
from evalhaven.runs.executing.shared.preparing import RunPreparation
from evalhaven.runs.executing.shared.upkeep import Upkeep
from evalhaven.runs.sources.source import CHUNK_ROWS
from evalhaven.storage.queue.jobs import submit_plan
from tests.databases import ON_POSTGRESQL_ONLY
from tests.unit.runs.executed import inline_run, lines, read_run, row_of, stored_eval

pytestmark = ON_POSTGRESQL_ONLY


async def query(engine: Engine, statement: str) -> Sequence[tuple[object, ...]]:
    async with engine.database.write() as tx:
        found = await tx.execute(text(statement))
        return [tuple(row) for row in found.all()] if found.returns_rows else []


async def jobs(engine: Engine) -> list[tuple[object, ...]]:
    statement = "SELECT queueing_lock, task_name, CAST(status AS text) FROM procrastinate_jobs ORDER BY id"
    return list(await query(engine, statement))


async def claimed_plan(engine: Engine, parent: Eval, chunks: int) -> tuple[Run, int]:
    """Store a run and have a worker claim its plan; return the run and the job."""
    rows = lines([row_of(n) for n in range((chunks - 1) * CHUNK_ROWS + 1)])
    run = await inline_run(engine, rows, parent=parent, status=RunStatus.QUEUED)
    async with engine.database.write() as tx:
        await submit_plan(tx, run.key)
    await query(engine, "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now())")
    claim = "SELECT (procrastinate_fetch_job_v2(NULL, (SELECT max(id) FROM procrastinate_workers))).id"
    ((job_id,),) = await query(engine, claim)
    return run, int(str(job_id))


async def prepared(engine: Engine, parent: Eval, run: Run, job_id: int) -> tuple[int, Chunk | None]:
    async def begin(_tx: AsyncConnection) -> None:
        pass

    guard = RunGuard(run.options.budget, run.tally.spending, anyio.Event())
    async with open_run(engine, run, parent, guard) as opened:
        return await RunPreparation(opened, RunEnding(engine, run), job_id, lambda: False, 1).prepare(begin)


async def test_the_job_of_a_plan_becomes_that_of_the_first_chunk_and_others_get_the_next(engine: Engine) -> None:
    parent = await stored_eval(engine)
    run, job_id = await claimed_plan(engine, parent, chunks=4)
    items, first = await prepared(engine, parent, run, job_id)

    assert (items, first is not None and first.number) == (3 * CHUNK_ROWS + 1, 0)
    assert await jobs(engine) == [
        (f"{run.key}:0", "chunk", "doing"),
        *((f"{run.key}:{number}", "chunk", "todo") for number in (1, 2)),
    ]
    # What is said of chunks holds for that one: a death of its worker is counted.
    await query(engine, "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 h'")
    await Upkeep(engine, 30.0, most_runs=64).sweep()
    assert (await read_run(engine, run)).deaths == 1


async def test_a_run_of_one_chunk_needs_no_other_job(engine: Engine) -> None:
    parent = await stored_eval(engine)
    run, job_id = await claimed_plan(engine, parent, chunks=1)
    await prepared(engine, parent, run, job_id)
    await Upkeep(engine, 30.0, most_runs=64).reconcile()

    assert await jobs(engine) == [(f"{run.key}:0", "chunk", "doing")]
    assert (await read_run(engine, run)).status is RunStatus.IN_PROGRESS


async def test_who_has_lost_the_job_plans_nothing(engine: Engine) -> None:
    parent = await stored_eval(engine)
    run, job_id = await claimed_plan(engine, parent, chunks=1)
    await query(engine, "DELETE FROM procrastinate_jobs")
    with pytest.raises(RunStoppedError):
        await prepared(engine, parent, run, job_id)

    assert (await read_run(engine, run)).items_planned is None
    assert await jobs(engine) == []
