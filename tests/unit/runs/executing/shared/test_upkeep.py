"""Facts about upkeep: what has no job gets one, what the dead had is handed out again, and what is left over ends."""

from collections.abc import Sequence

from sqlalchemy import text

from evalhaven.domain.evals import Eval
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import EngineScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.shared.upkeep import Upkeep
from evalhaven.runs.planning.plan import RunPlanner
from evalhaven.runs.sources.source import CHUNK_ROWS
from evalhaven.storage.chunks import mark_chunks_done
from evalhaven.storage.queue.workers import WorkerFacts, enter_worker
from tests.databases import ON_POSTGRESQL_ONLY
from tests.unit.runs.executed import cancel, inline_run, lines, read_run, row_of, stored_eval

pytestmark = ON_POSTGRESQL_ONLY
LEASE_S = 30.0


async def query(engine: Engine, statement: str, **values: object) -> Sequence[tuple[object, ...]]:
    async with engine.database.write() as tx:
        found = await tx.execute(text(statement), values)
        return [tuple(row) for row in found.all()] if found.returns_rows else []


async def jobs(engine: Engine) -> list[tuple[object, ...]]:
    statement = "SELECT queueing_lock, CAST(status AS text) FROM procrastinate_jobs ORDER BY id"
    return list(await query(engine, statement))


async def planned_run(engine: Engine, chunks: int, number: int = 1, parent: Eval | None = None) -> Run:
    run = await inline_run(engine, lines([row_of(n) for n in range((chunks - 1) * CHUNK_ROWS + 1)]), number, parent)
    await RunPlanner(engine, run, lambda: False).plan_run(ItemSchema(True))
    return await read_run(engine, run)


async def new_worker(engine: Engine, seat: str = "", silent_s: float = 0.0) -> int:
    insert = """INSERT INTO procrastinate_workers (last_heartbeat)
        VALUES (now() - make_interval(0, 0, 0, 0, 0, 0, :silent_s)) RETURNING id"""
    (row,) = await query(engine, insert, silent_s=silent_s)
    async with engine.database.write() as tx:
        await enter_worker(tx, EngineScope(), int(str(row[0])), WorkerFacts(seat, "here", 1, "0"))
    return int(str(row[0]))


async def take_job(engine: Engine, worker: int) -> None:
    """Claim the oldest job as a worker does."""
    await query(engine, "SELECT id FROM procrastinate_fetch_job_v2(NULL, :worker)", worker=worker)


def upkeep_of(engine: Engine) -> Upkeep:
    return Upkeep(engine, LEASE_S, most_runs=64)


async def test_a_run_that_is_not_planned_is_to_be_planned_once(engine: Engine) -> None:
    run = await inline_run(engine, lines([row_of(0)]), status=RunStatus.QUEUED)
    for _ in range(2):
        await upkeep_of(engine).reconcile()

    assert await jobs(engine) == [(f"{run.key}", "todo")]
    await take_job(engine, await new_worker(engine))
    await upkeep_of(engine).reconcile()
    assert await jobs(engine) == [(f"{run.key}", "doing")]


async def test_as_many_chunks_wait_as_there_are_workers_and_two_at_least(engine: Engine) -> None:
    run = await planned_run(engine, chunks=6)
    upkeep = upkeep_of(engine)
    await upkeep.reconcile()
    assert await jobs(engine) == [(f"{run.key}:0", "todo"), (f"{run.key}:1", "todo")]

    worker = await new_worker(engine)
    await take_job(engine, worker)
    for _ in range(2):
        await new_worker(engine)
    await new_worker(engine, silent_s=LEASE_S + 1)
    await upkeep.reconcile()
    assert await jobs(engine) == [
        (f"{run.key}:0", "doing"),
        *((f"{run.key}:{number}", "todo") for number in (1, 2, 3)),
    ]


async def test_a_chunk_whose_job_is_lost_gets_another_and_one_that_is_done_does_not(engine: Engine) -> None:
    run = await planned_run(engine, chunks=3)
    await upkeep_of(engine).reconcile()
    await query(engine, "DELETE FROM procrastinate_jobs")
    async with engine.database.write() as tx:
        await mark_chunks_done(tx, run.scope, run.key, [0])
    await upkeep_of(engine).reconcile()

    assert await jobs(engine) == [(f"{run.key}:1", "todo"), (f"{run.key}:2", "todo")]


async def test_a_run_with_nothing_left_to_do_is_completed(engine: Engine) -> None:
    run = await planned_run(engine, chunks=2)
    async with engine.database.write() as tx:
        await mark_chunks_done(tx, run.scope, run.key, [0, 1])
    await upkeep_of(engine).reconcile()

    assert (await read_run(engine, run)).status is RunStatus.COMPLETED
    assert await jobs(engine) == []


