"""`/api/logs`: logged calls as a whole."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from evalhaven.access.permissions import Permission
from evalhaven.api.access.auditing import record_audit
from evalhaven.api.access.routes import GuardedRoute, caller_of
from evalhaven.api.bodies import body_blocks
from evalhaven.api.lines import Line, batches_of_lines
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.rendering.log_status import log_status, of_project
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.ingest.intake import RefusedCall
from evalhaven.logs.ingest.lines import read_line
from evalhaven.logs.reading.calls import ParsedCall
from evalhaven.logs.reading.events import UnreadableReplyError
from evalhaven.storage.access.retention import find_kept_days
from evalhaven.wire.logs import CallIntakeOutcome, CallRefusal, CallRetention, LogStatus

router = APIRouter(prefix="/api/logs", tags=["Logs"], route_class=GuardedRoute)

_SHOWN_REFUSALS = 100
_LINES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A JSON object a line, with `request` and `reply` as chat completions or the Responses API have "
        "them, and if wanted with `metadata`, `created_at` (Unix seconds; by default the reply's own time) and "
        "`latency_ms`.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


@router.get("", operation_id="getLogStatus", response_model=LogStatus, response_description="The state of logging.")
async def get_log_status(request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Get how many calls of this project are stored, and for how long they are kept.

    Whoever operates the server also gets the numbers of all projects, and how many calls wait to be stored and were
    lost.
    """
    config = services.config
    days = await services.database.fetch(lambda tx: find_kept_days(tx, scope))
    status = await log_status(
        services.log_store,
        services.log_sender,
        services.recorder_state(),
        services.replicas,
        scope,
        CallRetention(days=config.log_days if days is None else min(days, config.log_days), max_gb=config.log_max_gb),
        config.log_days,
    )
    shown = status if Permission.OPERATE in caller_of(request.scope).permissions else of_project(status)
    return json_response(shown.model_dump_json())


@router.post(
    "",
    operation_id="importCalls",
    response_model=CallIntakeOutcome,
    response_description="What came of the calls.",
    openapi_extra=_LINES,
)
async def import_calls(
    request: Request,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    check: Annotated[bool, Query(description="Whether to store nothing, and only say what would be stored.")] = False,
) -> Response:
    """Store calls that were made elsewhere.

    They are stored as they arrive, about 1,000 at a time; a call that is stored already is passed over, so that the
    same lines can be sent again after an interruption.
    """
    body = CallIntakeOutcome(stored=0, known=0, refused=0, refusals=[])
    own_days = await services.database.fetch(lambda tx: find_kept_days(tx, scope))
    async for lines in batches_of_lines(body_blocks(request, services.config.max_file_bytes)):
        calls = [(line.number, partial(_read, line)) for line in lines]
        outcome = await services.log_intake.take(scope, calls, own_days=own_days, is_check=check)
        shown = outcome.refused[: _SHOWN_REFUSALS - len(body.refusals)]
        body = CallIntakeOutcome(
            stored=body.stored + outcome.stored,
            known=body.known + outcome.known,
            refused=body.refused + len(outcome.refused),
            refusals=[*body.refusals, *map(_refusal, shown)],
            too_old=body.too_old + sum(each.days_needed > 0 for each in outcome.refused),
            days_needed=_most_needed(body.days_needed, outcome.refused, services.config.log_days),
            project_days_needed=_most_needed(body.project_days_needed, outcome.refused, own_days),
        )
    if body.stored and not check:
        async with services.database.write() as tx:
            await record_audit(tx, request, "call.imported", ("logs", "calls"), details={"calls": body.stored})
    # Not with pydantic's own writer: a reason may hold lone surrogates.
    return json_response(jsontext.render(body.model_dump()))


def _most_needed(before: int | None, refused: Sequence[RefusedCall], kept_days: int | None) -> int | None:
    """Return for how many days calls would have to be kept where they are kept for fewer; None: they are not."""
    needed = [each.days_needed for each in refused if kept_days is not None and each.days_needed > kept_days]
    return max((before or 0, *needed)) or None


def _refusal(refused: RefusedCall) -> CallRefusal:
    return CallRefusal(line=refused.number, reason=refused.reason, too_old=refused.days_needed > 0)


def _read(line: Line, scope: ProjectScope, now: int) -> ParsedCall:
    if line.text is None:
        raise UnreadableReplyError("it is larger than 32 MB")
    return read_line(line.text, scope, now)
