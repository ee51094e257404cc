"""`/api/logs/calls`: logged calls of both APIs at a glance, and one of them whole."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.lists import Limit, NextOf
from evalhaven.api.metadata_filters import metadata_filter, metadata_parameter
from evalhaven.api.rendering.inventory import KINDS, call_row
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallFilter, CallKind
from evalhaven.domain.paging import Order
from evalhaven.logs.conversations import reply_of, request_of
from evalhaven.wire.inventory import LoggedCallDetail, LoggedCallList

router = APIRouter(prefix="/api/logs/calls", tags=["Logs"], route_class=GuardedRoute)

_MOST_CALLS = 200

Kind = Annotated[Literal["chat", "responses"] | None, Query(description="Which API they were made with.")]
Model = Annotated[str | None, Query(description="The model, as asked for or as the reply names it.")]
Words = Annotated[str | None, Query(description="Words that the request or the reply contains.", max_length=2000)]
Since = Annotated[int | None, Query(ge=0, description="Unix second of the oldest, inclusive.")]
Until = Annotated[int | None, Query(ge=0, description="Unix second of the newest, inclusive.")]
Direction = Annotated[Order, Query(description="`desc` has the newest first.")]


@router.get(
    "",
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
    "/{call_id}", operation_id="getLoggedCall", response_model=LoggedCallDetail, response_description="The call."
)
async def get_logged_call(
    call_id: Annotated[str, Path(description="Id of the call.")], services: ServicesOf, scope: ScopeOf
) -> Response:
    """Get a logged call whole, whichever API it was made with."""
    found = await services.call_finder.find(scope, (CallKind.CHAT, CallKind.RESPONSE), call_id)
    if found is None:
        raise NotFoundError("Logged call", call_id, "call_id")
    shown: JsonObject = {
        **call_row(found.call),
        "request": request_of(found.call),
        "reply": reply_of(found.call),
        "pending": found.is_pending,
    }
    return json_response(jsontext.render(shown))
