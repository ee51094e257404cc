"""The executor's parts, put together; none of the API is among them."""

import gc
import os
import socket
import sys
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from evalhaven import __version__
from evalhaven.app.engine import Later, open_engine
from evalhaven.app.neighbours import close_to_neighbours
from evalhaven.app.open_files import allow_many_connections
from evalhaven.app.sampler import start_sampler
from evalhaven.app.server_link import beat, follow_parent
from evalhaven.app.stores import database_url
from evalhaven.graders.workers import WorkerPool
from evalhaven.reports.columns.keeper import ColumnsKeeper
from evalhaven.runs.ending.purge import Purger
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.executor import Executor
from evalhaven.runs.executing.shared.fence import Fence
from evalhaven.runs.executing.spread.team import Team
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.configuration.loading import find_config
from evalhaven.sandbox.inside.parent import die_with_parent
from evalhaven.sandbox.scratch import sweep_scratch
from evalhaven.settings import Settings
from evalhaven.storage.database import open_database

if TYPE_CHECKING:
    from evalhaven.runs.executing.shared.worker import SharedExecutor


def executor_command(settings: Settings, seat: str | None = None, concurrency: int | None = None) -> list[str]:
    """Return how to start an executor as a child of this process.

    Args:
        settings: Those of this process; the child has the same environment.
        seat: Where it sits among several workers; None where it is the only one.
        concurrency: How many chunks a worker executes at once, at most; None: the default.
    """
    config = find_config(settings.config)
    return [
        *(sys.executable, "-m", "evalhaven", "executor"),
        *("--data-dir", str(settings.data_dir), "--parent", str(os.getpid())),
        *([] if config is None else ["--config", str(config.absolute())]),
        *([] if seat is None else ["--seat", seat]),
        *([] if concurrency is None else ["--concurrency", str(concurrency)]),
    ]


def execute_runs(settings: Settings, parent_pid: int, seat: str | None = None, concurrency: int | None = None) -> None:
    """Act as the executor: conduct runs until the parent is gone, then end this process.

    Args:
        settings: Those of the parent.
        parent_pid: Its number.
        seat: Where this worker sits; None with SQLite, where it is the only one.
        concurrency: How many chunks a worker executes at once, at most; None: the default.
    """
    die_with_parent(parent_pid)
    close_to_neighbours()
    allow_many_connections()
    gc.freeze()  # imported modules stay for the life of the process
    uses_uvloop = sys.platform != "win32"
    anyio.run(_execute_runs, settings, seat, concurrency, backend_options={"use_uvloop": uses_uvloop})


async def _execute_runs(settings: Settings, seat: str | None, concurrency: int | None) -> None:
    database = open_database(database_url(settings), is_worker=seat is not None)
    fence = None if seat is None else Fence(settings.worker_lease_s)
    may_call = None if fence is None else lambda: fence.is_open
    want_slots = Later()
    samplers = settings.processes if seat is None else 1
    shares_limits = fence is not None or samplers > 1
    async with (
        WorkerPool(1) as column_workers,
        ModelCaller(may_call=may_call, on_want=want_slots if shares_limits else None) as caller,
        open_engine(settings, database, caller) as (engine, python),
    ):
        purger = Purger(database, engine.blobs, engine.clock, engine.patience)
        columns = ColumnsKeeper(database, column_workers, engine.patience)
        team: Team | None = None
        if samplers > 1:
            team = Team(partial(start_sampler, settings, samplers), samplers, caller)
            want_slots.does = team.want_slots
        executor: Executor | SharedExecutor = Executor(engine, purger, team)
        if fence is not None and seat is not None:
            executor = _open_shared(engine, purger, fence, seat, concurrency)
            purger.is_on_duty = columns.is_on_duty = executor.has_duty
            want_slots.does = executor.want_slots

        def wake() -> None:
            executor.wake()
            columns.wake()

        async with anyio.create_task_group() as tasks:
            # What the hosts of an earlier executor left behind when it was killed.
            tasks.start_soon(anyio.to_thread.run_sync, sweep_scratch)
            tasks.start_soon(python.serve)
            tasks.start_soon(executor.execute_forever)
            tasks.start_soon(columns.keep_forever)
            tasks.start_soon(beat, lambda: executor.problem)
            await follow_parent(wake)
            # Ends as if by SIGKILL, which the kernel may be slow to send. Closing SQLite's last connection would remove
            # its log, and a start on a full disk could not create it again.
            os._exit(1)


def _open_shared(engine: Engine, purger: Purger, fence: Fence, seat: str, concurrency: int | None) -> "SharedExecutor":
    """Return what executes those parts of runs that this worker gets."""
    from evalhaven.runs.executing.shared.worker import SharedExecutor, WorkerLimits  # noqa: PLC0415 - loads a queue
    from evalhaven.storage.queue.workers import WorkerFacts  # noqa: PLC0415

    facts = WorkerFacts(seat, socket.gethostname(), os.getpid(), __version__)
    limits = WorkerLimits() if concurrency is None else WorkerLimits(concurrency)
    return SharedExecutor(engine, purger, facts, fence, limits)
