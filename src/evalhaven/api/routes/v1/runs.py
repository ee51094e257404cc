"""`/v1/evals/{eval_id}/runs`: create, list, get, cancel, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from evalhaven.api.access.auditing import deletion_of
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import spooled_body
from evalhaven.api.lists import DEFAULT_LIMIT, After, Limit, OrderOf, page_request
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.rendering.runs import RunRenderer
from evalhaven.api.requests import IdempotencyKey, claim_of
from evalhaven.api.services import ScopeOf, Services, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.statuses import RunStatus
from evalhaven.storage import evals as eval_store
from evalhaven.storage import runs as store
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire import runs as wire

router = APIRouter(prefix="/v1/evals/{eval_id}/runs", tags=["Evals"], route_class=GuardedRoute)


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
    parent = await services.runs.get_executable_eval(scope, eval_id)
    async with spooled_body(request, services.spool_dir, services.config.max_body_bytes) as raw:
        prepared = await services.runs.prepare_run(scope, parent, raw, strict=strict)
        claim = claim_of(request, idempotency_key, raw)
    run = await services.runs.store_run(scope, prepared, claim)
    return _renderer(services).run_response(run, parent, 201)


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

    async def read(tx: ReadTransaction) -> Response:
        parent = await eval_store.get_eval(tx, scope, eval_id)
        found = await store.list_runs(tx, scope, parent.key, page, status)
        return _renderer(services).list_response(found, parent)

    return await services.database.fetch(read)


@router.get("/{run_id}", operation_id="getEvalRun", response_model=wire.EvalRun)
async def get_run(eval_id: str, run_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Get a run; its counts grow while it is in progress."""

    async def read(tx: ReadTransaction) -> Response:
        run, parent = await store.get_run_and_eval(tx, scope, eval_id, run_id)
        return _renderer(services).run_response(run, parent)

    return await services.database.fetch(read)


@router.post("/{run_id}", operation_id="cancelEvalRun", response_model=wire.EvalRun)
# The published curl example uses a path of its own for this, which is left out of the document.
@router.post("/{run_id}/cancel", include_in_schema=False)
async def cancel_run(eval_id: str, run_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Cancel a run: nothing is counted afterwards, finished items stay. A finished run is returned unchanged."""
    run, parent = await services.lifecycle.cancel_run(scope, eval_id, run_id)
    return _renderer(services).run_response(run, parent)


@router.delete("/{run_id}", operation_id="deleteEvalRun", response_model=wire.EvalRunDeleted)
async def delete_run(eval_id: str, run_id: str, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Delete a run; one under way is canceled first. Its items are gone at once and purged later."""
    await services.lifecycle.delete_run(scope, eval_id, run_id, deletion_of(request, "run", run_id))
    return json_response(jsontext.render({"object": "eval.run.deleted", "deleted": True, "run_id": run_id}))


def _renderer(services: Services) -> RunRenderer:
    return RunRenderer(services.config.base_url, services.blobs)