async def test_jobs_of_a_run_that_is_over_are_dropped(engine: Engine) -> None:
    run = await planned_run(engine, chunks=3)
    await upkeep_of(engine).reconcile()
    await cancel(engine, run)
    await upkeep_of(engine).reconcile()

    assert await jobs(engine) == []


async def test_what_silent_workers_had_is_handed_out_again_and_counts_as_a_death(engine: Engine) -> None:
    run = await planned_run(engine, chunks=3)
    upkeep = upkeep_of(engine)
    await upkeep.reconcile()
    alive, silent = await new_worker(engine), await new_worker(engine, silent_s=LEASE_S + 1)
    await take_job(engine, alive)
    await take_job(engine, silent)
    await upkeep.sweep()
    assert await jobs(engine) == [(f"{run.key}:0", "doing")]
    assert (await read_run(engine, run)).deaths == 1

    await upkeep.reconcile()
    assert await jobs(engine) == [(f"{run.key}:0", "doing"), (f"{run.key}:1", "todo"), (f"{run.key}:2", "todo")]
    await upkeep.sweep()
    assert (await read_run(engine, run)).deaths == 1


async def test_whoever_takes_a_seat_drops_at_once_what_its_predecessor_had(engine: Engine) -> None:
    run = await planned_run(engine, chunks=1)
    upkeep = upkeep_of(engine)
    await upkeep.reconcile()
    await take_job(engine, await new_worker(engine, seat="mine"))
    async with engine.database.write() as tx:
        await upkeep.take_seat(tx, "another")
    assert await jobs(engine) == [(f"{run.key}:0", "doing")]
    async with engine.database.write() as tx:
        await upkeep.take_seat(tx, "mine")

    assert await jobs(engine) == []
    assert (await read_run(engine, run)).deaths == 1
    assert await query(engine, "SELECT id FROM procrastinate_workers") == []


async def test_workers_that_die_together_count_as_one_death(engine: Engine) -> None:
    run = await planned_run(engine, chunks=3)
    upkeep = upkeep_of(engine)
    await upkeep.reconcile()
    for seat in ("first", "second"):
        await take_job(engine, await new_worker(engine, seat))
    for seat in ("first", "second"):
        async with engine.database.write() as tx:
            await upkeep.take_seat(tx, seat)
    assert (await read_run(engine, run)).deaths == 1

    # What is handed out anew may kill again.
    await upkeep.reconcile()
    await take_job(engine, await new_worker(engine, "first"))
    async with engine.database.write() as tx:
        await upkeep.take_seat(tx, "first")
    assert (await read_run(engine, run)).deaths == 2


async def test_of_runs_that_may_kill_their_workers_one_has_a_chunk_at_a_time(engine: Engine) -> None:
    parent = await stored_eval(engine)
    first, second = [await planned_run(engine, 3, number, parent) for number in (1, 2)]
    await query(engine, "UPDATE runs SET deaths = 2")
    await upkeep_of(engine).reconcile()
    assert await jobs(engine) == [(f"{first.key}:0", "todo")]
    await query(engine, "UPDATE runs SET deaths = 0 WHERE key = :key", key=first.key)
    await upkeep_of(engine).reconcile()

    assert {(f"{first.key}:1", "todo"), (f"{second.key}:0", "todo")} < set(await jobs(engine))
    assert (f"{second.key}:1", "todo") not in await jobs(engine)


async def test_a_run_that_has_killed_three_workers_fails(engine: Engine) -> None:
    run = await planned_run(engine, chunks=1)
    await query(engine, "UPDATE runs SET deaths = 3")
    await upkeep_of(engine).reconcile()

    failed = await read_run(engine, run)
    assert failed.status is RunStatus.FAILED
    assert isinstance(failed.error, ItemError)
    assert failed.error.code == "run_kills_executor"


async def test_a_run_whose_row_is_held_keeps_no_other_from_its_jobs(engine: Engine) -> None:
    parent = await stored_eval(engine)
    held, other = [await planned_run(engine, 1, number, parent) for number in (1, 2)]
    async with engine.database.write() as tx:
        await tx.execute(text("SELECT key FROM runs WHERE key = :key FOR UPDATE"), {"key": held.key})
        await upkeep_of(engine).reconcile()

    assert await jobs(engine) == [(f"{other.key}:0", "todo")]


async def test_one_worker_at_a_time_compares_runs_and_jobs(engine: Engine) -> None:
    await planned_run(engine, chunks=1)
    async with engine.database.write() as tx:
        await tx.execute(text("SELECT pg_advisory_xact_lock(1702257005)"))
        await upkeep_of(engine).reconcile()

    assert await jobs(engine) == []
