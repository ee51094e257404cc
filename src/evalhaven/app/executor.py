"""The executor's parts, put together; none of the API is among them."""

import gc
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import structlog

from evalhaven import __version__
from evalhaven.app.engine import Later, open_engine
from evalhaven.app.neighbours import close_to_neighbours
from evalhaven.app.open_files import allow_many_connections
from evalhaven.app.sampler import start_sampler
from evalhaven.app.seats import WorkerSeat
from evalhaven.app.server_link import beat, follow_parent
from evalhaven.app.stores import database_url
from evalhaven.app.tracing import open_tracing
from evalhaven.graders.calculators import CalculatorPool
from evalhaven.meters.board import Board
from evalhaven.reports.columns.form import LARGE_RUN_ITEMS
from evalhaven.reports.columns.keeper import ColumnsKeeper, KeptReports
from evalhaven.reports.keeping import keep_report_elsewhere
from evalhaven.runs.ending.purge import Purger
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.executor import Executor
from evalhaven.runs.executing.shared.fence import Fence
from evalhaven.runs.executing.spread.team import Team
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sandbox.inside.parent import die_with_parent
from evalhaven.sandbox.scratch import sweep_scratch
from evalhaven.settings import Settings
from evalhaven.storage.database import open_database

if TYPE_CHECKING:
    from evalhaven.runs.executing.shared.worker import SharedExecutor
    from evalhaven.tracing.tracer import Tracing

_LOOK_S = 1.0
_SPANS_WITHIN_S = 2.0


def execute_runs(settings: Settings, parent_pid: int, seat: WorkerSeat | None = None) -> None:
    """Act as the executor: conduct runs until the parent is gone, then end this process.

    Args:
        settings: Those of the parent.
        parent_pid: Its number.
        seat: This worker's; None with SQLite, where it is the only one.
    """
    die_with_parent(parent_pid)
    close_to_neighbours()
    allow_many_connections()
    gc.freeze()  # imported modules stay for the life of the process
    uses_uvloop = sys.platform != "win32"
    anyio.run(_execute_runs, settings, seat, backend_options={"use_uvloop": uses_uvloop})


async def _execute_runs(settings: Settings, seat: WorkerSeat | None) -> None:
    board = Board("executor" if seat is None else "worker")
    database = open_database(
        database_url(settings), gives_way=True, is_worker=seat is not None, is_patient=True, board=board
    )
    tracing = open_tracing(settings)
    fence = None if seat is None else Fence(settings.worker_lease_s)
    may_call = None if fence is None else lambda: fence.is_open
    want_slots = Later()
    samplers = settings.processes if seat is None else 1
    shares_limits = fence is not None or samplers > 1
    async with (
        CalculatorPool(1) as column_calculators,
        ModelCaller(
            may_call=may_call,
            on_want=want_slots if shares_limits else None,
            shares_outages=fence is not None,
            board=board,
            tracing=tracing,
        ) as caller,
        open_engine(settings, database, caller, board, tracing) as (engine, python),
    ):
        purger = Purger(database, engine.blobs, engine.clock, engine.patience)
        columns = ColumnsKeeper(
            database, column_calculators, engine.patience, reports=KeptReports(LARGE_RUN_ITEMS, keep_report_elsewhere)
        )
        team: Team | None = None
        if samplers > 1:
            team = Team(partial(start_sampler, settings, samplers), samplers, caller, board, engine.months)
            want_slots.does = team.want_slots
        executor: Executor | SharedExecutor = Executor(engine, purger, team)
        shared: SharedExecutor | None = None
        if fence is not None and seat is not None:
            executor = shared = _open_shared(engine, purger, fence, seat)
            purger.is_on_duty = columns.is_on_duty = shared.has_duty
            want_slots.does = shared.want_slots

        executor.tell_news = columns.wake

        def wake() -> None:
            executor.wake()
            columns.wake()

        async with anyio.create_task_group() as tasks:
            # What the hosts of an earlier executor left behind when it was killed.
            tasks.start_soon(anyio.to_thread.run_sync, sweep_scratch)
            tasks.start_soon(python.serve)
            tasks.start_soon(executor.execute_forever)
            tasks.start_soon(columns.keep_forever)
            tasks.start_soon(beat, lambda: executor.problem, board)
            if shared is not None and seat is not None:
                tasks.start_soon(_end_when_told, shared, seat.finishes_within_s, tracing)
                tasks.start_soon(end_when_stuck, lambda: shared.is_stuck)
            await follow_parent(wake)
            # Ends as if by SIGKILL, which the kernel may be slow to send. Closing SQLite's last connection would remove
            # its log, and a start on a full disk could not create it again.
            os._exit(1)


async def _end_when_told(executor: "SharedExecutor", finishes_within_s: float, tracing: "Tracing | None") -> None:
    """End this process after a signal, when what is under way is finished.

    A service manager may send its signal to the parent and to the child, and the parent tells the child again: so more
    than one says no more than the first.
    """
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            break
        await executor.drain(finishes_within_s)
        if tracing is not None:
            await anyio.to_thread.run_sync(tracing.flush, _SPANS_WITHIN_S)
        os._exit(0)


async def end_when_stuck(is_stuck: Callable[[], bool]) -> None:
    """End this process once nothing but another one will help; its parent starts that."""
    while True:
        await anyio.sleep(_LOOK_S)
        if is_stuck():
            structlog.get_logger("evalhaven.workers").error("worker_stuck", effect="another process takes its place")
            os._exit(1)


def _open_shared(engine: Engine, purger: Purger, fence: Fence, seat: WorkerSeat) -> "SharedExecutor":
    """Return what executes those parts of runs that this worker gets."""
    from evalhaven.runs.executing.shared.worker import SharedExecutor, WorkerLimits  # noqa: PLC0415 - loads a queue
    from evalhaven.storage.queue.workers import WorkerFacts  # noqa: PLC0415

    facts = WorkerFacts(seat.name, socket.gethostname(), os.getpid(), __version__)
    limits = WorkerLimits() if seat.concurrency is None else WorkerLimits(seat.concurrency)
    return SharedExecutor(engine, purger, facts, fence, limits)
