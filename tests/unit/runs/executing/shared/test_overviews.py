"""Facts about what is shown of workers: who there is, what each executes, and why a run waits."""

import pytest

from evalhaven.domain.run_formats import NEWEST_FORMAT
from evalhaven.domain.scopes import DEFAULT_PROJECT, EngineScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.reports.worker_overviews import Watcher, read_wait, read_workers
from evalhaven.runs.engine import Engine
from evalhaven.runs.sources.source import CHUNK_ROWS
from evalhaven.storage.queue.limits import LimitShare, hold_shares
from evalhaven.storage.runs import list_active_runs
from evalhaven.wire.workers import RunQueue, WorkerOverviewList
from tests.databases import ON_POSTGRESQL_ONLY
from tests.unit.runs.executed import inline_run, lines, read_run, row_of, stored_eval
from tests.unit.runs.executing.shared.test_upkeep import (
    LEASE_S,
    jobs,
    new_worker,
    planned_run,
    query,
    take_job,
    upkeep_of,
)

pytestmark = ON_POSTGRESQL_ONLY

_LATER_OPTIONS = (
    '{"repeats":1,"cache":false,"max_concurrency":null,"extra_body":null,"budget":null,"labels":[],"strict":false,'
    '"dreams":"vivid"}'
)
_NEWER = f"UPDATE runs SET format = {NEWEST_FORMAT + 1}"  # noqa: S608 - a number


async def shown(engine: Engine, release: str = "0", *, with_models: bool = False) -> WorkerOverviewList:
    now = int(engine.clock.now())
    watcher = Watcher(release, LEASE_S)
    return await engine.database.fetch(
        lambda tx: read_workers(tx, DEFAULT_PROJECT, watcher, now, with_models=with_models)
    )


async def shown_wait(engine: Engine) -> str:
    now = int(engine.clock.now())
    return await engine.database.fetch(lambda tx: read_wait(tx, Watcher("0", LEASE_S), now))


async def only_queue(engine: Engine) -> RunQueue:
    (queue,) = (await shown(engine)).runs
    return queue


def problems(found: WorkerOverviewList) -> list[str]:
    return [each.text for each in found.findings if each.is_problem]


async def test_each_worker_is_shown_with_what_it_executes_and_each_run_with_what_waits(engine: Engine) -> None:
    run = await planned_run(engine, chunks=5)
    await upkeep_of(engine).reconcile()
    busy, idle = [await new_worker(engine, seat) for seat in ("a", "b")]
    await new_worker(engine, "c", LEASE_S + 1)
    for _ in range(2):
        await take_job(engine, busy)
    await upkeep_of(engine).reconcile()
    await query(engine, "UPDATE chunks SET is_done = true WHERE number = 4")
    await query(engine, "UPDATE procrastinate_events SET at = at - interval '90 s' WHERE type = 'deferred'")
    async with engine.database.write() as tx:
        shares = [LimitShare("model m at e", busy, 7, 9), LimitShare(f"run {run.key}", idle, 2, 2)]
        await hold_shares(tx, EngineScope(), [*shares, LimitShare("run 999999", idle, 1, 1)], 60.0)
    found = await shown(engine, with_models=True)

    assert [worker.state for worker in found.data] == ["live", "live", "silent"]
    assert found.data[0].runs is not None
    (work,) = found.data[0].runs
    assert (work.run_id, work.plans, work.chunks, work.rows) == (run.id, False, 2, 2 * CHUNK_ROWS)
    assert found.data[1].runs == []
    assert (found.data[2].name, found.data[2].release) == ("here:1", "0")
    assert found.data[2].silent_s > LEASE_S
    (queue,) = found.runs
    assert (queue.chunks, queue.chunks_done, queue.chunks_under_way, queue.waits_for) == (5, 1, 2, None)
    assert queue.waiting_s is not None
    assert 90 <= queue.waiting_s < 90 + LEASE_S
    limits = [(limit.run_id, [(part.slots, part.wanted) for part in limit.parts]) for limit in found.limits]
    assert limits == [(None, [(7, 9)]), (run.id, [(2, 2)])]
    of_runs = (await shown(engine)).limits
    assert [limit.run_id for limit in of_runs] == [run.id], "another project's run may have named the model"
    (problem,) = problems(found)
    assert problem.startswith(f"The worker here:1 has been silent for {found.data[2].silent_s:.0f} s.")


