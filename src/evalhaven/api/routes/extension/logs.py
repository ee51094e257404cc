"""`/api/logs`: logged calls as a whole."""

from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from evalhaven.api.bodies import body_blocks
from evalhaven.api.lines import Line, batches_of_lines
from evalhaven.api.lists import Limit, NextOf
from evalhaven.api.logged_calls import get_call
from evalhaven.api.metadata_filters import metadata_filter, metadata_parameter
from evalhaven.api.rendering.inventory import KINDS, call_row
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.rendering.log_status import log_status
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallFilter, CallKind
from evalhaven.domain.paging import Order
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.conversations import reply_of, request_of
from evalhaven.logs.ingest.lines import read_line
from evalhaven.logs.reading.calls import ParsedCall
from evalhaven.logs.reading.events import UnreadableReplyError
from evalhaven.wire.inventory import LoggedCallDetail, LoggedCallList
from evalhaven.wire.logs import CallIntakeOutcome, CallRefusal, LogStatus

router = APIRouter(prefix="/api/logs", tags=["Logs"])

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
async def get_log_status(services: ServicesOf) -> Response:
    """Get how many calls are stored, wait to be stored, and were lost, and for how long they are kept."""
    config = services.config
    status = await log_status(
        services.log_store,
        services.log_sender,
        services.recorder_state(),
        days=config.log_days,
        max_gb=config.log_max_gb,
    )
    return json_response(status.model_dump_json())


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

    They are stored as they arrive, some hundred at a time; a call that is stored already is passed over, so that the
    same lines can be sent again after an interruption.
    """
    body = CallIntakeOutcome(stored=0, known=0, refused=0, refusals=[])
    async for lines in batches_of_lines(body_blocks(request, services.config.max_file_bytes)):
        calls = [(line.number, partial(_read, line)) for line in lines]
        outcome = await services.log_intake.take(scope, calls, is_check=check)
        shown = outcome.refused[: _SHOWN_REFUSALS - len(body.refusals)]
        body = CallIntakeOutcome(
            stored=body.stored + outcome.stored,
            known=body.known + outcome.known,
            refused=body.refused + len(outcome.refused),
            refusals=body.refusals + [CallRefusal(line=number, reason=reason) for number, reason in shown],
        )
    # Not with pydantic's own writer: a reason may hold lone surrogates.
    return json_response(jsontext.render(body.model_dump()))


_MOST_CALLS = 200

Kind = Annotated[Literal["chat", "responses"] | None, Query(description="Which API they were made with.")]
Model = Annotated[str | None, Query(description="The model, as asked for or as the reply names it.")]
Words = Annotated[str | None, Query(description="Words that the request or the reply contains.", max_length=2000)]
Since = Annotated[int | None, Query(ge=0, description="Unix second of the oldest, inclusive.")]
Until = Annotated[int | None, Query(ge=0, description="Unix second of the newest, inclusive.")]
Direction = Annotated[Order, Query(description="`desc` has the newest first.")]


@router.get(
    "/calls",
    operation_id="listLoggedCalls",
    response_model=LoggedCallList,
    responses={400: {"description": "The request cannot be accepted: `invalid_value`, `invalid_cursor`."}},
    response_description="A page of calls.",
    openapi_extra=metadata_parameter("calls"),
)
async def list_logged_calls(  # noqa: PLR0913 - one for each parameter of the query
    request: Request,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    kind: Kind = None,
    model: Model = None,
    text: Words = None,
    created_after: Since = None,
    created_before: Until = None,
    order: Direction = "desc",
    after: NextOf = None,
    limit: Limit = 50,
) -> Response:
    """List logged calls of both APIs at a glance."""
    wanted = CallFilter(
        kind=next((each for each, name in KINDS.items() if name == kind), None),
        metadata={**metadata_filter(request)},
        model=model or None,
        created_after=created_after,
        created_before=created_before,
        text=text or None,
    )
    # A client must find what it has just been answered.
    await services.log_sender.settle()
    found = await services.log_store.page(
        scope, wanted, limit=min(limit, _MOST_CALLS), order=order, after=after or None
    )
    page: JsonObject = {
        "object": "list",
        "data": [call_row(call) for call in found.calls],
        "has_more": found.has_more,
        "next": found.calls[-1].id if found.has_more and found.calls else None,
    }
    return json_response(jsontext.render(page))


@router.get(
    "/calls/{call_id}", operation_id="getLoggedCall", response_model=LoggedCallDetail, response_description="The call."
)
async def get_logged_call(
    call_id: Annotated[str, Path(description="Id of the call.")], services: ServicesOf, scope: ScopeOf
) -> Response:
    """Get a logged call whole, whichever API it was made with."""
    try:
        call, is_pending = await get_call(services, scope, CallKind.CHAT, call_id)
    except NotFoundError:
        try:
            call, is_pending = await get_call(services, scope, CallKind.RESPONSE, call_id)
        except NotFoundError:
            raise NotFoundError("Logged call", call_id, "call_id") from None
    shown: JsonObject = {
        **call_row(call),
        "request": request_of(call),
        "reply": reply_of(call),
        "pending": is_pending,
    }
    return json_response(jsontext.render(shown))


def _read(line: Line, scope: ProjectScope, now: int) -> ParsedCall:
    if line.text is None:
        raise UnreadableReplyError("it is larger than 32 MB")
    return read_line(line.text, scope, now)
