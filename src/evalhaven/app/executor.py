"""The executor's parts, put together; none of the API is among them."""

import gc
import os
import sys

import anyio
import anyio.to_thread

from evalhaven.app.endpoints import embeddings_target, installed_wordnet, open_catalog
from evalhaven.app.neighbours import close_to_neighbours
from evalhaven.app.open_files import allow_many_connections
from evalhaven.app.python_graders import grader_environments, isolation_choice
from evalhaven.app.server_link import beat, follow_parent
from evalhaven.app.stores import blob_store, database_url, log_store, vault
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.python.execution import PythonExecution
from evalhaven.graders.workers import WorkerPool
from evalhaven.reports.columns.keeper import ColumnsKeeper
from evalhaven.runs.ending.purge import Purger
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.executor import Executor
from evalhaven.runs.executing.handout import CHUNKS_AT_ONCE
from evalhaven.runs.patience import Patience
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.embeddings.embedder import open_embedder
from evalhaven.sandbox.inside.parent import die_with_parent
from evalhaven.sandbox.scratch import sweep_scratch
from evalhaven.settings import Settings
from evalhaven.storage.database import open_database


def execute_runs(settings: Settings, parent_pid: int) -> None:
    """Act as the executor: conduct runs until the parent is gone, then end this process."""
    die_with_parent(parent_pid)
    close_to_neighbours()
    allow_many_connections()
    gc.freeze()  # imported modules stay for the life of the process
    anyio.run(_execute_runs, settings, backend_options={"use_uvloop": sys.platform != "win32"})


async def _execute_runs(settings: Settings) -> None:
    catalog = open_catalog(settings)
    database = open_database(database_url(settings))
    blobs = blob_store(settings.data_dir)
    clock = Clock()
    patience = Patience()
    async with (
        WorkerPool() as workers,
        WorkerPool(1) as column_workers,
        ModelCaller() as caller,
        open_embedder(caller, embeddings_target(settings, catalog)) as embedder,
    ):
        python = PythonExecution(isolation_choice(settings), grader_environments(settings), hosts=os.cpu_count() or 1)
        engine = Engine(
            database,
            blobs,
            IdFactory(clock),
            clock,
            patience,
            chunk_slots=anyio.CapacityLimiter(CHUNKS_AT_ONCE),
            large_chunk=anyio.Lock(),
            catalog=catalog,
            caller=caller,
            vault=vault(settings),
            log_store=log_store(settings, database),
            facilities=Facilities(workers, embedder, installed_wordnet(), python=python),
        )
        purger = Purger(database, blobs, clock, patience)
        executor = Executor(engine, purger)
        columns = ColumnsKeeper(database, column_workers, patience)

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
