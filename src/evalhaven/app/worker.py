"""`evalhaven worker`: takes part in the runs of a PostgreSQL database, on any machine."""

import os
import signal
import sys

import anyio
import structlog

from evalhaven.app.crew import Crew
from evalhaven.app.metrics_port import MetricsAddress, serve_metrics
from evalhaven.app.neighbours import close_to_neighbours
from evalhaven.app.seats import LEAVES_WITHIN_S, WorkerSeat, executor_command, new_seat
from evalhaven.app.stores import StartError, make_data_directory
from evalhaven.app.supervisor import Child, Supervisor
from evalhaven.app.upgrade import upgraded_database
from evalhaven.meters.board import Board
from evalhaven.runs.executing.shared.leaving import leave_seat_in_order
from evalhaven.settings import Settings
from evalhaven.storage.database import Database, open_database

_FINISHES_WITHIN_S = 10.0


def work(
    settings: Settings, concurrency: int | None, processes: int | None = None, metrics: MetricsAddress | None = None
) -> None:
    """Execute chunks of runs until told to stop.

    Args:
        settings: Where the database and the files of runs are.
        concurrency: How many chunks each process executes at once, at most; None: the default.
        processes: How many do so beside each other, each a worker of its own; None: as the settings say.
        metrics: Where it shows metrics; None: nowhere.

    Raises:
        StartError: There is nothing to take part in, or it cannot be reached.
    """
    if settings.database_url is None:
        raise StartError(
            "Workers share runs through PostgreSQL: name the database in EVALHAVEN_DATABASE_URL. With SQLite, the "
            "server executes runs by itself."
        )
    board = Board("worker-parent")
    if metrics is not None:
        serve_metrics(board, metrics, settings.metrics_token)
    close_to_neighbours()
    make_data_directory(settings.stored_dir)
    url = upgraded_database(settings)
    database = open_database(url, is_worker=True)
    crew = Crew([_supervisor(settings, database, concurrency, board) for _ in range(processes or settings.processes)])
    structlog.get_logger("evalhaven").info("working", process=os.getpid(), data_dir=str(settings.stored_dir))
    anyio.run(_supervise, crew)
    sys.exit(0)


def _supervisor(settings: Settings, database: Database, concurrency: int | None, board: Board) -> Supervisor:
    # Nobody else sits there, as nobody else knows it; the next child of this supervisor does.
    seat = new_seat()
    child = Child(
        "worker",
        "executes runs",
        executor_command(settings, WorkerSeat(seat, concurrency, _FINISHES_WITHIN_S)),
        lambda: leave_seat_in_order(database, seat),
        ends_within_s=_FINISHES_WITHIN_S + LEAVES_WITHIN_S,
    )
    return Supervisor(child, None, board)


async def _supervise(crew: Crew) -> None:
    """Keep the children alive until the first signal, then let them finish; the second one ends them at once."""
    until_told = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:

        async def supervise() -> None:
            with until_told:
                await crew.supervise()
            tasks.cancel_scope.cancel()

        tasks.start_soon(supervise)
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                if until_told.cancel_called:
                    crew.kill()
                until_told.cancel()
