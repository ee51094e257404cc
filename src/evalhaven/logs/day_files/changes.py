"""Changing and removing calls of one day file."""

import sqlite3
from collections.abc import Collection
from dataclasses import replace
from functools import partial

import zstandard

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.day_files.compression import NO_DICTIONARY
from evalhaven.logs.day_files.inserts import add_facts, terms_of
from evalhaven.logs.day_files.queries import attached_data, marks, numbers_of
from evalhaven.logs.day_files.tables import OpenFile
from evalhaven.logs.facts import CallFacts, facts_of, name_of, origin_of, tags_of_kinds
from evalhaven.logs.packing import files_named_by, pack, unpack

_MERGED_PAGES = 200
_CHANGES_OF_A_MERGE = 2  # fewer mean that nothing was left to be merged
_FREED_PAGES = 10_000  # given back after a batch, at most: a file may have more of them after many deletions


def replace_metadata(opened: OpenFile, row: int, scope: ProjectScope, metadata: JsonObject) -> LoggedCall | None:
    """Replace the metadata of a call and return it; None if it has been deleted."""
    connection = opened.connection
    connection.execute("BEGIN IMMEDIATE")
    packed = _packed_call(opened, row, scope)
    if packed is None:
        connection.execute("ROLLBACK")
        return None
    old = unpack(scope, packed, partial(attached_data, connection))
    new = replace(old, metadata=metadata)
    _remove_facts(connection, row, facts_of(old))
    add_facts(opened, [(row, facts_of(new))])
    dictionary = opened.codec.newest()
    compressed = opened.codec.compress(dictionary, pack(new)[0])
    connection.execute("UPDATE calls SET dictionary = ?, data = ? WHERE row = ?", (dictionary, compressed, row))
    connection.execute("COMMIT")
    return new


def remove(opened: OpenFile, row: int, scope: ProjectScope) -> bool:
    """Remove a call, and tell whether it was there; what remains is that it was, under its name and origin."""
    connection = opened.connection
    connection.execute("BEGIN IMMEDIATE")
    packed = _packed_call(opened, row, scope)
    if packed is None:
        connection.execute("ROLLBACK")
        return False
    _empty(opened, row, scope, packed)
    connection.execute("DELETE FROM attached WHERE uses <= 0")
    connection.execute("UPDATE volume SET calls = calls - 1")
    connection.execute("COMMIT")
    return True


def drop_some(opened: OpenFile, scope: ProjectScope, most: int) -> int:
    """Drop calls of a project, at most so many, and return how many there were; 0 means that none is left.

    Their rows stay, empty: a key is given once. That they were there is forgotten, with the last ones also of those
    that had been deleted.
    """
    connection = opened.connection
    connection.execute("BEGIN IMMEDIATE")
    rows = _rows_of(connection, scope, most + 1)
    is_last = 0 < len(rows) <= most
    for row, number in rows[:most]:
        packed = _undamaged_call(opened, row, scope)
        if packed is None:
            # Nobody can tell by what else it would be found, and what is empty is passed over.
            _remove_tags(connection, row, [number])
            connection.execute("UPDATE calls SET data = NULL WHERE row = ?", (row,))
            continue
        call = _empty(opened, row, scope, packed)
        name, origin = name_of(scope, call.kind, call.id), origin_of(call.origin)
        connection.execute("DELETE FROM names WHERE hash = ? AND row = ?", (name, row))
        connection.execute("DELETE FROM origins WHERE hash = ? AND project_id = ?", (origin, scope.project_id))
    connection.execute("DELETE FROM attached WHERE uses <= 0")
    connection.execute("UPDATE volume SET calls = calls - ?", (len(rows[:most]),))
    if is_last:
        connection.execute("DELETE FROM origins WHERE project_id = ?", (scope.project_id,))
        of_project = "SELECT row FROM calls WHERE project_id = ?"
        connection.execute(f"DELETE FROM names WHERE row IN ({of_project})", (scope.project_id,))  # noqa: S608
    connection.execute("COMMIT")
    if is_last:
        _merge_text(connection)
    connection.executescript(f"PRAGMA incremental_vacuum({_FREED_PAGES})")  # `execute` would free a single page
    if is_last:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return len(rows[:most])


