"""What the creation of evals, of runs and of what is evaluated again have in common."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Annotated

from fastapi import Header, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.api.services import Services
from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.evals import Caution
from evalhaven.domain.jsontext import RawJson
from evalhaven.domain.run_options import DEFAULT_OPTIONS, Budget, RunOptions
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.template_checks import bounded_cautions
from evalhaven.storage.idempotency import claim_key
from evalhaven.wire.extension import CreateEvalRunExtension

_SHOWN_CHARS = 100

IdempotencyKey = Annotated[
    str | None, Header(max_length=255, description="The same key with the same request, within a day: one object.")
]


def request_hash(request: Request, body: RawJson) -> bytes:
    """Return the SHA-256 of a request's path and body."""
    digest = sha256(request.url.path.encode() + b"\0")
    digest.update(body)
    return digest.digest()


async def find_repeated(
    tx: AsyncConnection, services: Services, scope: ProjectScope, claim: tuple[str | None, bytes], object_id: str
) -> str | None:
    """Return the id of the object that the same request made before, or None and claim the key for this one.

    A key that is empty is none: some clients send the header of a parameter that was not given.

    Args:
        tx: The transaction that stores the object.
        services: The parts behind the API.
        scope: Whose object.
        claim: The request's Idempotency-Key, if it has one, and its hash.
        object_id: Id that the new object will have.
    """
    key, hashed = claim
    return await claim_key(tx, scope, key, hashed, object_id, services.now()) if key else None


@contextmanager
def made_before() -> Generator[None]:
    """Get the object that a repeated request made before; where it has been deleted since, the answer says the cure.

    Raises:
        NotFoundError: The object is gone; the key is named.
    """
    try:
        yield
    except NotFoundError as error:
        error.message += " An earlier request with this Idempotency-Key made it; to make another, choose a new key."
        error.param = "Idempotency-Key"
        raise


def unknown_key_cautions(pointers: Sequence[str]) -> list[Caution]:
    """Return a caution for each key that the contract does not know.

    The hosted API ignored such keys in silence; they are accepted all the same.
    """
    return bounded_cautions(
        Caution(pointer, f"Unknown key {pointer.rpartition('/')[2][:_SHOWN_CHARS]!r}: accepted, but without effect.")
        for pointer in pointers
    )


def run_options(asked: CreateEvalRunExtension | None) -> RunOptions:
    """Return what a request asks of Evalhaven for a run."""
    if asked is None:
        return DEFAULT_OPTIONS
    budget = asked.budget
    return RunOptions(
        repeats=asked.repeats or 1,
        cache=asked.cache or False,
        max_concurrency=asked.max_concurrency,
        extra_body=asked.extra_body,
        budget=None if budget is None else Budget(budget.cost, budget.tokens),
        labels=tuple(asked.labels or ()),
    )


def refuse_cautions(cautions: Sequence[Caution], *, strict: bool) -> None:
    """Refuse, where the caller asked for it, what can never resolve.

    Raises:
        InvalidRequestError: `strict` is set and there are cautions; the first is named.
    """
    if strict and cautions:
        first = cautions[0]
        param = first.pointer.removeprefix("/").replace("/", ".")
        raise InvalidRequestError(f"'{param}': {first.message}", param=param, code="unresolvable_template")
