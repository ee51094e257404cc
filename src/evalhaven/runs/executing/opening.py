"""A run opened for execution: its graders, its sampler and what watches their calls."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.limits import MonthCost
from evalhaven.domain.evals import Caution, Eval
from evalhaven.domain.grader_parts import asks_models, compares_embeddings
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.runs import SANDBOX, Run
from evalhaven.graders.base import Grader
from evalhaven.graders.python.criteria import python_criteria
from evalhaven.graders.registry import open_graders
from evalhaven.runs.engine import Engine
from evalhaven.runs.evaluating.guard import RunGuard
from evalhaven.runs.evaluating.items import ItemEvaluator
from evalhaven.runs.evaluating.judging import Callers, RunJudges
from evalhaven.runs.evaluating.regrading import StoredItemEvaluator
from evalhaven.runs.evaluating.sampler import Sampler, sampling_question
from evalhaven.sampling.calls.slots import Slots
from evalhaven.storage.access.limits import find_month_cost
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_secrets import find_secrets
from evalhaven.storage.run_writes import save_flow, save_warnings
from evalhaven.storage.runs import get_run_by_key


@dataclass(slots=True)
class OpenRun:
    """A run that can be executed.

    Attributes:
        graders: One for each testing criterion.
        evaluator: Evaluates its items.
        callers: Its parts that call models.
        isolation: How its Python graders are isolated; empty if it has none, or before `tell_isolation`.
    """

    engine: Engine
    run: Run
    parent: Eval
    graders: Sequence[Grader]
    evaluator: ItemEvaluator
    callers: Callers
    isolation: JsonObject = field(default_factory=dict[str, JsonValue])
    _warned: set[Caution] = field(default_factory=set[Caution])

    @property
    def flow(self) -> JsonObject:
        """Return how its calls to models go, and how its Python graders are isolated."""
        return {**self.callers.flow, **self.isolation}

    async def warn(self) -> None:
        """Add to the run's warnings what its graders need and this server does not have."""
        if self._unknown_cautions():
            async with self.engine.database.write() as tx:
                await self.warn_in(tx)

    async def warn_in(self, tx: AsyncConnection) -> None:
        """Do the same in a transaction."""
        new = self._unknown_cautions()
        if not new:
            return
        current = await get_run_by_key(tx, self.run.scope, self.run.key, for_update=True)
        await save_warnings(tx, self.run.scope, self.run.key, list(dict.fromkeys((*current.warnings, *new))))
        self._warned.update(new)

    def _unknown_cautions(self) -> list[Caution]:
        lacking = [
            Caution(f"/testing_criteria/{i}", grader.caution) for i, grader in enumerate(self.graders) if grader.caution
        ]
        return [caution for caution in lacking if caution not in {*self.run.warnings, *self._warned}]

    async def tell_isolation(self) -> None:
        """Store how the run's Python graders, if it has any, are isolated."""
        run, python = self.run, self.engine.facilities.python
        criteria = list(python_criteria(run.criteria(self.parent).parsed))
        if python is None or not criteria:
            return
        self.isolation = {SANDBOX: await python.describe(criteria)}
        flow = run.flow or {}
        if flow.get(SANDBOX) != self.isolation[SANDBOX]:
            async with self.engine.database.write() as tx:
                await save_flow(tx, run.scope, run.key, {**flow, **self.isolation})


async def find_month_of(tx: ReadTransaction | AsyncConnection, run: Run, parent: Eval, now: float) -> MonthCost | None:
    """Return what a run's project may spend in this month, and has spent; None without a limit, or if it calls nobody.

    Args:
        tx: Open transaction.
        run: The run.
        parent: Its eval.
        now: Unix second.
    """
    if not (run.is_sampled or asks_models(run.criteria(parent).parsed)):
        return None
    return await find_month_cost(tx, run.scope, now)


@asynccontextmanager
async def open_run(
    engine: Engine, run: Run, parent: Eval, guard: RunGuard, run_limit: Slots | None = None
) -> AsyncGenerator[OpenRun]:
    """Open a run's graders, and the samplers of the models that it asks.

    Args:
        engine: What runs are executed with.
        run: The run.
        parent: Its eval.
        guard: Watches its calls.
        run_limit: How many calls it may have under way here; None: as many as it may have at all.

    Raises:
        UnknownModelError: No endpoint serves its model any more.
        UnsupportedGraderError: One of its graders cannot be executed here.
        UnsupportedRequestError: The endpoint that serves the model cannot do what is asked.
        VaultError: The secrets of the run's tools cannot be decrypted.
    """
    limit = run.options.max_concurrency
    if run_limit is None and limit is not None:
        run_limit = Slots(limit)
    judges = RunJudges(engine, run.scope, run.options, guard, run_limit, run.flow)
    facilities = replace(engine.facilities, open_judge=judges.open, watch=guard.watch_judge())
    async with open_graders(run.criteria(parent), facilities) as graders:
        sampler = await _sampler(engine, run, guard, run_limit) if run.is_sampled else None
        evaluator_class = StoredItemEvaluator if run.regrading or run.times_retried else ItemEvaluator
        evaluator = evaluator_class(
            graders, engine.ids, sampler, run.repeats, [each.name for each in run.criteria(parent)]
        )
        embedder = facilities.embedder if compares_embeddings(run.criteria(parent).parsed) else None
        yield OpenRun(engine, run, parent, graders, evaluator, Callers(sampler, judges, embedder))


async def _sampler(engine: Engine, run: Run, guard: RunGuard, run_limit: Slots | None) -> Sampler:
    """Return the sampler that asks the run's model."""
    sealed = None
    if run.data_source.tools:
        sealed = await engine.database.fetch(lambda tx: find_secrets(tx, run.scope, run.key))
    tools = None if sealed is None else cast("list[JsonValue]", engine.vault.open(sealed))
    question = sampling_question(run, engine.catalog, tools)
    return Sampler(engine, run.scope, run.options, guard, question, run_limit, run.flow)
