"""`/api/runs/{run_id}/regrade` and `/retry`: a run evaluated again."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from evalhaven.api.bodies import parse_body, read_body
from evalhaven.api.rendering import RunRenderer
from evalhaven.api.requests import IdempotencyKey, claim_of
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.jsontext import JsonValue

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
    claim = claim_of(request, idempotency_key, raw)
    new, parent = await services.acceptance.regrade_run(scope, run_id, _parse(raw), claim, strict=strict)
    return RunRenderer(services.config.base_url, services.blobs).run_response(new, parent, 201)


@router.post("/retry")
async def retry_run(run_id: str, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Execute again what has no result in a finished run; a run that is under way or whole is returned unchanged."""
    raw = await read_body(request, services.config.max_body_bytes)
    run, parent = await services.acceptance.retry_run(scope, run_id, _parse(raw))
    return RunRenderer(services.config.base_url, services.blobs).run_response(run, parent)


def _parse(raw: bytes) -> JsonValue:
    return parse_body(raw) if raw.strip() else {}
