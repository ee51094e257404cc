"""`/v1/responses/{response_id}`: get, delete and cancel stored responses, and list their input items."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.lists import DEFAULT_LIMIT, After, Limit, OrderOf, page_request
from evalhaven.api.logged_calls import delete_call, get_call, part_response
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.rendering.responses import input_items, stored_response
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.logged_calls import CallKind
from evalhaven.logs.conversations import request_of
from evalhaven.wire import responses as wire

router = APIRouter(prefix="/v1/responses", tags=["Responses"], route_class=GuardedRoute)

Include = Annotated[
    list[wire.ResponseInclude] | None, Query(description="Has no effect: what was stored is answered whole.")
]


@router.get("/{response_id}", operation_id="getResponse", response_model=wire.Response)
async def get_response(
    response_id: str,
    services: ServicesOf,
    scope: ScopeOf,
    include: Include = None,
    stream: Annotated[bool | None, Query(description="Refused if true: a finished response is no stream.")] = None,
    starting_after: Annotated[int | None, Query(description="Belongs to `stream`.")] = None,
    include_obfuscation: Annotated[bool | None, Query(description="Belongs to `stream`.")] = None,
) -> Response:
    """Get a stored response."""
    if stream:
        raise InvalidRequestError(
            "Invalid 'stream': the events of a finished response are not kept, so it cannot be streamed again. Leave "
            "'stream' out to get the whole response.",
            param="stream",
            code="unsupported_value",
        )
    call, is_pending = await get_call(services, scope, CallKind.RESPONSE, response_id)
    return json_response(jsontext.render(stored_response(call, is_pending=is_pending)))


@router.delete("/{response_id}", operation_id="deleteResponse", response_model=wire.ResponseDeleted)
async def delete_response(response_id: str, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Delete a stored response."""
    await delete_call(services, request, scope, CallKind.RESPONSE, response_id)
    return json_response(jsontext.render({"id": response_id, "object": "response", "deleted": True}))


@router.post("/{response_id}/cancel", operation_id="cancelResponse", response_model=wire.Response)
async def cancel_response(response_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Cancel a response made in the background: one that is stored has ended, and is answered as it is."""
    call, is_pending = await get_call(services, scope, CallKind.RESPONSE, response_id)
    if request_of(call).get("background") is not True:
        raise InvalidRequestError(
            "Cannot cancel a synchronous response: only those created with 'background': true can be canceled."
        )
    return json_response(jsontext.render(stored_response(call, is_pending=is_pending)))


@router.get("/{response_id}/input_items", operation_id="listInputItems", response_model=wire.ResponseItemList)
async def list_input_items(
    response_id: str,
    services: ServicesOf,
    scope: ScopeOf,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
    order: OrderOf = None,
    include: Include = None,
) -> Response:
    """List the input items of a stored response, the last one first unless asked otherwise."""
    page = page_request(after, limit, order, "desc")
    call, _ = await get_call(services, scope, CallKind.RESPONSE, response_id)
    return part_response(input_items(call), page, "input item", "msg_")
