"""`/v1/chat/completions`: list, get, update and delete stored chat completions, and list their messages."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import read_document
from evalhaven.api.lists import DEFAULT_LIMIT, After, Limit, OrderOf, page_request
from evalhaven.api.logged_calls import change_call, delete_call, get_call, part_response
from evalhaven.api.metadata_filters import metadata_filter, metadata_parameter
from evalhaven.api.rendering.json_texts import json_response, list_text
from evalhaven.api.rendering.stored_completions import stored_completion, stored_messages
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallFilter, CallKind
from evalhaven.wire import stored_completions as wire
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/v1/chat/completions", tags=["Chat"], route_class=GuardedRoute)


@router.get(
    "",
    operation_id="listChatCompletions",
    response_model=wire.ChatCompletionList,
    openapi_extra=metadata_parameter("completions"),
)
async def list_stored_completions(
    request: Request,
    services: ServicesOf,
    scope: ScopeOf,
    model: Annotated[str | None, Query(description="The model, as asked for or as the reply names it.")] = None,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
    order: OrderOf = None,
) -> Response:
    """List stored chat completions."""
    page = page_request(after, limit, order, services.config.list_order)
    wanted = CallFilter(kind=CallKind.CHAT, model=model or None, metadata={**metadata_filter(request)})
    # A client must find what it has just been answered.
    await services.log_sender.settle()
    found = await services.log_store.page(scope, wanted, limit=page.limit, order=page.order, after=page.after)
    texts = [jsontext.render(stored_completion(call)) for call in found.calls]
    return json_response(list_text(texts, [call.id for call in found.calls], has_more=found.has_more))


@router.get("/{completion_id}", operation_id="getChatCompletion", response_model=wire.CreateChatCompletionResponse)
async def get_stored_completion(completion_id: str, services: ServicesOf, scope: ScopeOf) -> Response:
    """Get a stored chat completion."""
    call, is_pending = await get_call(services, scope, CallKind.CHAT, completion_id)
    return json_response(jsontext.render(stored_completion(call, is_pending=is_pending)))


@router.post("/{completion_id}", operation_id="updateChatCompletion", response_model=wire.CreateChatCompletionResponse)
async def update_stored_completion(
    completion_id: str, request: Request, services: ServicesOf, scope: ScopeOf
) -> Response:
    """Replace the metadata of a stored chat completion; null clears it."""
    document = await read_document(request, services.config.max_body_bytes)
    body = parse_request(wire.UpdateChatCompletionRequest, document).body
    metadata: JsonObject = {**(body.metadata or {})}
    change = partial(services.log_store.set_metadata, scope, CallKind.CHAT, completion_id, metadata)
    call = await change_call(services, scope, CallKind.CHAT, completion_id, change)
    return json_response(jsontext.render(stored_completion(call)))


@router.delete("/{completion_id}", operation_id="deleteChatCompletion", response_model=wire.ChatCompletionDeleted)
async def delete_stored_completion(
    completion_id: str, request: Request, services: ServicesOf, scope: ScopeOf
) -> Response:
    """Delete a stored chat completion."""
    await delete_call(services, request, scope, CallKind.CHAT, completion_id)
    return json_response(jsontext.render({"object": "chat.completion.deleted", "id": completion_id, "deleted": True}))


@router.get(
    "/{completion_id}/messages",
    operation_id="getChatCompletionMessages",
    response_model=wire.ChatCompletionMessageList,
)
async def list_stored_messages(
    completion_id: str,
    services: ServicesOf,
    scope: ScopeOf,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
    order: OrderOf = None,
) -> Response:
    """List the messages that a stored chat completion was asked with; as they were sent, unless asked otherwise."""
    page = page_request(after, limit, order, "asc")
    call, _ = await get_call(services, scope, CallKind.CHAT, completion_id)
    return part_response(stored_messages(call), page, "message", f"{completion_id}-")
