"""The conductor: takes one run from queued to its final status, from wherever it stands."""

from collections.abc import Sequence
from contextlib import AsyncExitStack

import anyio
import structlog

from evalhaven.domain.errors import InvalidRowsError
from evalhaven.domain.evals import Caution, Eval
from evalhaven.domain.runs import Chunk, Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.graders.base import Grader, UnsupportedGraderError
from evalhaven.graders.registry import build_grader
from evalhaven.runs.chunks import ChunkRunner
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.items import ItemEvaluator
from evalhaven.runs.plan import RunPlanner
from evalhaven.storage.chunks import list_pending_chunks
from evalhaven.storage.database import is_unavailable
from evalhaven.storage.evals import get_eval_by_key
from evalhaven.storage.runs import get_run_by_key, save_status, save_warnings

CHUNKS_OF_A_RUN = 2  # under way at once, so that a short run starts at once behind a huge one
CHUNKS_AT_ONCE = 4  # of all runs
LARGE_CHUNK_BYTES = 4 * 1024 * 1024


class UnsupportedRunError(Exception):
    """This release cannot execute the run; the message says what it lacks."""


class RunConductor:
    """Conducts one run; repeating it after a kill goes on where the stored state stands."""

    def __init__(self, engine: Engine, scope: ProjectScope, run_key: int) -> None:
        self._engine = engine
        self._scope = scope
        self._run_key = run_key
        self._stop_requested = anyio.Event()
        self._log = structlog.get_logger("evalhaven.runs")

    def request_stop(self) -> None:
        """Leave off soon: the run was canceled or deleted."""
        self._stop_requested.set()

    async def conduct_run(self) -> None:
        """Plan the run, execute its chunks and give it its final status."""
        await self._engine.patience.persist(self._conduct)

    async def _conduct(self) -> None:
        async with self._engine.database.read() as tx:
            run = await get_run_by_key(tx, self._scope, self._run_key)
            parent = await get_eval_by_key(tx, self._scope, run.eval_key)
        self._log = self._log.bind(run_id=run.id)
        try:
            await self._execute(run, parent)
        except RunStoppedError:
            self._log.info("run_stopped")
        except (UnsupportedRunError, UnsupportedGraderError) as error:
            await self._end(RunStatus.FAILED, ItemError("unsupported", str(error)))
        except InvalidRowsError as error:
            await self._end(RunStatus.FAILED, ItemError("invalid_data_source", error.message, "data_source"))
        except Exception as error:
            if is_unavailable(error):
                raise
            if await self._is_over():
                # Its file may be gone already: whoever ended the run no longer pins it.
                self._log.info("run_stopped")
                return
            self._log.exception("run_failed_unexpectedly")
            message = "The eval run failed due to an internal error; the server's log has the details."
            await self._end(RunStatus.FAILED, ItemError("internal_error", message))

    async def _execute(self, run: Run, parent: Eval) -> None:
        engine = self._engine
        if run.status.is_final:
            raise RunStoppedError
        refuse_unsupported(run)
        graders = [build_grader(criterion, engine.facilities) for criterion in parent.testing_criteria]
        evaluator = ItemEvaluator(graders, engine.ids)
        if run.status is RunStatus.QUEUED and not await self._move(RunStatus.IN_PROGRESS):
            raise RunStoppedError
        await self._warn(run, graders)
        if run.items_planned is None:
            planner = RunPlanner(engine, run, self._stop_requested.is_set)
            items_planned = await planner.plan_run(ItemSchema(parent.item_schema))
            self._log.info("run_planned", items=items_planned)
        await self._run_chunks(run, ChunkRunner(engine, run, evaluator, self._stop_requested))
        await self._end(RunStatus.COMPLETED)

    async def _warn(self, run: Run, graders: Sequence[Grader]) -> None:
        """Add to the run's warnings what its graders lack here."""
        lacking = [
            Caution(f"/testing_criteria/{i}", grader.caution) for i, grader in enumerate(graders) if grader.caution
        ]
        if not set(lacking) - set(run.warnings):
            return
        async with self._engine.database.write() as tx:
            current = await get_run_by_key(tx, self._scope, self._run_key, for_update=True)
            warnings = dict.fromkeys((*current.warnings, *lacking))
            await save_warnings(tx, self._scope, self._run_key, list(warnings))

    async def _run_chunks(self, run: Run, runner: ChunkRunner) -> None:
        """Execute the pending chunks in order, a few at once.

        Raises:
            RunStoppedError: The run was canceled or deleted meanwhile.
        """
        last = -1
        window = anyio.Semaphore(CHUNKS_OF_A_RUN)

        async def run_one(chunk: Chunk) -> None:
            try:
                async with self._engine.chunk_slots, AsyncExitStack() as held:
                    if chunk.size_bytes > LARGE_CHUNK_BYTES:
                        await held.enter_async_context(self._engine.large_chunk)
                    await runner.run_chunk(chunk)
            except RunStoppedError:
                self._stop_requested.set()
            finally:
                window.release()

        async with anyio.create_task_group() as tasks:
            while not self._stop_requested.is_set():
                async with self._engine.database.read() as tx:
                    chunks = await list_pending_chunks(tx, run.scope, run.key, above=last, limit=CHUNKS_OF_A_RUN)
                if not chunks:
                    break
                for chunk in chunks:
                    await window.acquire()
                    tasks.start_soon(run_one, chunk)
                    last = chunk.number
        if self._stop_requested.is_set():
            raise RunStoppedError

    async def _is_over(self) -> bool:
        async with self._engine.database.read() as tx:
            return (await get_run_by_key(tx, self._scope, self._run_key)).status.is_final

    async def _end(self, status: RunStatus, error: ItemError | None = None) -> None:
        if await self._move(status, error):
            self._log.info("run_ended", status=status, code=None if error is None else error.code)

    async def _move(self, status: RunStatus, error: ItemError | None = None) -> bool:
        """Move the run to a status unless somebody ended it before; return whether it was moved."""
        engine = self._engine

        async def move() -> bool:
            async with engine.database.write() as tx:
                current = await get_run_by_key(tx, self._scope, self._run_key, for_update=True)
                if current.status is status:
                    return True  # by an attempt before, the answer to whose commit was lost
                if not current.status.can_become(status):
                    return False
                at = int(engine.clock.now())
                await save_status(tx, self._scope, current.to(status, at, error), at)
                return True

        return await engine.patience.persist(move)


def refuse_unsupported(run: Run) -> None:
    """Let pass what this release can execute: runs that sample nothing, over inline rows or a file.

    Raises:
        UnsupportedRunError: The run calls a model, or reads logged completions or responses.
    """
    source = run.data_source["source"]
    if run.data_source.get("model") is not None:
        raise UnsupportedRunError(
            f"This run samples from the model {run.model!r}, which this release of Evalhaven cannot do. It executes "
            "runs over recorded outputs: a 'jsonl' data source whose rows bring their 'sample' along."
        )
    if isinstance(source, dict) and source["type"] not in ("file_content", "file_id"):
        raise UnsupportedRunError(
            f"This run reads the source {source['type']!r}, which this release of Evalhaven cannot do; "
            "it reads 'file_content' and 'file_id'."
        )
