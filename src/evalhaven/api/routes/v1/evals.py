"""`/v1/evals`: create, list, get, update, delete."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from evalhaven.api.access.auditing import deletion_of
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import parse_body, read_body, read_document
from evalhaven.api.lists import DEFAULT_LIMIT, After, Limit, OrderOf, page_request
from evalhaven.api.rendering.evals import eval_text
from evalhaven.api.rendering.json_texts import json_response, list_text
from evalhaven.api.requests import IdempotencyKey, claim_of
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.storage import evals as store
from evalhaven.wire import evals as wire

router = APIRouter(prefix="/v1/evals", tags=["Evals"], route_class=GuardedRoute)


@router.post("", operation_id="createEval", status_code=201, response_model=wire.Eval)
async def create_eval(
    request: Request,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    strict: Annotated[bool, Query()] = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Create an eval: what items look like, and the testing criteria that every run applies.

    With `strict=true` an eval with warnings is refused.
    """
    raw = await read_body(request, services.config.max_body_bytes)
    claim = claim_of(request, idempotency_key, raw)
    new = await services.evals.create_eval(scope, parse_body(raw), claim, strict=strict)
    return json_response(eval_text(new), 201)


@router.get("", operation_id="listEvals", response_model=wire.EvalList)
async def list_evals(
    services: ServicesOf,
    scope: ScopeOf,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
    order: OrderOf = None,
    order_by: Annotated[Literal["created_at", "updated_at"], Query()] = "created_at",
) -> Response:
    """List the evals of the project."""
    page = page_request(after, limit, order, services.config.list_order)
    found = await services.database.fetch(
        lambda tx: store.list_evals(tx, scope, page, by_update=order_by == "updated_at")
    )
    texts = [eval_text(each) for each in found.objects]
    return json_response(list_text(texts, [each.id for each in found.objects], has_more=found.has_more))


@router.get("/{eval_id}", operation_id="getEval", response_model=wire.Eval)
async def get_eval(eval_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Get an eval."""
    found = await services.database.fetch(lambda tx: store.get_eval(tx, scope, eval_id))
    return json_response(eval_text(found))


@router.post("/{eval_id}", operation_id="updateEval", response_model=wire.Eval)
async def update_eval(eval_id: str, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Change an eval's name or metadata; metadata is replaced as a whole, and null clears it."""
    document = await read_document(request, services.config.max_body_bytes)
    return json_response(eval_text(await services.evals.update_eval(scope, eval_id, document)))


@router.delete("/{eval_id}", operation_id="deleteEval", response_model=wire.EvalDeleted)
async def delete_eval(eval_id: str, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Delete an eval with its runs; those under way are canceled first."""
    await services.lifecycle.delete_eval(scope, eval_id, deletion_of(request, "eval", eval_id))
    return json_response(jsontext.render({"object": "eval.deleted", "deleted": True, "eval_id": eval_id}))
