"""Workers and what waits for them, as they are shown."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.reports.worker_findings import waiting_note, worker_findings
from evalhaven.storage.projects import list_projects
from evalhaven.storage.queue.limits import LimitShare
from evalhaven.storage.queue.overview import LiveJob, SeenWorker, list_all_jobs, list_held_shares, list_seen_workers
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_queues import count_chunks, count_rows, list_queued_and_started
from evalhaven.wire.workers import (
    LimitPart,
    RunQueue,
    SharedLimit,
    WaitsFor,
    WorkerOverview,
    WorkerOverviewList,
    WorkOfRun,
)

_MOST_RUNS = 100
_OF_RUN = "run "


@dataclass(frozen=True, slots=True)
class OwnExecutor:
    """The executor of a server with SQLite, which nothing in the database tells of.

    Attributes:
        host: The machine's name.
        process: Its number; None while there is none.
        started_at: When it was started, in Unix seconds.
        silent_s: How long ago it was heard for the last time, in seconds.
        is_up: Whether it is up and answers.
    """

    host: str
    process: int | None
    started_at: int
    silent_s: float
    is_up: bool


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who looks at workers.

    Attributes:
        release: Its own.
        lease_s: After how many seconds of silence a worker counts as dead.
        own: Its executor, if it has the only one; None on PostgreSQL, whose workers are in the database.
    """

    release: str
    lease_s: float
    own: OwnExecutor | None = None


async def read_workers(
    tx: ReadTransaction, scope: ProjectScope, watcher: Watcher, now: int, *, with_models: bool = False
) -> WorkerOverviewList:
    """Return the workers, what waits for them, and what is to be said of it.

    Args:
        tx: Open transaction.
        scope: Whose runs.
        watcher: Who looks.
        now: The time, in Unix seconds.
        with_models: Whether limits of models are listed, whose names may be those of other projects.
    """
    active = await list_queued_and_started(tx, scope, _MOST_RUNS)
    counts = await count_chunks(tx, scope, [run.key for run in active])
    if watcher.own is not None:
        return _of_one(watcher, watcher.own, active, counts)
    seen = await list_seen_workers(tx, EngineScope())
    jobs = await list_all_jobs(tx, EngineScope())
    doing = {(job.run_key, job.chunk) for job in jobs if job.worker_id is not None and job.chunk is not None}
    rows = await count_rows(tx, scope, doing)
    shares = await list_held_shares(tx, EngineScope())
    live_formats = [each.run_format for each in seen if each.silent_s <= watcher.lease_s]
    by_run: dict[int, list[LiveJob]] = defaultdict(list)
    for job in jobs:
        by_run[job.run_key].append(job)
    workers = [_worker(each, watcher.lease_s, active, jobs, rows) for each in seen]
    queues = [_queue(run, counts.get(run.key), by_run[run.key], live_formats, now) for run in active]
    return _listed(watcher, workers, queues, _limits(shares, seen, active, with_models=with_models), is_shared=True)


async def read_wait(tx: ReadTransaction, watcher: Watcher, now: int) -> str:
    """Return what is to be said of runs of any project that wait while no worker is there; "" if none does."""
    if any(each.silent_s <= watcher.lease_s for each in await list_seen_workers(tx, EngineScope())):
        return ""
    runs: list[RunQueue] = []
    for scope in await list_projects(tx, EngineScope()):
        runs += (await read_workers(tx, scope, watcher, now)).runs
    return waiting_note(runs)


def _of_one(
    watcher: Watcher, own: OwnExecutor, active: Sequence[Row[Any]], counts: Mapping[int, tuple[int, int]]
) -> WorkerOverviewList:
    workers = [
        WorkerOverview(
            name=f"{own.host}:{own.process}",
            host=own.host,
            process=own.process,
            release=watcher.release,
            state="live" if own.is_up else "silent",
            started_at=own.started_at,
            silent_s=own.silent_s,
            runs=None,
        )
        for _ in range(own.process is not None)
        if own.process is not None
    ]
    queues: list[RunQueue] = []
    for run in active:
        all_, done = counts.get(run.key, (None, 0))
        waits: WaitsFor | None = "worker" if not own.is_up else "turn" if run.status == "queued" else None
        queues.append(_run_queue(run, all_, done, under_way=None, waiting_s=None, waits_for=waits))
    return _listed(watcher, workers, queues, [], is_shared=False)


