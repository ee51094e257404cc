"""What requests that create evals, runs, regrades and retries have in common."""

from hashlib import sha256
from typing import Annotated

from fastapi import Header, Path, Request

from evalhaven.domain.jsontext import RawJson
from evalhaven.runs.accepting.claims import Claim

IdempotencyKey = Annotated[
    str | None, Header(max_length=255, description="The same key with the same request, within a day: one object.")
]

PathEvalId = Annotated[str, Path(description="Id of the eval.")]
PathRunId = Annotated[str, Path(description="Id of the run.")]


def claim_of(request: Request, key: str | None, body: RawJson) -> Claim:
    """Return what tells a repeated request from a different one; an empty claim if there is no key."""
    if not key:
        return Claim(None, b"")
    digest = sha256(request.url.path.encode() + b"\0")
    digest.update(body)
    return Claim(key, digest.digest())
