"""A creation request sent twice with the same Idempotency-Key makes one object."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.idempotency import claim_key


@dataclass(frozen=True, slots=True)
class Claim:
    """What distinguishes a repeated request from a different one.

    Attributes:
        key: The request's Idempotency-Key, as sent. An empty key counts as none: some clients send the header even if
            no key was given to them.
        request_hash: SHA-256 of the request's path and body; meaningless without a key.
    """

    key: str | None
    request_hash: bytes

    async def find_repeated(self, tx: AsyncConnection, scope: ProjectScope, object_id: str, at: int) -> str | None:
        """Return the id of the object that the same request made earlier; if none did, claim the key and return None.

        Args:
            tx: The transaction that stores the object.
            scope: Whose object.
            object_id: The id that the new object will have.
            at: Unix second.

        Raises:
            InvalidRequestError: The key was used for another request.
        """
        return await claim_key(tx, scope, self.key, self.request_hash, object_id, at) if self.key else None


@contextmanager
def made_before() -> Generator[None]:
    """Wrap the look-up of the object that a repeated request made earlier: if it is gone, the error names the cure.

    Raises:
        NotFoundError: The object has been deleted since; the message says to choose a new key.
    """
    try:
        yield
    except NotFoundError as error:
        error.message += " An earlier request with this Idempotency-Key made it; to make another, choose a new key."
        error.param = "Idempotency-Key"
        raise
