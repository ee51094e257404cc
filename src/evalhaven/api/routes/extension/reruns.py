"""`/api/runs/{run_id}/regrade` and `/retry`: a run evaluated again."""

from dataclasses import replace
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.api.bodies import parse_body, read_body
from evalhaven.api.python_graders import check_python_graders, refuse_without_isolation
from evalhaven.api.rendering import RunRenderer
from evalhaven.api.requests import (
    IdempotencyKey,
    find_repeated,
    made_before,
    refuse_cautions,
    request_hash,
    run_options,
    unknown_key_cautions,
)
from evalhaven.api.services import ScopeOf, Services, ServicesOf
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.evals import Caution, Eval, identified_criteria
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.run_options import Budget
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.template_checks import criteria_cautions
from evalhaven.graders.multi import refuse_formulas
from evalhaven.runs.accepting.creation import option_cautions
from evalhaven.runs.accepting.reruns import regraded_run, reopened_run, tools_of_retry
from evalhaven.runs.evaluating.judging import refuse_unanswerable
from evalhaven.runs.evaluating.sampler import sampling_cautions
from evalhaven.storage import runs as store
from evalhaven.storage.chunks import reopen_chunks
from evalhaven.storage.evals import get_eval
from evalhaven.storage.files import get_file
from evalhaven.storage.regrading import has_output_items
from evalhaven.storage.run_secrets import insert_secrets
from evalhaven.wire.regrading import RegradeRunRequest, RetryRunRequest
from evalhaven.wire.requests import ParsedRequest, parse_request

router = APIRouter(prefix="/api/runs/{run_id}", include_in_schema=False)


@router.post("/regrade", status_code=201)
async def regrade_run(
    run_id: str,
    request: Request,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    strict: Annotated[bool, Query()] = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Start a run that grades the samples of another one; nothing is sampled.

    With `strict=true` criteria with warnings are refused.
    """
    raw = await read_body(request, services.config.max_body_bytes)
    body = _parse(raw)
    parsed = parse_request(RegradeRunRequest, body)
    async with services.database.read() as tx:
        source = await store.get_run_by_id(tx, scope, run_id)
        parent = await get_eval(tx, scope, source.eval_id)
    new = _regraded(source, parent, parsed, services, strict=strict)
    cautions = await check_python_graders(services, parsed.body.testing_criteria or [], strict=strict)
    new = replace(new, warnings=[*new.warnings, *cautions])
    await refuse_without_isolation(services, new.criteria(parent))
    async with services.database.write() as tx:
        claim = (idempotency_key, request_hash(request, raw))
        repeated = await find_repeated(tx, services, scope, claim, new.id)
        if repeated is None:
            await _insert(tx, new, source, scope)
        else:
            with made_before():
                new = await store.get_run_by_id(tx, scope, repeated)
    services.wake_executor()
    return RunRenderer(services.config.base_url, services.blobs).run_response(new, parent, 201)


@router.post("/retry")
async def retry_run(run_id: str, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Execute again what has no result in a finished run; a run that is under way or whole is returned unchanged."""
    raw = await read_body(request, services.config.max_body_bytes)
    parsed = parse_request(RetryRunRequest, _parse(raw)).body
    budget = None if parsed.budget is None else Budget(parsed.budget.cost, parsed.budget.tokens)
    async with services.database.write() as tx:
        run = await store.get_run_by_id(tx, scope, run_id, for_update=True)
        parent = await get_eval(tx, scope, run.eval_id)
        reopened = reopened_run(run, budget)
        if reopened is not run:
            await refuse_without_isolation(services, run.criteria(parent))
            sampling_cautions(run, services.catalog)
            refuse_unanswerable(run, parent, services.catalog)
            tools = tools_of_retry(run, parsed.tools)
            await _refuse_what_is_in_use_or_gone(tx, run, services, scope)
            await store.save_reopened(tx, scope, reopened, services.now())
            await reopen_chunks(tx, scope, run.key)
            if tools is not None:
                await insert_secrets(tx, scope, run.key, services.vault.seal(tools))
    services.wake_executor()
    return RunRenderer(services.config.base_url, services.blobs).run_response(reopened, parent)


def _parse(raw: bytes) -> JsonValue:
    return parse_body(raw) if raw.strip() else {}


def _regraded(
    source: Run,
    parent: Eval,
    parsed: ParsedRequest[RegradeRunRequest],
    services: Services,
    *,
    strict: bool,
) -> Run:
    given = parsed.body.testing_criteria
    cautions: list[Caution] = []
    criteria: Criteria | None = None
    if given is not None:
        refuse_formulas(given)
        cautions = criteria_cautions(given, parent.item_schema)
        refuse_cautions(cautions, strict=strict)
        criteria = identified_criteria(given, lambda: str(uuid4()))
    options = run_options(parsed.body.evalhaven)
    new = regraded_run(
        services.ids.new_run_id(),
        source,
        name=parsed.body.name,
        metadata=parsed.body.metadata or {},
        criteria=criteria,
        options=options,
        warnings=[*cautions, *unknown_key_cautions(parsed.unknown)],
    )
    is_judged = refuse_unanswerable(new, parent, services.catalog)
    unused = option_cautions(options, is_sampled=False, is_judged=is_judged)
    return replace(new, warnings=[*new.warnings, *unused])


async def _insert(tx: AsyncConnection, new: Run, source: Run, scope: ProjectScope) -> None:
    await get_eval(tx, scope, source.eval_id, for_share=True)
    # Locked, so that nobody deletes or retries it before the new run, which keeps it from being purged, is stored.
    current = await store.get_run_by_id(tx, scope, source.id, for_update=True)
    if current.status != source.status or current.times_retried != source.times_retried:
        raise InvalidRequestError(
            f"Run {source.id!r} is {current.status}: it was tried again just now.", param="run_id", code="run_not_ended"
        )
    if not await has_output_items(tx, scope, current.key):
        raise InvalidRequestError(
            f"Run {source.id!r} has no output items, so there are no samples to grade.",
            param="run_id",
            code="no_output_items",
        )
    await store.insert_run(tx, scope, new)


async def _refuse_what_is_in_use_or_gone(
    tx: AsyncConnection, run: Run, services: Services, scope: ProjectScope
) -> None:
    """Let pass a run, locked, that nobody reads just now and of which everything is left that it needs."""
    reader = await store.find_regrading_of(tx, scope, run.key)
    if reader is not None:
        raise InvalidRequestError(
            f"Run {reader!r} is grading the samples of run {run.id!r}, which must not change meanwhile. Wait for its "
            "end, or cancel it.",
            param="run_id",
            code="run_in_use",
        )
    if not run.items_missing:
        return
    if run.regrading is not None and await store.is_deleted(tx, scope, run.regrading.source_key):
        raise InvalidRequestError(
            f"Run {run.regrading.run_id!r}, whose samples were still to be graded, is deleted.",
            param="run_id",
            code="source_deleted",
        )
    if run.file_id is not None:
        try:
            await get_file(tx, scope, run.file_id, services.now(), for_share=True)
        except NotFoundError as error:
            raise InvalidRequestError(
                f"The file {run.file_id!r}, of which rows were still to be executed, is deleted or has expired.",
                param="run_id",
                code="file_not_found",
            ) from error
