"""What runs are executed with, put together for whichever process executes them."""

import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from evalhaven.app.endpoints import embeddings_target, installed_wordnet, open_catalog
from evalhaven.app.python_graders import grader_environments, isolation_choice
from evalhaven.app.stores import blob_store, log_store, vault
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.graders.calculators import CalculatorPool
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.python.execution import PythonExecution
from evalhaven.meters.board import Board
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.handout import CHUNKS_AT_ONCE
from evalhaven.runs.patience import Patience
from evalhaven.runs.telling import Teller
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.embeddings.embedder import open_embedder
from evalhaven.sandbox.limits import Limits
from evalhaven.settings import Settings
from evalhaven.storage.database import Database

if TYPE_CHECKING:
    from evalhaven.tracing.tracer import Tracing


@asynccontextmanager
async def open_engine(
    settings: Settings,
    database: Database,
    caller: ModelCaller,
    board: Board,
    tracing: "Tracing | None",
    processes: int = 1,
) -> AsyncGenerator[tuple[Engine, PythonExecution]]:
    """Open what runs are executed with.

    Args:
        settings: Those of this process.
        database: Open.
        caller: Calls models.
        board: Shows how runs go.
        tracing: Traces them; None if traces are off.
        processes: How many processes beside each other divide the machine's processors among their graders.

    Yields:
        The engine, and what has to be served while python graders are executed.
    """
    catalog = open_catalog(settings)
    clock = Clock()
    at_once = max(1, (os.cpu_count() or 1) // processes)
    async with (
        CalculatorPool(at_once) as calculators,
        open_embedder(caller, embeddings_target(settings, catalog)) as embedder,
    ):
        limits = Limits(hosts=max(1, Limits().hosts // processes))
        python = PythonExecution(
            isolation_choice(settings), grader_environments(settings), hosts=at_once, limits=limits
        )
        board.read_from(python.read_meters)
        engine = Engine(
            database,
            blob_store(settings),
            IdFactory(clock),
            clock,
            Patience(),
            chunk_slots=anyio.CapacityLimiter(CHUNKS_AT_ONCE),
            large_chunk=anyio.Lock(),
            catalog=catalog,
            caller=caller,
            vault=vault(settings),
            log_store=log_store(settings, database),
            facilities=Facilities(calculators, embedder, installed_wordnet(), python=python),
            board=board,
            teller=Teller(board, tracing),
            tracing=tracing,
        )
        yield engine, python


class Later:
    """Something to call that is known only when others who call it have been made."""

    def __init__(self) -> None:
        self.does: Callable[[], None] | None = None

    def __call__(self) -> None:
        """Call it, if it is known."""
        if self.does is not None:
            self.does()
