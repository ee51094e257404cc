"""Runs evaluated again at a user's request: their samples are graded again, or what has no result is retried."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.clock import Clock
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.evals import Caution, Eval, identified_criteria
from evalhaven.domain.grader_parts import asks_models
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.run_options import Budget
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.template_checks import criteria_cautions
from evalhaven.graders.multi import refuse_formulas
from evalhaven.runs.accepting.claims import Claim, made_before
from evalhaven.runs.accepting.creation import refuse_cautions, run_options, unknown_key_cautions
from evalhaven.runs.accepting.limits import Allowed, read_allowed, refuse_beyond
from evalhaven.runs.accepting.model_checks import checked_run, refuse_unanswerable, sampling_cautions
from evalhaven.runs.accepting.python_checks import PythonChecks
from evalhaven.runs.accepting.reruns import (
    insert_regrading,
    refuse_missing_parts,
    refuse_run_in_use,
    refuse_unknown_messages,
    regraded_run,
    reopened_run,
    retry_choice,
    tools_of_retry,
)
from evalhaven.runs.telling import untraced
from evalhaven.runs.vault import Vault
from evalhaven.sampling.catalog import Catalog
from evalhaven.storage.chunks import reopen_chunks
from evalhaven.storage.database import Database
from evalhaven.storage.evals import get_eval
from evalhaven.storage.run_secrets import insert_secrets
from evalhaven.storage.run_writes import save_reopened
from evalhaven.storage.runs import get_run_by_id
from evalhaven.wire.regrading import RegradeRunRequest, RetryRunRequest
from evalhaven.wire.requests import ParsedRequest, parse_request


@dataclass(frozen=True, slots=True)
class RerunAcceptance:
    """Queues runs that grade the samples of other runs, and runs that are retried.

    Each method raises NotFoundError if there is no such run, and InvalidRequestError if part of a request cannot be
    used. The message names the parameter and the cure, and nothing is stored.

    Attributes:
        catalog: The endpoints at which models are asked.
        vault: Seals the secrets of tools.
        python: Checks Python graders.
        wake_executor: Tells the executor that a run is queued.
        find_trace: Returns what names the span of the request, which becomes that of a new run's parent.
    """

    database: Database
    ids: IdFactory
    clock: Clock
    catalog: Catalog
    vault: Vault
    python: PythonChecks
    wake_executor: Callable[[], None]
    find_trace: Callable[[], str | None] = untraced

    async def regrade_run(
        self, scope: ProjectScope, run_id: str, document: JsonValue, claim: Claim, *, strict: bool
    ) -> tuple[Run, Eval]:
        """Queue a run that grades the samples of another one; nothing is sampled.

        Args:
            scope: In whose project.
            run_id: The run that has the samples.
            document: The request's body.
            claim: Tells whether the request was made before: then the run that it made is returned.
            strict: Whether criteria with warnings are refused.
        """
        parsed = parse_request(RegradeRunRequest, document)
        async with self.database.read() as tx:
            source = await get_run_by_id(tx, scope, run_id)
            parent = await get_eval(tx, scope, source.eval_id)
            allowed = await read_allowed(tx, scope, self._now())
        new = self._regraded(source, parent, parsed, allowed, strict=strict)
        cautions = await self.python.check_criteria(parsed.body.testing_criteria or [], strict=strict)
        new = replace(new, warnings=[*new.warnings, *cautions], traceparent=self.find_trace())
        await self.python.refuse_without_isolation(new.criteria(parent))
        async with self.database.write() as tx:
            repeated = await claim.find_repeated(tx, scope, new.id, self._now())
            if repeated is None:
                await refuse_beyond(tx, scope, allowed.limits)
                await insert_regrading(tx, scope, new, source)
            else:
                with made_before():
                    new = await get_run_by_id(tx, scope, repeated)
        self.wake_executor()
        return new, parent

    async def retry_run(self, scope: ProjectScope, run_id: str, document: JsonValue) -> tuple[Run, Eval]:
        """Queue a finished run again for what has no result in it.

        A run that is under way or has a result for every item is returned unchanged.

        Args:
            scope: In whose project.
            run_id: The run.
            document: The request's body.
        """
        parsed = parse_request(RetryRunRequest, document).body
        budget = None if parsed.budget is None else Budget(parsed.budget.cost, parsed.budget.tokens)
        while (answered := await self._retry(scope, run_id, parsed, budget)) is None:
            pass
        self.wake_executor()
        return answered

    async def _retry(
        self, scope: ProjectScope, run_id: str, parsed: RetryRunRequest, budget: Budget | None
    ) -> tuple[Run, Eval] | None:
        """Queue a run again; None if it changed while its errors were looked through, which is to be repeated."""
        looked_at = None
        if parsed.errors:
            # All errors of a large run: nothing else could be written meanwhile.
            async with self.database.read() as tx:
                looked_at = await get_run_by_id(tx, scope, run_id)
                if reopened_run(looked_at, budget) is not looked_at:
                    await refuse_unknown_messages(tx, scope, looked_at, parsed.errors)
        async with self.database.write() as tx:
            run = await get_run_by_id(tx, scope, run_id, for_update=True)
            if looked_at is not None and _state_of(run) != _state_of(looked_at):
                return None
            parent = await get_eval(tx, scope, run.eval_id)
            reopened = reopened_run(run, budget)
            if reopened is not run:
                budget = await self._within_limits(tx, scope, run, parent, budget)
                choice = await retry_choice(tx, scope, run, parsed.errors, parsed.items)
                reopened = reopened_run(run, budget, choice)
                await self.python.refuse_without_isolation(run.criteria(parent))
                sampling_cautions(run, self.catalog)
                refuse_unanswerable(run, parent, self.catalog)
                tools = tools_of_retry(run, parsed.tools)
                await refuse_run_in_use(tx, scope, run)
                await refuse_missing_parts(tx, scope, run, self._now())
                await save_reopened(tx, scope, reopened, self._now())
                await reopen_chunks(tx, scope, run.key)
                if tools is not None:
                    await insert_secrets(tx, scope, run.key, self.vault.seal(tools))
        return reopened, parent

    async def _within_limits(
        self, tx: AsyncConnection, scope: ProjectScope, run: Run, parent: Eval, budget: Budget | None
    ) -> Budget | None:
        """Return the budget with which a run may be executed again; None leaves it as it is.

        Raises:
            LimitExceededError: The project's limits leave nothing to it.
        """
        allowed = await read_allowed(tx, scope, self._now())
        await refuse_beyond(tx, scope, allowed.limits)
        if not (run.is_sampled or asks_models(run.criteria(parent).parsed)):
            return budget
        allowed.refuse_spent_month()
        return allowed.narrowed(budget or run.options.budget)

    def _now(self) -> int:
        return int(self.clock.now())

    def _regraded(
        self,
        source: Run,
        parent: Eval,
        parsed: ParsedRequest[RegradeRunRequest],
        allowed: Allowed,
        *,
        strict: bool,
    ) -> Run:
        """Return the run that grades the samples of another one, with its own criteria if they were sent."""
        given = parsed.body.testing_criteria
        cautions: list[Caution] = []
        criteria: Criteria | None = None
        if given is not None:
            refuse_formulas(given)
            cautions = criteria_cautions(given, parent.item_schema)
            refuse_cautions(cautions, strict=strict)
            criteria = identified_criteria(given, self.ids.new_uuid)
        options = run_options(parsed.body.evalhaven)
        new = regraded_run(
            self.ids.new_run_id(),
            source,
            name=parsed.body.name,
            metadata=parsed.body.metadata or {},
            criteria=criteria,
            options=options,
            warnings=[*cautions, *unknown_key_cautions(parsed.unknown)],
        )
        return allowed.checked(
            new,
            new.options,
            lambda one: refuse_unanswerable(one, parent, self.catalog),
            lambda one: checked_run(one, parent, self.catalog, options),
        )


def _state_of(run: Run) -> tuple[RunStatus, int]:
    return run.status, run.times_retried
