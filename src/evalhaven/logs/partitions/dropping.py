"""Calls of one project dropped from a day that has calls of others, too."""

from collections import Counter
from typing import Any

import zstandard
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.keys import keys_of_day
from evalhaven.logs.packing import files_named_by
from evalhaven.logs.partitions.queries import terms_of_project
from evalhaven.storage.reading import ReadTransaction

_READ_AT_ONCE = 20
_PLANNED_ANEW = text("SET LOCAL plan_cache_mode = force_custom_plan")
_OF_PROJECT = "key BETWEEN :first AND :last AND project_id = :project_id"
# Another server may be dropping some at this moment; it need not be waited for.
_LOCK_SOME = text(
    f"SELECT key FROM logged_calls WHERE {_OF_PROJECT} AND data IS NOT NULL "  # noqa: S608
    "AND terms @@ CAST(:terms AS tsquery) LIMIT :rows FOR UPDATE SKIP LOCKED"
)
_HAS_CALLS = text(
    f"SELECT EXISTS (SELECT 1 FROM logged_calls WHERE {_OF_PROJECT} AND data IS NOT NULL "  # noqa: S608
    "AND terms @@ CAST(:terms AS tsquery))"
)
_DROP = "DELETE FROM logged_calls WHERE key BETWEEN :first AND :last AND key = ANY(CAST(:keys AS bigint[]))"
_DROP_WITHOUT_READING = text(_DROP)
_DROP_AND_READ = text(f"{_DROP} RETURNING data")
_DROP_DELETED = text(f"DELETE FROM logged_calls WHERE {_OF_PROJECT} AND data IS NULL")  # noqa: S608
_HAS_FILES = text("SELECT EXISTS (SELECT 1 FROM logged_call_files WHERE day = :day)")
_RELEASE_FILE = text("UPDATE logged_call_files SET uses = uses - :uses WHERE day = :day AND hash = :hash")
_DROP_FILES = text("DELETE FROM logged_call_files WHERE day = :day AND uses <= 0")


async def has_calls(tx: ReadTransaction, scope: ProjectScope, day: int) -> bool:
    """Tell whether a day has calls of a project."""
    await tx.execute(_PLANNED_ANEW)
    first, last = keys_of_day(day)
    values = {"first": first, "last": last, "project_id": scope.project_id, "terms": terms_of_project(scope)}
    return bool((await tx.execute(_HAS_CALLS, values)).scalar_one())


async def drop_some(tx: AsyncConnection, scope: ProjectScope, day: int, most: int) -> int:
    """Drop calls of a project of a day, at most so many, and return how many; 0: none is left.

    That they were there is forgotten, with the last ones also of those that had been deleted.
    """
    await tx.execute(_PLANNED_ANEW)
    first, last = keys_of_day(day)
    values: dict[str, Any] = {"first": first, "last": last, "project_id": scope.project_id}
    wanted = {**values, "terms": terms_of_project(scope), "rows": most + 1}
    found = list((await tx.execute(_LOCK_SOME, wanted)).scalars())
    keys, is_last = found[:most], 0 < len(found) <= most
    if keys and (await tx.execute(_HAS_FILES, {"day": day})).scalar_one():
        await _drop_with_files(tx, day, keys)
    elif keys:
        await tx.execute(_DROP_WITHOUT_READING, {"first": first, "last": last, "keys": keys})
    if is_last:
        await tx.execute(_DROP_DELETED, values)
    return len(keys)


async def _drop_with_files(tx: AsyncConnection, day: int, keys: list[int]) -> None:
    first, last = keys_of_day(day)
    uses: Counter[bytes] = Counter()
    for start in range(0, len(keys), _READ_AT_ONCE):
        part = {"first": first, "last": last, "keys": keys[start : start + _READ_AT_ONCE]}
        for data in (await tx.execute(_DROP_AND_READ, part)).scalars():
            uses.update(_files_of(data))
    for digest in sorted(uses):  # as those lock them who add calls
        await tx.execute(_RELEASE_FILE, {"day": day, "hash": digest, "uses": uses[digest]})
    if uses:
        await tx.execute(_DROP_FILES, {"day": day})


def _files_of(data: bytes) -> set[bytes]:
    try:
        return files_named_by(zstandard.ZstdDecompressor().decompress(data))
    except zstandard.ZstdError:  # damaged: its files go with the day
        return set()
