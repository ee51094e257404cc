"""The conductor: takes one run from queued to its final status, from wherever it stands."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import cast

import anyio
import structlog

from evalhaven.domain.errors import InvalidRowsError
from evalhaven.domain.evals import Caution, Eval
from evalhaven.domain.grader_parts import compares_embeddings
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.runs import SANDBOX, Chunk, Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.graders.base import Grader, UnsupportedGraderError
from evalhaven.graders.python.criteria import python_criteria
from evalhaven.graders.registry import open_graders
from evalhaven.runs.engine import Engine, RunStoppedError, UnsupportedRunError
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.evaluating.items import ItemEvaluator
from evalhaven.runs.evaluating.judging import Callers, RunJudges
from evalhaven.runs.evaluating.regrading import StoredItemEvaluator
from evalhaven.runs.evaluating.sampler import Sampler, sampling_question
from evalhaven.runs.executing.chunks import ChunkRunner, open_chunk_runner
from evalhaven.runs.executing.deaths import count_death, note_evaluation
from evalhaven.runs.executing.window import ChunkWindow
from evalhaven.runs.planning.plan import RunPlanner
from evalhaven.runs.sources.choice import source_of
from evalhaven.runs.sources.source import CHUNK_ROWS
from evalhaven.runs.sources.source_file import damage_of
from evalhaven.runs.vault import VaultError
from evalhaven.sampling.catalog import UnknownModelError
from evalhaven.sampling.protocols.requests import UnsupportedRequestError
from evalhaven.storage.chunks import list_pending_chunks
from evalhaven.storage.database import is_unavailable
from evalhaven.storage.evals import get_eval_by_key
from evalhaven.storage.run_secrets import find_secrets
from evalhaven.storage.runs import get_run_by_key, save_flow, save_status, save_warnings

CHUNKS_OF_A_RUN = 2  # under way at once, so that a short run starts at once behind a huge one
CHUNKS_AT_ONCE = 4  # of all runs that call no model
SAMPLED_CHUNKS_OF_A_RUN = 64  # one row that is refused thrice keeps its chunk open for long, and others wait for none
LARGE_CHUNK_BYTES = 4 * 1024 * 1024
_FLOW_S = 1.0
_LOOK_S = 0.2
_TURN_S = 0.5
_LAST_FLOW_S = 2.0
_WINDOW_BYTES = 16 * 1024 * 1024


class RunConductor:
    """Conducts one run; repeating it after a kill goes on where the stored state stands."""

    def __init__(self, engine: Engine, scope: ProjectScope, run_key: int) -> None:
        self._engine = engine
        self._scope = scope
        self._run_key = run_key
        self._stop_requested = anyio.Event()
        self._guard: RunGuard | None = None
        self._isolation: JsonObject = {}
        self._times_retried: int | None = None
        self._warned: list[Caution] = []
        self._evaluation, self._turn = anyio.Lock(), anyio.Lock()
        self._is_evaluated = self._is_waiting = False
        self._log = structlog.get_logger("evalhaven.runs")

    @property
    def times_retried(self) -> int | None:
        """Return how often the run had been tried again when it was taken up; None before it is."""
        return self._times_retried

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
        self._times_retried = run.times_retried
        deadly = None if run.status.is_final else await count_death(self._engine, run)
        if deadly is not None:
            await self._end(RunStatus.FAILED, deadly)
            return
        try:
            await self._execute(run, parent)
        except RunStoppedError:
            verdict = None if self._guard is None else self._guard.verdict
            if verdict is None:
                self._log.info("run_stopped")
            else:
                await self._end(RunStatus.FAILED, verdict)
        except (UnsupportedRunError, UnsupportedGraderError, UnsupportedRequestError) as error:
            await self._end(RunStatus.FAILED, ItemError("unsupported", str(error)))
        except UnknownModelError as error:
            await self._end(RunStatus.FAILED, ItemError("model_not_found", error.message, "sampling"))
        except VaultError as error:
            await self._end(RunStatus.FAILED, ItemError("secrets_unreadable", f"The run cannot go on: {error}."))
        except InvalidRowsError as error:
            await self._end(RunStatus.FAILED, ItemError("invalid_data_source", error.message, "data_source"))
        except Exception as error:
            if is_unavailable(error):
                raise
            if await self._is_over():
                # Its file may be gone already: whoever ended the run no longer pins it.
                self._log.info("run_stopped")
                return
            damage = damage_of(error, run)
            if damage is not None:
                self._log.error("stored_file_damaged", reason=damage.message)
                await self._end(RunStatus.FAILED, damage)
                return
            self._log.exception("run_failed_unexpectedly")
            message = "The eval run failed due to an internal error; the server's log has the details."
            await self._end(RunStatus.FAILED, ItemError("internal_error", message))

    async def _execute(self, run: Run, parent: Eval) -> None:
        engine = self._engine
        if run.status.is_final:
            raise RunStoppedError
        source_of(engine, run)  # refused, where it has none, before it begins
        # Taken up again after the database was away, a run remembers what it paid for and could not store.
        guard = self._guard = self._guard or RunGuard(run.options.budget, run.tally.spending, self._stop_requested)
        limit = run.options.max_concurrency
        run_limit = None if limit is None else anyio.CapacityLimiter(limit)
        judges = RunJudges(engine, run, guard, run_limit)
        facilities = replace(engine.facilities, open_judge=judges.open, watch=guard.watch_judge())
        async with open_graders(run.criteria(parent), facilities) as graders:
            sampler = await self._sampler(run, guard, run_limit) if run.is_sampled else None
            evaluator_class = StoredItemEvaluator if run.regrading or run.times_retried else ItemEvaluator
            evaluator = evaluator_class(graders, engine.ids, sampler, run.repeats)
            embedder = facilities.embedder if compares_embeddings(run.criteria(parent)) else None
            await self._evaluate(run, parent, graders, evaluator, Callers(sampler, judges, embedder))

    async def _evaluate(
        self, run: Run, parent: Eval, graders: Sequence[Grader], evaluator: ItemEvaluator, callers: Callers
    ) -> None:
        """Plan the run, execute its chunks and complete it."""
        engine = self._engine
        if run.status is RunStatus.QUEUED and not await self._move(RunStatus.IN_PROGRESS):
            raise RunStoppedError
        await self._warn(run, graders)
        await self._tell_isolation(run, parent)
        if run.items_planned is None:
            planner = RunPlanner(engine, run, self._stop_requested.is_set)
            items_planned = await planner.plan_run(ItemSchema(parent.item_schema))
            self._log.info("run_planned", items=items_planned)
        else:
            items_planned = run.items_planned
        if self._guard is not None:
            errored = run.tally.errored if run.times_retried else 0
            self._guard.expect_calls(items_planned - run.tally.total + errored)
        await self._run_chunks(run, evaluator, callers)
        await self._warn(run, graders)  # of what turned out meanwhile
        await self._end(RunStatus.COMPLETED)

    async def _sampler(self, run: Run, guard: RunGuard, run_limit: anyio.CapacityLimiter | None) -> Sampler:
        """Return what asks the run's model.

        Raises:
            UnknownModelError: No endpoint serves it any more.
            UnsupportedRequestError: The endpoint that does cannot do what is asked.
            VaultError: What authenticates the run's tools cannot be read.
        """
        engine = self._engine
        async with engine.database.read() as tx:
            sealed = await find_secrets(tx, run.scope, run.key)
        tools = None if sealed is None else cast("list[JsonValue]", engine.vault.open(sealed))
        return Sampler(engine, run, guard, sampling_question(run, engine.catalog, tools), run_limit, run.flow)

    async def _warn(self, run: Run, graders: Sequence[Grader]) -> None:
        """Add to the run's warnings what its graders lack here."""
        lacking = [
            Caution(f"/testing_criteria/{i}", grader.caution) for i, grader in enumerate(graders) if grader.caution
        ]
        if not set(lacking) - {*run.warnings, *self._warned}:
            return
        self._warned = lacking
        async with self._engine.database.write() as tx:
            current = await get_run_by_key(tx, self._scope, self._run_key, for_update=True)
            warnings = dict.fromkeys((*current.warnings, *lacking))
            await save_warnings(tx, self._scope, self._run_key, list(warnings))

    async def _tell_isolation(self, run: Run, parent: Eval) -> None:
        """Write into the run how its Python graders are isolated, if it has any."""
        python = self._engine.facilities.python
        criteria = list(python_criteria(run.criteria(parent)))
        if python is None or not criteria:
            return
        self._isolation = {SANDBOX: await python.describe(criteria)}
        flow = run.flow or {}
        if flow.get(SANDBOX) != self._isolation[SANDBOX]:
            async with self._engine.database.write() as tx:
                await save_flow(tx, run.scope, run.key, {**flow, **self._isolation})

    async def _run_chunks(self, run: Run, evaluator: ItemEvaluator, callers: Callers) -> None:
        """Execute the pending chunks in order, a few at once, and write every second how calls to models go.

        Raises:
            RunStoppedError: The run was canceled or deleted meanwhile, or its guard has a verdict.
        """
        try:
            async with anyio.create_task_group() as helpers:
                if callers:
                    helpers.start_soon(self._save_flow_regularly, run, callers)
                await self._run_pending_chunks(run, evaluator, calls_models=callers.has_answers)
                helpers.cancel_scope.cancel()
        finally:
            if callers:
                with anyio.move_on_after(_LAST_FLOW_S, shield=True):
                    await self._save_flow(run, callers)
        if self._stop_requested.is_set():
            raise RunStoppedError

    async def _run_pending_chunks(self, run: Run, evaluator: ItemEvaluator, *, calls_models: bool) -> None:
        window = self._window(evaluator, calls_models=calls_models)
        row = 1 / evaluator.repeats

        def finish(chunk: Chunk) -> None:
            window.finish(chunk, row)

        async with open_chunk_runner(self._engine, run, evaluator, self._stop_requested, finish) as runner:
            await self._run_within(window, run, runner, calls_models=calls_models)

    async def _run_within(self, window: ChunkWindow, run: Run, runner: ChunkRunner, *, calls_models: bool) -> None:
        """Execute the pending chunks as a window lets them."""
        engine = self._engine
        last = -1

        async def run_one(chunk: Chunk) -> None:
            try:
                while not await run_in_turn(chunk):
                    await self._pause_before_turn()
            except RunStoppedError:
                self._stop_requested.set()
            finally:
                window.leave(chunk)

        async def run_in_turn(chunk: Chunk) -> bool:
            async with AsyncExitStack() as held:
                if not calls_models:
                    await held.enter_async_context(engine.chunk_slots)
                    if chunk.size_bytes > LARGE_CHUNK_BYTES:
                        await held.enter_async_context(engine.large_chunk)
                if not await self._begin_evaluation(run):
                    return False
                await runner.run_chunk(chunk)
                return True

        async def list_next() -> list[Chunk]:
            async with engine.database.read() as tx:
                return await list_pending_chunks(tx, run.scope, run.key, above=last, limit=SAMPLED_CHUNKS_OF_A_RUN)

        async with anyio.create_task_group() as tasks:
            while not self._stop_requested.is_set() and (chunks := await engine.patience.persist(list_next)):
                for chunk in chunks:
                    await window.enter(chunk)
                    if self._stop_requested.is_set():
                        window.leave(chunk)
                        break
                    tasks.start_soon(run_one, chunk)
                    last = chunk.number

    async def _begin_evaluation(self, run: Run) -> bool:
        """Write that chunks of the run are evaluated, before the first of them is; False: it is not its turn yet."""
        async with self._evaluation:
            if not self._is_evaluated:
                self._is_evaluated = await self._engine.patience.persist(partial(note_evaluation, self._engine, run))
                if not self._is_evaluated and not self._is_waiting:
                    self._is_waiting = True
                    self._log.warning("run_waits_for_suspects")
            return self._is_evaluated

    async def _pause_before_turn(self) -> None:
        """Let a moment pass before it may be the run's turn; of all chunks that wait, one at a time does so.

        Raises:
            RunStoppedError: The run was canceled or deleted meanwhile.
        """
        async with self._turn:
            if not self._is_evaluated:
                with anyio.move_on_after(_TURN_S):
                    await self._stop_requested.wait()
        if self._stop_requested.is_set():
            raise RunStoppedError

    async def _save_flow_regularly(self, run: Run, callers: Callers) -> None:
        told: list[bool] = []
        saved_at = anyio.current_time()
        while True:
            await anyio.sleep(_LOOK_S)
            # What cannot be reached is told at once, all else once a second.
            unreachable, now = callers.unreachable, anyio.current_time()
            if unreachable != told or now - saved_at >= _FLOW_S:
                told, saved_at = unreachable, now
                await self._save_flow(run, callers)

    async def _save_flow(self, run: Run, callers: Callers) -> None:
        """Write how calls go, unless the database is away: then those who store items wait for it already."""
        try:
            async with self._engine.database.write() as tx:
                await save_flow(tx, run.scope, run.key, {**callers.flow, **self._isolation})
        except Exception as error:
            if not is_unavailable(error):
                raise

    def _window(self, evaluator: ItemEvaluator, *, calls_models: bool) -> ChunkWindow:
        if not calls_models:
            return ChunkWindow(CHUNKS_OF_A_RUN, CHUNKS_OF_A_RUN * CHUNK_ROWS, CHUNKS_OF_A_RUN * LARGE_CHUNK_BYTES)
        # One chunk more than needed, so that the calls under way do not dwindle at the end of each.
        rows = evaluator.most_at_once // evaluator.repeats + CHUNK_ROWS
        return ChunkWindow(SAMPLED_CHUNKS_OF_A_RUN, rows, _WINDOW_BYTES)

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
                if current.times_retried != self._times_retried:
                    return False  # ended by somebody else, and queued again since
                if current.status is status:
                    return True  # by an attempt before, the answer to whose commit was lost
                if not current.status.can_become(status):
                    return False
                at = int(engine.clock.now())
                await save_status(tx, self._scope, current.to(status, at, error), at)
                return True

        return await engine.patience.persist(move)
