"""`/api/runs/{run_id}/regrade` and `/retry`: a run evaluated again."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import parse_body, read_body
from evalhaven.api.rendering.runs import RunRenderer
from evalhaven.api.requests import IdempotencyKey, PathRunId, claim_of
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain.jsontext import JsonValue
from evalhaven.wire.runs import EvalRun

router = APIRouter(prefix="/api/runs/{run_id}", tags=["Runs"], route_class=GuardedRoute)

Strict = Annotated[bool, Query(description="Whether to refuse criteria with warnings.")]

_ANY_RUN_REFUSED = "`invalid_json`, `invalid_value`, `model_not_found`, `unsupported`, `grader_unavailable`"
_REGRADE_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {
        "description": "The request cannot be accepted: `run_not_ended`, `no_output_items`, `unresolvable_template` "
        f"(only with `strict=true`), `invalid_formula`, `idempotency_key_reused`, {_ANY_RUN_REFUSED}."
    }
}
_RETRY_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {
        "description": "The request cannot be accepted: `imported_run`, `run_in_use`, `source_deleted`, "
        f"`file_not_found`, `budget_exceeded`, `secrets_required`, `other_tools`, `items_missing`, {_ANY_RUN_REFUSED}."
    }
}


@router.post(
    "/regrade",
    status_code=201,
    operation_id="regradeRun",
    response_model=EvalRun,
    responses=_REGRADE_REFUSED,
    response_description="The new run.",
)
async def regrade_run(
    run_id: PathRunId,
    request: Request,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    strict: Strict = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Start a run that grades the samples of another one. No model is sampled.

    The other run must have ended, and it stays as it is. The new run belongs to the same eval.
    """
    raw = await read_body(request, services.config.max_body_bytes)
    claim = claim_of(request, idempotency_key, raw)
    new, parent = await services.reruns.regrade_run(scope, run_id, _parse(raw), claim, strict=strict)
    return RunRenderer(services.config.base_url, services.blobs).run_response(new, parent, 201)


@router.post(
    "/retry", operation_id="retryRun", response_model=EvalRun, responses=_RETRY_REFUSED, response_description="The run."
)
async def retry_run(run_id: PathRunId, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Execute again what has no result in a finished run.

    Errored items are tried again, and so are items that a failed or canceled run never came to. A run that is under
    way, or has a result for every item, is returned unchanged. With `errors` or `items` only these are tried again.
    """
    raw = await read_body(request, services.config.max_body_bytes)
    run, parent = await services.reruns.retry_run(scope, run_id, _parse(raw))
    return RunRenderer(services.config.base_url, services.blobs).run_response(run, parent)


def _parse(raw: bytes) -> JsonValue:
    return parse_body(raw) if raw.strip() else {}
