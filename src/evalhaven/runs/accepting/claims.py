"""A creation sent twice with one Idempotency-Key: it makes one object."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.idempotency import claim_key


@dataclass(frozen=True, slots=True)
class Claim:
    """What tells a repeated request from another one.

    Attributes:
        key: The request's Idempotency-Key, as sent. An empty one is none: some clients send the header of a parameter
            that was not given.
        request_hash: SHA-256 of the request's path and body; of no meaning without a key.
    """

    key: str | None
    request_hash: bytes

    async def find_repeated(self, tx: AsyncConnection, scope: ProjectScope, object_id: str, at: int) -> str | None:
        """Return the id of the object that the same request made before, or None and claim the key for this one.

        Args:
            tx: The transaction that stores the object.
            scope: Whose object.
            object_id: Id that the new object will have.
            at: Unix second.

        Raises:
            InvalidRequestError: The key was used for another request.
        """
        return await claim_key(tx, scope, self.key, self.request_hash, object_id, at) if self.key else None


@contextmanager
def made_before() -> Generator[None]:
    """Get the object that a repeated request made before; where it has been deleted since, the error names the cure.

    Raises:
        NotFoundError: The object is gone; the key is named.
    """
    try:
        yield
    except NotFoundError as error:
        error.message += " An earlier request with this Idempotency-Key made it; to make another, choose a new key."
        error.param = "Idempotency-Key"
        raise
