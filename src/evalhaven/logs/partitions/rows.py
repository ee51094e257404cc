"""Calls as rows of PostgreSQL: written, changed, and read by their keys."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import zstandard
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.facts import facts_of, name_of, origin_of
from evalhaven.logs.keys import first_key, parts_of
from evalhaven.logs.packing import files_named_by, pack, unpack
from evalhaven.logs.partitions.days import partition_of
from evalhaven.logs.partitions.queries import KINDS, terms_of
from evalhaven.storage.reading import ReadTransaction

_LEVEL = 3
_ROW_COLUMNS = {
    "key": "bigint",
    "project_id": "bigint",
    "kind": "smallint",
    "name": "bytea",
    "origin": "bytea",
    "terms": "text",
    "data": "bytea",
}
_NUMBERS = text("SELECT nextval('logged_call_numbers') FROM generate_series(1, :count)")
_ADD_FILE = text(
    "INSERT INTO logged_call_files VALUES (:day, :hash, :uses, :data) "
    "ON CONFLICT (day, hash) DO UPDATE SET uses = logged_call_files.uses + excluded.uses"
)
_RELEASE_FILES = text(
    "UPDATE logged_call_files SET uses = uses - 1 WHERE day = :day AND hash = ANY(CAST(:hashes AS bytea[]))"
)
_REMOVE_FILES = text(
    "DELETE FROM logged_call_files WHERE day = :day AND hash = ANY(CAST(:hashes AS bytea[])) AND uses <= 0"
)
_FILES = text("SELECT hash, data FROM logged_call_files WHERE day = :day AND hash = ANY(CAST(:hashes AS bytea[]))")
_READ = text(
    "SELECT key, data FROM logged_calls WHERE key BETWEEN :first AND :last AND key = ANY(CAST(:keys AS bigint[])) "
    "AND project_id = :project_id AND data IS NOT NULL"
)
_LOCK = text(
    "SELECT data FROM logged_calls WHERE key = :key AND project_id = :project_id AND data IS NOT NULL FOR UPDATE"
)
_REPLACE = text(
    "UPDATE logged_calls SET data = :data, terms = array_to_tsvector(string_to_array(:terms, ' ')) WHERE key = :key"
)
_EMPTY = text("UPDATE logged_calls SET data = NULL, terms = NULL WHERE key = :key")


@dataclass(frozen=True, slots=True)
class PreparedRow:
    """A call with everything that can be computed before the transaction."""

    created_at: int
    project_id: int
    kind: int
    name: bytes
    origin: bytes
    terms: str
    data: bytes
    files: dict[bytes, bytes]


def prepared(calls: Iterable[LoggedCall]) -> list[PreparedRow]:
    """Compute the rows of calls; each origin of a project comes once."""
    compressor = zstandard.ZstdCompressor(_LEVEL)
    rows: dict[tuple[bytes, int], PreparedRow] = {}
    for call in calls:
        origin = (origin_of(call.origin), call.scope.project_id)
        if origin not in rows:
            packed, files = pack(call)
            rows[origin] = PreparedRow(
                created_at=call.created_at,
                project_id=call.scope.project_id,
                kind=KINDS.index(call.kind),
                name=name_of(call.scope, call.kind, call.id),
                origin=origin[0],
                terms=" ".join(terms_of(facts_of(call))),
                data=compressor.compress(packed),
                files=files,
            )
    return list(rows.values())


async def insert_new_calls(tx: AsyncConnection, day: int, calls: Sequence[PreparedRow]) -> int:
    """Insert calls into the partition of their day, unless they are known, and return how many were inserted."""
    numbers = sorted((await tx.execute(_NUMBERS, {"count": len(calls)})).scalars())
    rows = [(first_key(call.created_at) | number, call) for number, call in zip(numbers, calls, strict=True)]
    rows.sort(key=lambda row: row[1].origin)  # writers that insert the same calls wait for each other, one way only
    values: dict[str, list[Any]] = {
        name: [key if name == "key" else getattr(call, name) for key, call in rows] for name in _ROW_COLUMNS
    }
    arrays = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _ROW_COLUMNS.items())
    table = partition_of(day)
    statement = text(
        f"INSERT INTO {table} (key, project_id, kind, name, origin, terms, data) "  # noqa: S608
        "SELECT key, project_id, kind, name, origin, array_to_tsvector(string_to_array(terms, ' ')), data "
        f"FROM unnest({arrays}) AS new ({', '.join(_ROW_COLUMNS)}) "
        "ON CONFLICT (origin, project_id) DO NOTHING RETURNING key"
    )
    inserted = set((await tx.execute(statement, values)).scalars())
    await _add_files(tx, day, [call for key, call in rows if key in inserted and call.files])
    return len(inserted)


async def read_calls(tx: ReadTransaction, scope: ProjectScope, keys: Sequence[int]) -> dict[int, LoggedCall]:
    """Return the calls of a project that have these keys."""
    decompressor = zstandard.ZstdDecompressor()
    values = {"first": min(keys), "last": max(keys), "keys": list(keys), "project_id": scope.project_id}
    rows = (await tx.execute(_READ, values)).all()
    packed = {key: decompressor.decompress(data) for key, data in rows}
    return {key: await _unpacked(tx, scope, key, each) for key, each in packed.items()}


async def lock_call(tx: AsyncConnection, scope: ProjectScope, key: int) -> LoggedCall | None:
    """Return a call that nobody else changes until the end of the transaction; None if it is gone."""
    data = (await tx.execute(_LOCK, {"key": key, "project_id": scope.project_id})).scalar_one_or_none()
    if data is None:
        return None
    return await _unpacked(tx, scope, key, zstandard.ZstdDecompressor().decompress(data))


async def replace_call(tx: AsyncConnection, key: int, call: LoggedCall) -> None:
    """Store what has become of a call, whose files are the same."""
    (row,) = prepared([call])
    await tx.execute(_REPLACE, {"key": key, "data": row.data, "terms": row.terms})


async def remove_call(tx: AsyncConnection, scope: ProjectScope, key: int) -> bool:
    """Remove what a call says, and tell whether there was something; that it was there remains known."""
    data = (await tx.execute(_LOCK, {"key": key, "project_id": scope.project_id})).scalar_one_or_none()
    if data is None:
        return False
    await tx.execute(_EMPTY, {"key": key})
    hashes = sorted(files_named_by(zstandard.ZstdDecompressor().decompress(data)))
    if hashes:
        values = {"day": parts_of(key)[0], "hashes": hashes}
        await tx.execute(_RELEASE_FILES, values)
        await tx.execute(_REMOVE_FILES, values)
    return True


async def _add_files(tx: AsyncConnection, day: int, calls: Sequence[PreparedRow]) -> None:
    uses = Counter(digest for call in calls for digest in call.files)
    contents = {digest: data for call in calls for digest, data in call.files.items()}
    for digest in sorted(uses):
        await tx.execute(_ADD_FILE, {"day": day, "hash": digest, "uses": uses[digest], "data": contents[digest]})


async def _unpacked(tx: ReadTransaction, scope: ProjectScope, key: int, packed: bytes) -> LoggedCall:
    files: dict[bytes, bytes] = {}
    if hashes := files_named_by(packed):
        values = {"day": parts_of(key)[0], "hashes": list(hashes)}
        files = {bytes(digest): bytes(data) for digest, data in (await tx.execute(_FILES, values)).all()}
    return unpack(scope, packed, files.get)
