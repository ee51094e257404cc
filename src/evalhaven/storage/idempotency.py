"""Queries on idempotency keys, with which a request sent twice makes one object."""

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.inserting import insert_new
from evalhaven.storage.tables import idempotency_keys

KEPT_S = 24 * 3600


async def claim_key(
    tx: AsyncConnection, scope: ProjectScope, key: str, request_hash: bytes, object_id: str, at: int
) -> str | None:
    """Claim a key for a new object, or return the id of the object that an earlier request with it made.

    Call it in the transaction that stores the object.

    Args:
        tx: Open write transaction.
        scope: Whose key.
        key: The key that the client chose.
        request_hash: SHA-256 of path and body; the same key must come with the same request.
        object_id: The id that the new object will have.
        at: Unix second.

    Raises:
        InvalidRequestError: The key was used for another request.
    """
    values = {
        "project_id": scope.project_id,
        "idempotency_key": key,
        "created_at": at,
        "request_hash": request_hash,
        "object_id": object_id,
    }
    if await insert_new(tx, idempotency_keys, [values]):
        return None
    query = select(idempotency_keys.c.request_hash, idempotency_keys.c.object_id).where(
        idempotency_keys.c.project_id == scope.project_id, idempotency_keys.c.idempotency_key == key
    )
    row = (await tx.execute(query)).one()
    if row.request_hash != request_hash:
        raise InvalidRequestError(
            "The Idempotency-Key was used for another request within the last day; choose a new one.",
            param="Idempotency-Key",
            code="idempotency_key_reused",
        )
    return row.object_id


async def forget_keys(tx: AsyncConnection, _scope: EngineScope, now: int) -> None:
    """Delete the keys that are older than a day."""
    await tx.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at < now - KEPT_S))
