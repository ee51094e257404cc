"""`/v1/evals/{eval_id}/runs`: create, list, get, cancel, delete."""

from dataclasses import replace
from functools import partial
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.api.bodies import not_json, spooled_body
from evalhaven.api.lists import DEFAULT_LIMIT, After, Limit, OrderOf, page_request
from evalhaven.api.python_graders import refuse_without_isolation
from evalhaven.api.rendering import RunRenderer, json_response
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
from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.evals import Eval
from evalhaven.domain.jsontext import InvalidJsonError, RawJson
from evalhaven.domain.runs import Run
from evalhaven.domain.schemas import ItemSchema
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.template_checks import input_message_cautions
from evalhaven.runs.accepting.creation import new_run, option_cautions
from evalhaven.runs.accepting.inline import take_apart, write_inline_rows
from evalhaven.runs.evaluating.judging import refuse_unanswerable
from evalhaven.runs.evaluating.sampler import sampling_cautions
from evalhaven.runs.tool_secrets import tools_with_secrets
from evalhaven.storage import evals as eval_store
from evalhaven.storage import runs as store
from evalhaven.storage.files import get_file
from evalhaven.storage.run_secrets import insert_secrets
from evalhaven.wire import runs as wire
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/evals/{eval_id}/runs", tags=["Evals"])