async def test_a_worker_that_plans_a_run_is_shown_so(engine: Engine) -> None:
    run = await inline_run(engine, lines([row_of(0)]), status=RunStatus.QUEUED)
    await upkeep_of(engine).reconcile()
    await take_job(engine, await new_worker(engine))
    found = await shown(engine)

    assert found.data[0].runs is not None
    assert [(work.run_id, work.plans, work.chunks) for work in found.data[0].runs] == [(run.id, True, 0)]
    assert [(queue.chunks, queue.chunks_under_way, queue.waits_for) for queue in found.runs] == [(None, 0, None)]


async def test_runs_that_wait_while_no_worker_is_there_are_a_problem_with_its_cure(engine: Engine) -> None:
    await inline_run(engine, lines([row_of(0)]), status=RunStatus.QUEUED)
    await new_worker(engine, silent_s=LEASE_S + 1)
    assert (await only_queue(engine)).waits_for == "worker"
    (_, cure) = problems(await shown(engine))
    assert cure.startswith("1 run waits, for ")
    assert "Start one with `evalhaven worker`" in cure
    assert (await shown_wait(engine)).startswith("1 run waits, for ")

    await new_worker(engine)
    assert (await only_queue(engine)).waits_for == "turn"
    assert await shown_wait(engine) == ""


async def test_without_runs_and_workers_nothing_is_wrong_yet(engine: Engine) -> None:
    found = await shown(engine)

    assert problems(found) == []
    assert [each.text.partition(".")[0] for each in found.findings] == ["Workers: none is there, and runs would wait"]


async def test_workers_of_another_release_are_named(engine: Engine) -> None:
    await new_worker(engine)
    found = await shown(engine, release="0.2")

    assert problems(found) == []
    assert found.findings[-1].text.startswith("Releases differ: 0, 0.2; this one is 0.2, and here:1 is of another.")


async def test_a_run_of_a_newer_release_gets_no_job_here_and_says_why_it_waits(engine: Engine) -> None:
    run = await planned_run(engine, chunks=3)
    await query(engine, f"{_NEWER}, options = :options", options=_LATER_OPTIONS)
    await new_worker(engine)
    await upkeep_of(engine).reconcile()
    async with engine.database.read() as tx:
        assert await list_active_runs(tx, EngineScope(), 9) == [], "a worker asks for no queue of it"

    assert await jobs(engine) == []
    assert (await only_queue(engine)).waits_for == "newer_worker"
    (problem,) = problems(await shown(engine, release="0.2"))
    assert "do not know what a run under way uses" in problem
    assert "upgrade a worker to the server's release, 0.2" in problem
    assert (await read_run(engine, run)).status is RunStatus.IN_PROGRESS


async def test_an_older_worker_leaves_the_jobs_of_newer_ones_and_counts_their_deaths(engine: Engine) -> None:
    run = await planned_run(engine, chunks=3)
    await upkeep_of(engine).reconcile()
    await take_job(engine, await new_worker(engine))
    await query(engine, "UPDATE evalhaven_queue.workers SET run_format = :format", format=NEWEST_FORMAT + 1)
    await query(engine, f"{_NEWER}, options = :options", options=_LATER_OPTIONS)
    older = upkeep_of(engine)
    await older.reconcile()
    await older.sweep()
    assert await jobs(engine) == [(f"{run.key}:0", "doing"), (f"{run.key}:1", "todo")]
    assert (await only_queue(engine)).waits_for is None

    await query(engine, "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    await older.sweep()
    assert await jobs(engine) == [(f"{run.key}:1", "todo")]
    swept = await read_run(engine, run)
    assert (swept.deaths, swept.status) == (1, RunStatus.IN_PROGRESS)


@pytest.mark.parametrize("status", [RunStatus.CANCELED, RunStatus.FAILED])
async def test_jobs_of_a_newer_run_that_is_over_are_dropped_by_older_workers_too(
    engine: Engine, status: RunStatus
) -> None:
    await planned_run(engine, chunks=3)
    await upkeep_of(engine).reconcile()
    await query(engine, f"{_NEWER}, status = :status", status=status)
    await upkeep_of(engine).reconcile()

    assert await jobs(engine) == []


async def test_a_run_of_this_release_beside_a_newer_one_goes_on(engine: Engine) -> None:
    parent = await stored_eval(engine)
    newer, own = [await planned_run(engine, 1, number, parent) for number in (1, 2)]
    await query(engine, f"{_NEWER} WHERE key = :key", key=newer.key)
    await upkeep_of(engine).reconcile()

    assert await jobs(engine) == [(f"{own.key}:0", "todo")]
    assert (await read_run(engine, newer)).status is RunStatus.IN_PROGRESS
