"""The audit log's way in: what a request changed, stored in the transaction of the change."""

from collections.abc import Awaitable, Callable
from typing import cast

import structlog
from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.api.access.door import Door
from evalhaven.api.access.routes import caller_of
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.audit import Deed, insert_deed


async def record_audit(
    tx: AsyncConnection,
    request: Request,
    action: str,
    target: tuple[str, str],
    *,
    scope: ProjectScope | OrganizationScope | None = None,
    details: JsonObject | None = None,
) -> None:
    """Store what a request changes.

    Args:
        tx: The transaction of the change.
        request: The request, which says who sent it and from where.
        action: What is done, such as `key.created`.
        target: Kind and public id of the object.
        scope: What it belongs to; None: the project in which the caller acts.
        details: What a reader wants to know of it; never a secret.
    """
    caller = caller_of(request.scope)
    door = cast("Door", request.app.state.door)
    kind, public_id = target
    deed = Deed(
        caller=caller,
        action=action,
        target_kind=kind,
        target_id=public_id,
        at=door.now(),
        details=details or {},
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
        address=None if request.client is None else request.client.host,
    )
    await insert_deed(tx, scope or caller.scope, deed)


def deletion_of(request: Request, kind: str, public_id: str) -> Callable[[AsyncConnection, str], Awaitable[None]]:
    """Return what stores, in the transaction of a deletion, that a request deletes an object of this kind."""

    async def note(tx: AsyncConnection, name: str) -> None:
        await record_audit(tx, request, f"{kind}.deleted", (kind, public_id), details={"name": name})

    return note