@router.post("", operation_id="createEvalRun", status_code=201, response_model=wire.EvalRun)
async def create_run(
    eval_id: str,
    request: Request,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    strict: Annotated[bool, Query()] = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Start a run: it is queued at once and executed in the background.

    With `strict=true` a run is refused, or fails before it begins, whose input messages can never resolve or whose
    rows have a boolean, a number or null where the item schema declares a string.
    """
    async with services.database.read() as tx:
        parent = await eval_store.get_eval(tx, scope, eval_id)
    await refuse_without_isolation(services, parent.testing_criteria)
    async with spooled_body(request, services.blobs, services.config.max_body_bytes) as raw:
        run, sealed = await _prepare(raw, parent, services, scope, strict=strict)
        claim = (idempotency_key, request_hash(request, raw) if idempotency_key else b"")
    with services.blobs.kept_on_success(run.id):
        async with services.database.write() as tx:
            repeated = await find_repeated(tx, services, scope, claim, run.id)
            if repeated is None:
                await _insert(tx, run, services, scope, sealed)
    if repeated is not None:
        services.blobs.delete(run.id)
        with made_before():
            async with services.database.read() as tx:
                run = await store.get_run(tx, scope, eval_id, repeated)
    services.wake_executor()
    return _renderer(services).run_response(run, parent, 201)


async def _prepare(
    raw: RawJson, parent: Eval, services: Services, scope: ProjectScope, *, strict: bool
) -> tuple[Run, bytes | None]:
    """Return the run that a body asks for, and its sealed secrets; its inline rows are checked and in its blob."""
    try:
        body = await anyio.to_thread.run_sync(take_apart, raw)
    except InvalidJsonError as error:
        raise not_json(error) from error
    parsed = parse_request(wire.CreateEvalRunRequest, body.document)
    data_source = parsed.body.data_source
    cautions = input_message_cautions(data_source, parent.item_schema)
    refuse_cautions(cautions, strict=strict)
    options = replace(run_options(parsed.body.evalhaven), strict=strict)
    run = new_run(
        services.ids.new_run_id(),
        parent,
        scope,
        name=parsed.body.name,
        metadata=parsed.body.metadata or {},
        data_source=data_source,
        warnings=[*cautions, *unknown_key_cautions(parsed.unknown)],
    )
    run = replace(run, options=options)
    is_judged = refuse_unanswerable(run, parent, services.catalog)
    unused = option_cautions(options, is_sampled=run.is_sampled, is_judged=is_judged)
    more = [*unused, *sampling_cautions(run, services.catalog)]
    run = replace(run, warnings=[*run.warnings, *more])
    tools = tools_with_secrets(data_source) if run.is_sampled else None
    sealed = None if tools is None else services.vault.seal(tools)
    if run.has_inline_rows and body.rows is not None:
        with services.blobs.writer() as writer:
            schema = ItemSchema(parent.item_schema)
            write = partial(
                write_inline_rows, raw, body.rows, schema, writer, is_sampled=run.is_sampled, is_strict=strict
            )
            notices = await anyio.to_thread.run_sync(write)
            await anyio.to_thread.run_sync(services.blobs.commit, writer, run.id)
            warnings = [*run.warnings, *notices.cautions]
            run = replace(run, source_bytes=writer.size_bytes, warnings=warnings)
    return run, sealed


async def _insert(tx: AsyncConnection, run: Run, services: Services, scope: ProjectScope, sealed: bytes | None) -> None:
    # The eval was found before the body arrived and may have been deleted meanwhile.
    await eval_store.get_eval(tx, scope, run.eval_id, for_share=True)
    if run.file_id is not None:
        try:
            file = await get_file(tx, scope, run.file_id, services.now(), for_share=True)
            run = replace(run, source_bytes=file.size_bytes)
        except NotFoundError as error:
            raise InvalidRequestError(
                f"'data_source.source.id' names no file: {run.file_id!r} does not exist, is deleted or has expired. "
                "Upload it with POST /v1/files (purpose 'evals').",
                param="data_source.source.id",
                code="file_not_found",
            ) from error
    key = await store.insert_run(tx, scope, run)
    if sealed is not None:
        await insert_secrets(tx, scope, key, sealed)


@router.get("", operation_id="getEvalRuns", response_model=wire.EvalRunList)
async def list_runs(
    eval_id: str,
    services: ServicesOf,
    scope: ScopeOf,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
    order: OrderOf = None,
    status: Annotated[RunStatus | None, Query()] = None,
) -> Response:
    """List the runs of an eval."""
    page = page_request(after, limit, order, services.config.list_order)
    async with services.database.read() as tx:
        parent = await eval_store.get_eval(tx, scope, eval_id)
        found = await store.list_runs(tx, scope, parent.key, page, status)
    return _renderer(services).list_response(found, parent)


@router.get("/{run_id}", operation_id="getEvalRun", response_model=wire.EvalRun)
async def get_run(eval_id: str, run_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Get a run; its counts grow while it is in progress."""
    async with services.database.read() as tx:
        parent = await eval_store.get_eval(tx, scope, eval_id)
        run = await store.get_run(tx, scope, eval_id, run_id)
    return _renderer(services).run_response(run, parent)


@router.post("/{run_id}", operation_id="cancelEvalRun", response_model=wire.EvalRun)
# The published curl example has its own path for this; it is left out of the document.
@router.post("/{run_id}/cancel", include_in_schema=False)
async def cancel_run(eval_id: str, run_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Cancel a run: nothing is counted afterwards, finished items stay. A finished run is returned unchanged."""
    async with services.database.write() as tx:
        parent = await eval_store.get_eval(tx, scope, eval_id)
        run = await store.get_run(tx, scope, eval_id, run_id, for_update=True)
        if not run.status.is_final:
            run = run.to(RunStatus.CANCELED, services.now())
            await store.save_status(tx, scope, run, services.now())
    services.wake_executor()
    return _renderer(services).run_response(run, parent)


@router.delete("/{run_id}", operation_id="deleteEvalRun", response_model=wire.EvalRunDeleted)
async def delete_run(eval_id: str, run_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Delete a run; one under way is canceled first. Its items are gone at once and purged later."""
    async with services.database.write() as tx:
        run = await store.get_run(tx, scope, eval_id, run_id, for_update=True)
        if not run.status.is_final:
            await store.save_status(tx, scope, run.to(RunStatus.CANCELED, services.now()), services.now())
        await store.delete_run(tx, scope, run.key, services.now())
    services.wake_executor()
    return json_response(jsontext.render({"object": "eval.run.deleted", "deleted": True, "run_id": run_id}))


def _renderer(services: Services) -> RunRenderer:
    return RunRenderer(services.config.base_url, services.blobs)
