"""Queries on remembered model answers."""

from collections.abc import Mapping

from sqlalchemy import delete, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.samples import Sample
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.storage.inserting import insert_new
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.samples import stored_sample
from evalhaven.storage.tables import sample_cache

KEPT_S = 30 * 24 * 3600
_FORGOTTEN_AT_ONCE = 1000


async def find_cached(tx: AsyncConnection, scope: ProjectScope, request_hash: bytes) -> Sample | None:
    """Return the answer to an earlier request, without its input."""
    query = select(sample_cache.c.sample).where(
        sample_cache.c.project_id == scope.project_id, sample_cache.c.request_hash == request_hash
    )
    text = (await tx.execute(query)).scalar_one_or_none()
    return None if text is None else stored_sample(text)


async def remember_samples(
    tx: WriteTransaction, scope: ProjectScope, answers: Mapping[bytes, str | None], at: int
) -> None:
    """Keep answers by the hash of their request; the first answer to a request stays.

    Args:
        tx: Open write transaction.
        scope: Whose answers.
        answers: In their stored form; none of them an error.
        at: Unix second.
    """
    if answers:
        rows = [
            {
                "project_id": scope.project_id,
                "request_hash": request_hash,
                "created_at": at,
                "sample": text,
            }
            for request_hash, text in answers.items()
        ]
        await insert_new(tx, sample_cache, rows)


async def forget_samples(tx: AsyncConnection, _scope: EngineScope, now: int) -> None:
    """Delete a batch of answers that are older than 30 days; it is called again and again."""
    key = (sample_cache.c.project_id, sample_cache.c.request_hash)
    oldest = select(*key).where(sample_cache.c.created_at < now - KEPT_S).order_by(sample_cache.c.created_at)
    await tx.execute(delete(sample_cache).where(tuple_(*key).in_(oldest.limit(_FORGOTTEN_AT_ONCE))))
