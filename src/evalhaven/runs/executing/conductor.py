"""The conductor: takes one run to its final status, from whatever state is stored."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import anyio
import structlog

from evalhaven.domain.errors import InvalidRowsError
from evalhaven.domain.evals import Caution, Eval
from evalhaven.domain.grader_parts import compares_embeddings
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.run_events import RunEvent
from evalhaven.domain.runs import SANDBOX, Run
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
from evalhaven.runs.executing.deaths import count_death
from evalhaven.runs.executing.handout import Handout
from evalhaven.runs.executing.turn import Turn
from evalhaven.runs.planning.plan import RunPlanner
from evalhaven.runs.sources.choice import source_of
from evalhaven.runs.sources.source_file import damage_of
from evalhaven.runs.vault import VaultError
from evalhaven.sampling.catalog import UnknownModelError
from evalhaven.sampling.protocols.requests import UnsupportedRequestError
from evalhaven.storage.database import is_unavailable
from evalhaven.storage.evals import get_eval_by_key
from evalhaven.storage.run_history import append_events
from evalhaven.storage.run_secrets import find_secrets
from evalhaven.storage.run_writes import save_flow, save_status, save_warnings
from evalhaven.storage.runs import get_run_by_key


class RunConductor:
    """Conducts one run; after a kill, conducting it again continues from the stored state."""

    def __init__(self, engine: Engine, scope: ProjectScope, run_key: int) -> None:
        self._engine = engine
        self._scope = scope
        self._run_key = run_key
        self._stop_requested = anyio.Event()
        self._turn = Turn(engine, self._stop_requested)
        self._guard: RunGuard | None = None
        self._times_retried: int | None = None
        self._is_taken_up = False
        self._warned: list[Caution] = []
        self._log = structlog.get_logger("evalhaven.runs")

    @property
    def times_retried(self) -> int | None:
        """Return how many times the run had been retried when it was taken up; None before it is."""
        return self._times_retried

    def request_stop(self) -> None:
        """Ask for a stop soon: the run was canceled or deleted."""
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
                # Its file may be gone already: a run that has ended no longer keeps it.
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
        await self._note_resumed(run)
        # Taken up again after the database was away, a run keeps its guard, which knows what was paid but not stored.
        guard = self._guard = self._guard or RunGuard(run.options.budget, run.tally.spending, self._stop_requested)
        limit = run.options.max_concurrency
        run_limit = None if limit is None else anyio.CapacityLimiter(limit)
        judges = RunJudges(engine, run.scope, run.options, guard, run_limit, run.flow)
        facilities = replace(engine.facilities, open_judge=judges.open, watch=guard.watch_judge())
        async with open_graders(run.criteria(parent), facilities) as graders:
            sampler = await self._sampler(run, guard, run_limit) if run.is_sampled else None
            evaluator_class = StoredItemEvaluator if run.regrading or run.times_retried else ItemEvaluator
            evaluator = evaluator_class(graders, engine.ids, sampler, run.repeats)
            embedder = facilities.embedder if compares_embeddings(run.criteria(parent).parsed) else None
            await self._evaluate(run, parent, graders, evaluator, Callers(sampler, judges, embedder))

    async def _evaluate(
        self, run: Run, parent: Eval, graders: Sequence[Grader], evaluator: ItemEvaluator, callers: Callers
    ) -> None:
        """Plan the run, execute its chunks and complete it."""
        engine = self._engine
        if run.status is RunStatus.QUEUED and not await self._move(RunStatus.IN_PROGRESS):
            raise RunStoppedError
        await self._warn(run, graders)
        isolation = await self._tell_isolation(run, parent)
        if run.items_planned is None:
            planner = RunPlanner(engine, run, self._stop_requested.is_set)
            items_planned = await planner.plan_run(ItemSchema(parent.item_schema))
            self._log.info("run_planned", items=items_planned)
        else:
            items_planned = run.items_planned
        if self._guard is not None:
            errored = run.tally.errored if run.times_retried else 0
            self._guard.expect_calls(items_planned - run.tally.total + errored)
        await Handout(engine, run, evaluator, callers, isolation, self._turn, self._stop_requested).run_chunks()
        await self._warn(run, graders)  # of what turned out meanwhile
        await self._end(RunStatus.COMPLETED)

    async def _sampler(self, run: Run, guard: RunGuard, run_limit: anyio.CapacityLimiter | None) -> Sampler:
        """Return the sampler that asks the run's model.

        Raises:
            UnknownModelError: No endpoint serves the model any more.
            UnsupportedRequestError: The endpoint that serves the model cannot do what is asked.
            VaultError: The secrets of the run's tools cannot be decrypted.
        """
        engine = self._engine
        async with engine.database.read() as tx:
            sealed = await find_secrets(tx, run.scope, run.key)
        tools = None if sealed is None else cast("list[JsonValue]", engine.vault.open(sealed))
        question = sampling_question(run, engine.catalog, tools)
        return Sampler(engine, run.scope, run.options, guard, question, run_limit, run.flow)

    async def _warn(self, run: Run, graders: Sequence[Grader]) -> None:
        """Add to the run's warnings what its graders need and this server does not have."""
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

    async def _tell_isolation(self, run: Run, parent: Eval) -> JsonObject:
        """Store how the run's Python graders, if it has any, are isolated, and return that."""
        python = self._engine.facilities.python
        criteria = list(python_criteria(run.criteria(parent).parsed))
        if python is None or not criteria:
            return {}
        isolation: JsonObject = {SANDBOX: await python.describe(criteria)}
        flow = run.flow or {}
        if flow.get(SANDBOX) != isolation[SANDBOX]:
            async with self._engine.database.write() as tx:
                await save_flow(tx, run.scope, run.key, {**flow, **isolation})
        return isolation

    async def _note_resumed(self, run: Run) -> None:
        """Record, once, that this process goes on with a run, and whether the one before is known to have died."""
        is_news = run.status is RunStatus.IN_PROGRESS and not self._is_taken_up
        self._is_taken_up = True
        if not is_news:
            return
        has_died = run.evaluated_by not in (None, self._engine.process)
        event = RunEvent("resumed", int(self._engine.clock.now()), {"died": has_died})
        async with self._engine.database.write() as tx:
            current = await get_run_by_key(tx, self._scope, self._run_key, for_update=True)
            if current.status is RunStatus.IN_PROGRESS:
                await append_events(tx, self._scope, self._run_key, [event])

    async def _is_over(self) -> bool:
        async with self._engine.database.read() as tx:
            return (await get_run_by_key(tx, self._scope, self._run_key)).status.is_final

    async def _end(self, status: RunStatus, error: ItemError | None = None) -> None:
        if await self._move(status, error):
            self._log.info("run_ended", status=status, code=None if error is None else error.code)

    async def _move(self, status: RunStatus, error: ItemError | None = None) -> bool:
        """Move the run to a status unless it was ended before; return whether it was moved."""
        engine = self._engine

        async def move() -> bool:
            async with engine.database.write() as tx:
                current = await get_run_by_key(tx, self._scope, self._run_key, for_update=True)
                if current.times_retried != self._times_retried:
                    return False  # ended by another transaction, and queued again since
                if current.status is status:
                    return True  # moved by an earlier attempt, the answer to whose commit was lost
                if not current.status.can_become(status):
                    return False
                at = int(engine.clock.now())
                await save_status(tx, self._scope, current.to(status, at, error), at)
                return True

        return await engine.patience.persist(move)
