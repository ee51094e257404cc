"""Evaluating again: a new run that grades an older run's samples, or an older run whose errors are retried."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.evals import Caution
from evalhaven.domain.ids import RunId, created_at_of
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.masking import MASK
from evalhaven.domain.run_options import Budget, RunOptions
from evalhaven.domain.runs import Regrading, RetryChoice, Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tool_secrets import masked_tools, secrets_of
from evalhaven.storage.evals import get_eval
from evalhaven.storage.files import get_file
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.regrading import find_errored_keys, find_unknown_messages, has_output_items
from evalhaven.storage.run_writes import insert_run
from evalhaven.storage.runs import find_regrading_of, get_run_by_id, is_deleted
from evalhaven.storage.samples import LONGEST_MESSAGE

_IDS_AT_ONCE = 500


def regraded_run(
    run_id: RunId,
    source: Run,
    *,
    name: str | None,
    metadata: dict[str, str],
    criteria: Criteria | None,
    options: RunOptions,
    warnings: Sequence[Caution],
) -> Run:
    """Return a queued run that grades the samples of another one.

    Args:
        run_id: Its new id.
        source: The run that has the samples.
        name: As sent; None names the new run after the source.
        metadata: As sent.
        criteria: Testing criteria of its own; None for the eval's.
        options: As sent; the number of repeats is that of the source.
        warnings: What in the request will have no effect.

    Raises:
        InvalidRequestError: The source has not ended.
    """
    if not source.status.is_final:
        raise InvalidRequestError(
            f"Run {source.id!r} is {source.status}: its samples can be graded again when it has ended. Wait for that, "
            "or cancel it.",
            param="run_id",
            code="run_not_ended",
        )
    origin = None if source.imported is None else source.imported.origin
    return Run(
        id=run_id,
        eval_id=source.eval_id,
        eval_key=source.eval_key,
        scope=source.scope,
        created_at=created_at_of(run_id),
        name=f"{source.name} (graded again)" if name is None else name,
        model=source.model,
        metadata=metadata,
        data_source=source.data_source.with_rows([]),
        warnings=warnings,
        options=replace(options, repeats=source.options.repeats),
        regrading=Regrading(source.key, source.id, source.status, source.times_retried, origin),
        own_criteria=criteria,
    )


def reopened_run(run: Run, budget: Budget | None, choice: RetryChoice | None = None) -> Run:
    """Return a run queued again, so that items without a result are executed once more.

    A run that is under way, or has a result for every item, is returned unchanged.

    Args:
        run: The run.
        budget: The budget from now on; None keeps the run's present one.
        choice: Which errored items are executed again; None for all of them, and those missing.

    Raises:
        InvalidRequestError: The run was executed elsewhere, or its budget is spent.
    """
    if run.imported is not None:
        raise InvalidRequestError(
            f"Run {run.id!r} was executed elsewhere and imported, so it cannot be executed again here. Create a "
            f"new run, or grade its samples again with POST /api/runs/{run.id}/regrade.",
            param="run_id",
            code="imported_run",
        )
    if not run.status.is_final or (run.status is RunStatus.COMPLETED and not run.tally.errored):
        return run
    budget = budget or run.options.budget
    spending = run.tally.spending
    if budget is not None and budget.is_exceeded(spending.priced_cost, spending.tokens):
        raise InvalidRequestError(
            f"Run {run.id!r} has spent its budget. Send a larger 'budget'; it must cover what was spent and what "
            "will be spent.",
            param="budget",
            code="budget_exceeded",
        )
    if choice is not None and run.items_missing:
        raise InvalidRequestError(
            f"Run {run.id!r} ended before it had all of its items, and it would look complete if only some were "
            "executed. Retry all of it first: leave 'errors' and 'items' out.",
            param="items" if choice.items else "errors",
            code="items_missing",
        )
    return replace(run.reopened(choice), options=replace(run.options, budget=budget))


async def refuse_unknown_messages(tx: ReadTransaction, scope: ProjectScope, run: Run, messages: Sequence[str]) -> None:
    """Refuse messages that no errored item of a run has. It may look at all of these items.

    Raises:
        InvalidRequestError: No errored item has a message that is named.
    """
    shortened = {message[:LONGEST_MESSAGE] for message in messages}
    if unknown := await find_unknown_messages(tx, scope, run.key, shortened):
        raise InvalidRequestError(
            f"No errored item of run {run.id!r} has the message {min(unknown)!r}. Send messages as they are in "
            f"'errors' of GET /api/runs/{run.id}/report.",
            param="errors",
            code="invalid_value",
        )


async def retry_choice(
    tx: AsyncConnection, scope: ProjectScope, run: Run, messages: Sequence[str] | None, item_ids: Sequence[str] | None
) -> RetryChoice | None:
    """Return which errored items of a (locked) run a retry executes again; None for everything without a result.

    Args:
        tx: Open write transaction.
        scope: In whose project.
        run: The run.
        messages: Of the items; known not to be refused by `refuse_unknown_messages`.
        item_ids: Ids of output items.

    Raises:
        InvalidRequestError: A named item is no errored one.
    """
    if messages is None and item_ids is None:
        return None
    shortened = {message[:LONGEST_MESSAGE] for message in messages or ()}
    wanted = list(dict.fromkeys(item_ids or ()))
    found: dict[str, tuple[int, int]] = {}
    for start in range(0, len(wanted), _IDS_AT_ONCE):
        found |= await find_errored_keys(tx, scope, run.key, wanted[start : start + _IDS_AT_ONCE])
    if strange := next((each for each in wanted if each not in found), None):
        raise InvalidRequestError(
            f"{strange!r} is no errored output item of run {run.id!r}; leave it out.",
            param="items",
            code="invalid_value",
        )
    return RetryChoice(frozenset(shortened), frozenset(found.values()))


def tools_of_retry(run: Run, sent: list[JsonValue] | None) -> list[JsonValue] | None:
    """Return the tools of a run with their secrets, or None if they need none.

    Raises:
        InvalidRequestError: The tools must be sent again and were not, or different tools were sent.
    """
    stored = run.data_source.tools if run.is_sampled else []
    if sent is None:
        if MASK in secrets_of(stored):
            raise InvalidRequestError(
                "The secrets of the run's tools were erased when it ended. Send its tools again, with secrets, as "
                "'tools'.",
                param="tools",
                code="secrets_required",
            )
        return None
    if masked_tools(sent) != stored or MASK in secrets_of(sent):
        raise InvalidRequestError(
            "'tools' must be the tools of the run, with a secret in place of each "
            f"{MASK!r}: only secrets can be sent anew. For other tools create a new run.",
            param="tools",
            code="other_tools",
        )
    return sent if MASK in secrets_of(stored) else None


async def insert_regrading(tx: AsyncConnection, scope: ProjectScope, new: Run, source: Run) -> None:
    """Store a run that grades the samples of another one, unless these have changed meanwhile.

    Args:
        tx: Open write transaction.
        scope: In whose project.
        new: The run.
        source: The run that has the samples, as it was read before this transaction.

    Raises:
        InvalidRequestError: The source was retried meanwhile, or has no output items.
    """
    await get_eval(tx, scope, source.eval_id, for_share=True)
    # Locked against deletes and retries until the new run is stored, which then keeps the source from being purged.
    current = await get_run_by_id(tx, scope, source.id, for_update=True)
    if current.status != source.status or current.times_retried != source.times_retried:
        raise InvalidRequestError(
            f"Run {source.id!r} is {current.status}: it was retried just now.", param="run_id", code="run_not_ended"
        )
    if not await has_output_items(tx, scope, current.key):
        raise InvalidRequestError(
            f"Run {source.id!r} has no output items, so there are no samples to grade.",
            param="run_id",
            code="no_output_items",
        )
    await insert_run(tx, scope, new)


async def refuse_run_in_use(tx: AsyncConnection, scope: ProjectScope, run: Run) -> None:
    """Refuse to change a (locked) run whose samples another run is grading.

    Raises:
        InvalidRequestError: Another run is grading its samples; that run is named.
    """
    reader = await find_regrading_of(tx, scope, run.key)
    if reader is not None:
        raise InvalidRequestError(
            f"Run {reader!r} is grading the samples of run {run.id!r}, which must not change meanwhile. Wait until it "
            "ends, or cancel it.",
            param="run_id",
            code="run_in_use",
        )


async def refuse_missing_parts(tx: AsyncConnection, scope: ProjectScope, run: Run, at: int) -> None:
    """Refuse to execute the rest of a (locked) run whose rows are gone.

    Args:
        tx: Open write transaction.
        scope: In whose project.
        run: The run.
        at: Unix second.

    Raises:
        InvalidRequestError: Its file, or the run whose samples it grades, has been deleted.
    """
    if not run.items_missing:
        return
    if run.regrading is not None and await is_deleted(tx, scope, run.regrading.source_key):
        raise InvalidRequestError(
            f"Run {run.regrading.run_id!r}, whose samples are not all graded yet, is deleted.",
            param="run_id",
            code="source_deleted",
        )
    if run.file_id is not None:
        try:
            await get_file(tx, scope, run.file_id, at, for_share=True)
        except NotFoundError as error:
            raise InvalidRequestError(
                f"The file {run.file_id!r}, which has rows that are not executed yet, is deleted or has expired.",
                param="run_id",
                code="file_not_found",
            ) from error