def count_lone(opened: OpenFile, scope: ProjectScope) -> int | None:
    """Return how many calls of a project a file has; None if it has, or had, some of other projects."""
    connection = opened.connection
    connection.execute("BEGIN")
    try:
        own = sum(calls for _, calls in numbers_of(connection, tags_of_kinds(scope)).values())
        if own < connection.execute("SELECT calls FROM volume").fetchone()[0]:
            return None
        other = connection.execute("SELECT 1 FROM origins WHERE project_id <> ? LIMIT 1", (scope.project_id,))
        return own if other.fetchone() is None else None
    finally:
        connection.execute("COMMIT")


def _merge_text(connection: sqlite3.Connection) -> None:
    """Rid the full-text index of what it has only noted as removed, a short transaction at a time."""
    pages = -_MERGED_PAGES  # begins to bring everything together
    while True:
        before = connection.total_changes
        connection.execute("INSERT INTO text (text, rank) VALUES ('merge', ?)", (pages,))
        if connection.total_changes - before < _CHANGES_OF_A_MERGE:
            return
        pages = _MERGED_PAGES


def _rows_of(connection: sqlite3.Connection, scope: ProjectScope, most: int) -> list[tuple[int, int]]:
    """Return rows of calls of a project, at most so many, each with the number of the tag of its kind."""
    numbers = [number for number, _ in numbers_of(connection, tags_of_kinds(scope)).values()]
    query = f"SELECT row, number FROM tags WHERE number IN ({marks(numbers)}) LIMIT ?"  # noqa: S608
    return connection.execute(query, (*numbers, most)).fetchall()


def _empty(opened: OpenFile, row: int, scope: ProjectScope, packed: bytes) -> LoggedCall:
    """Remove what is stored of a call, within a transaction, and return the call; files without use stay."""
    connection = opened.connection
    call = unpack(scope, packed, partial(attached_data, connection))
    _remove_facts(connection, row, facts_of(call))
    # What is updated to less stays where it is; pages that a deletion leaves almost empty are joined.
    connection.execute("DELETE FROM calls WHERE row = ?", (row,))
    connection.execute("INSERT INTO calls VALUES (?, ?, ?, NULL)", (row, scope.project_id, NO_DICTIONARY))
    connection.executemany(
        "UPDATE attached SET uses = uses - 1 WHERE hash = ?", [(digest,) for digest in files_named_by(packed)]
    )
    return call


def _packed_call(opened: OpenFile, row: int, scope: ProjectScope) -> bytes | None:
    """Return the stored form of a call; None if there is none in the project."""
    query = "SELECT dictionary, data FROM calls WHERE row = ? AND project_id = ? AND data IS NOT NULL"
    found = opened.connection.execute(query, (row, scope.project_id)).fetchone()
    if found is None:
        return None
    try:
        return opened.codec.decompress(*found)
    except zstandard.ZstdError as error:
        raise sqlite3.DatabaseError(f"row {row} is damaged: {error}") from error


def _undamaged_call(opened: OpenFile, row: int, scope: ProjectScope) -> bytes | None:
    """Return the stored form of a call; None if nobody can read it any more."""
    try:
        return _packed_call(opened, row, scope)
    except sqlite3.DatabaseError as error:
        if hasattr(error, "sqlite_errorcode"):  # SQLite's own: then it is not about this row
            raise
        return None


def _remove_facts(connection: sqlite3.Connection, row: int, facts: CallFacts) -> None:
    known = {tag: number for tag, (number, _) in numbers_of(connection, facts.tags).items()}
    # Without the texts themselves, the index removes an entry only if it is told again what the entry was.
    # Each term once: the index would count down what it never counted.
    terms = " ".join(dict.fromkeys(terms_of(facts, known).split()))
    connection.execute("INSERT INTO text (text, rowid, terms) VALUES ('delete', ?, ?)", (row, terms))
    _remove_tags(connection, row, known.values())


def _remove_tags(connection: sqlite3.Connection, row: int, numbers: Collection[int]) -> None:
    connection.executemany("DELETE FROM tags WHERE number = ? AND row = ?", [(number, row) for number in numbers])
    connection.executemany("UPDATE kv SET calls = calls - 1 WHERE number = ?", [(number,) for number in numbers])