def _listed(
    watcher: Watcher,
    workers: list[WorkerOverview],
    queues: list[RunQueue],
    limits: list[SharedLimit],
    *,
    is_shared: bool,
) -> WorkerOverviewList:
    return WorkerOverviewList(
        object="list",
        data=workers,
        shared=is_shared,
        release=watcher.release,
        lease_s=watcher.lease_s,
        runs=queues,
        limits=limits,
        findings=worker_findings(watcher.release, workers, queues, is_shared=is_shared),
    )


def _worker(
    seen: SeenWorker,
    lease_s: float,
    active: Sequence[Row[Any]],
    jobs: Iterable[LiveJob],
    rows: Mapping[tuple[int, int], int],
) -> WorkerOverview:
    chunks, row_counts, planned = Counter[int](), Counter[int](), set[int]()
    for job in jobs:
        if job.worker_id != seen.id:
            continue
        if job.chunk is None:
            planned.add(job.run_key)
        else:
            chunks[job.run_key] += 1
            row_counts[job.run_key] += rows.get((job.run_key, job.chunk), 0)
    return WorkerOverview(
        name=_name(seen),
        host=seen.host,
        process=seen.process,
        release=seen.release,
        state="live" if seen.silent_s <= lease_s else "silent",
        started_at=seen.started_at,
        silent_s=round(seen.silent_s, 1),
        runs=[
            WorkOfRun(
                run_id=run.public_id,
                eval_id=run.eval_id,
                run_name=run.name,
                plans=run.key in planned,
                chunks=chunks[run.key],
                rows=row_counts[run.key],
            )
            for run in active
            if run.key in planned or chunks[run.key]
        ],
    )


def _queue(
    run: Row[Any], counts: tuple[int, int] | None, jobs: Sequence[LiveJob], live_formats: Sequence[int], now: int
) -> RunQueue:
    all_, done = counts or (None, 0)
    under_way = [job for job in jobs if job.worker_id is not None]
    waiting = [job.age_s for job in jobs if job.worker_id is None]
    waits_for: WaitsFor | None = None
    if not live_formats:
        waits_for = "worker"
    elif run.format > max(live_formats):
        waits_for = "newer_worker"
    elif not under_way:
        waits_for = "turn"
    # One that has no job yet waits since it was created.
    waited = max(waiting) if waiting else float(max(0, now - run.created_at)) if not jobs else None
    return _run_queue(
        run,
        all_ if run.items_planned is not None else None,
        done,
        under_way=sum(job.chunk is not None for job in under_way),
        waiting_s=None if waited is None else round(waited, 1),
        waits_for=waits_for,
    )


def _run_queue(
    run: Row[Any],
    all_: int | None,
    done: int,
    *,
    under_way: int | None,
    waiting_s: float | None,
    waits_for: WaitsFor | None,
) -> RunQueue:
    return RunQueue(
        run_id=run.public_id,
        eval_id=run.eval_id,
        run_name=run.name,
        status=run.status,
        chunks=all_,
        chunks_done=done,
        chunks_under_way=under_way,
        waiting_s=waiting_s,
        waits_for=waits_for,
    )


def _limits(
    shares: Sequence[LimitShare], seen: Sequence[SeenWorker], active: Sequence[Row[Any]], *, with_models: bool
) -> list[SharedLimit]:
    names = {each.id: _name(each) for each in seen}
    run_ids = {f"{_OF_RUN}{run.key}": run for run in active}
    parts: dict[str, list[LimitPart]] = defaultdict(list)
    for share in shares:
        if share.worker_id in names:
            part = LimitPart(worker=names[share.worker_id], slots=share.slots, wanted=share.wanted)
            parts[share.name].append(part)
    limits: list[SharedLimit] = []
    for name, each in parts.items():
        run = run_ids.get(name)
        if run is not None or (with_models and not name.startswith(_OF_RUN)):
            limits.append(
                SharedLimit(
                    name=name if run is None else f"run {run.name or run.public_id}",
                    run_id=None if run is None else run.public_id,
                    parts=each,
                )
            )
    return limits


def _name(seen: SeenWorker) -> str:
    return f"{seen.host}:{seen.process}"
