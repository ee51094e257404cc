"""Logged calls as the routes find and change them: those that are stored, and those still on their way there."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from fastapi import Request, Response

from evalhaven.api.access.auditing import record_audit
from evalhaven.api.rendering.json_texts import json_response, list_text
from evalhaven.api.services import Services
from evalhaven.domain import jsontext
from evalhaven.domain.errors import NotFoundError, UnansweredError
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.keyset import unknown_cursor

T = TypeVar("T")

_NAMED = {
    CallKind.CHAT: ("Chat completion", "completion_id"),
    CallKind.RESPONSE: ("Response", "response_id"),
}


async def get_call(services: Services, scope: ProjectScope, kind: CallKind, call_id: str) -> tuple[LoggedCall, bool]:
    """Return a logged call, and whether it is not stored yet.

    Raises:
        NotFoundError: There is none.
    """
    found = await services.call_finder.find(scope, (kind,), call_id)
    if found is None:
        raise not_found(kind, call_id)
    return found.call, found.is_pending


async def change_call(
    services: Services, scope: ProjectScope, kind: CallKind, call_id: str, change: Callable[[], Awaitable[T | None]]
) -> T:
    """Return what a change of a stored call returns; one that is still on its way, from here or not, is waited for.

    Args:
        services: The parts behind the API.
        scope: Whose call.
        kind: Which API it was made with.
        call_id: Its id.
        change: Changes the call in the store; it returns None or False if there is none.

    Raises:
        NotFoundError: There is no such call.
        UnansweredError: It could not be stored in time, and there is nothing to change yet.
    """
    if services.log_sender.pending(scope, kind, call_id) is not None:
        await services.log_sender.settle()
    changed = await change()
    if not changed and await services.call_finder.find(scope, (kind,), call_id) is not None:
        changed = await change()
    if changed:
        return changed
    if services.log_sender.pending(scope, kind, call_id) is not None:
        raise UnansweredError(
            f"{_NAMED[kind][0]} {call_id!r} is not stored yet, so it cannot be changed; try again shortly.",
            code="not_stored_yet",
        )
    raise not_found(kind, call_id)


async def delete_call(services: Services, request: Request, scope: ProjectScope, kind: CallKind, call_id: str) -> None:
    """Delete a stored call, and note who did.

    Raises:
        NotFoundError: There is no such call.
        UnansweredError: It is not stored yet.
    """
    await change_call(services, scope, kind, call_id, partial(services.log_store.delete, scope, kind, call_id))
    async with services.database.write() as tx:
        await record_audit(tx, request, "call.deleted", ("call", call_id))


def not_found(kind: CallKind, call_id: str) -> NotFoundError:
    """Return the error of a call that is not there."""
    name, param = _NAMED[kind]
    return NotFoundError(name, call_id, param)


def part_response(objects: list[JsonObject], page: PageRequest, named: str, prefix: str) -> Response:
    """Return a page of the parts of one call as a response.

    Args:
        objects: All parts, in their order, each with an `id`.
        page: Which slice is wanted.
        named: What a part is called in errors.
        prefix: What ids of parts begin with.

    Raises:
        InvalidRequestError: `after` is not the id of one of them.
    """
    ordered = objects if page.order == "asc" else objects[::-1]
    ids = [str(each["id"]) for each in ordered]
    if page.after is not None and page.after not in ids:
        raise unknown_cursor(page.after, named, (prefix,))
    first = 0 if page.after is None else ids.index(page.after) + 1
    shown = slice(first, first + page.limit)
    texts = [jsontext.render(each) for each in ordered[shown]]
    return json_response(list_text(texts, ids[shown], has_more=first + page.limit < len(ids)))
