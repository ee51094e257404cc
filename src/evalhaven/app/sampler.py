"""A sampling process's parts, put together, and how an executor starts it."""

import gc
import os
import socket
import subprocess
import sys

import anyio

from evalhaven.app.engine import Later, open_engine
from evalhaven.app.neighbours import close_to_neighbours
from evalhaven.app.open_files import allow_many_connections
from evalhaven.app.stores import database_url
from evalhaven.app.tracing import open_tracing
from evalhaven.meters.board import Board
from evalhaven.runs.executing.spread.channel import open_channel
from evalhaven.runs.executing.spread.sampling_process import SamplingProcess
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.configuration.loading import find_config
from evalhaven.sandbox.inside.parent import die_with_parent
from evalhaven.settings import Settings
from evalhaven.storage.database import open_database


def start_sampler(settings: Settings, processes: int, end: socket.socket) -> subprocess.Popen[bytes]:
    """Start a sampling process as a child of this one, in its main thread.

    It inherits nothing else, the data directory's lock least of all: that is held by the executor, and not beyond it.

    Args:
        settings: Those of this process; the child has the same environment.
        processes: How many there are.
        end: Its end of the pair of sockets to the executor.
    """
    config = find_config(settings.config)
    return subprocess.Popen(  # noqa: S603 - our own interpreter with our own arguments
        [
            *(sys.executable, "-m", "evalhaven", "sampler"),
            *("--data-dir", str(settings.data_dir), "--parent", str(os.getpid()), "--processes", str(processes)),
            *([] if config is None else ["--config", str(config.absolute())]),
        ],
        stdin=end.fileno(),
        start_new_session=True,
    )


def sample(settings: Settings, parent_pid: int, processes: int) -> None:
    """Act as a sampling process until the executor is gone, then end this process.

    Args:
        settings: Those of the executor.
        parent_pid: Its number.
        processes: How many sampling processes it has.
    """
    die_with_parent(parent_pid)
    close_to_neighbours()
    allow_many_connections()
    gc.freeze()  # imported modules stay for the life of the process
    anyio.run(_sample, settings, processes, backend_options={"use_uvloop": sys.platform != "win32"})


async def _sample(settings: Settings, processes: int) -> None:
    board = Board("sampler")
    database = open_database(database_url(settings), is_reader=True, board=board)
    want_slots, tracing = Later(), open_tracing(settings)
    end = socket.socket(fileno=os.dup(sys.stdin.fileno()))
    end.setblocking(False)
    async with (
        ModelCaller(on_want=want_slots, shares_outages=False, board=board, tracing=tracing) as caller,
        open_engine(settings, database, caller, board, tracing, processes) as (engine, python),
        open_channel(end) as channel,
        anyio.create_task_group() as tasks,
    ):
        process = SamplingProcess(engine, channel, processes)
        want_slots.does = process.want_slots
        tasks.start_soon(python.serve)
        await process.serve()
        # Ends as if by SIGKILL, which the kernel may be slow to send.
        os._exit(1)
