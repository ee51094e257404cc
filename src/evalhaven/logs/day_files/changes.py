"""Changing and removing a call of one day file."""

import sqlite3
from dataclasses import replace
from functools import partial

import zstandard

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.day_files.inserts import add_facts, terms_of
from evalhaven.logs.day_files.queries import attached_data, numbers_of
from evalhaven.logs.day_files.tables import OpenFile
from evalhaven.logs.facts import CallFacts, facts_of
from evalhaven.logs.packing import files_named_by, pack, unpack


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
    _remove_facts(connection, row, facts_of(unpack(scope, packed, partial(attached_data, connection))))
    connection.execute("UPDATE calls SET data = NULL WHERE row = ?", (row,))
    connection.executemany(
        "UPDATE attached SET uses = uses - 1 WHERE hash = ?", [(digest,) for digest in files_named_by(packed)]
    )
    connection.execute("DELETE FROM attached WHERE uses <= 0")
    connection.execute("UPDATE volume SET calls = calls - 1")
    connection.execute("COMMIT")
    return True


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


def _remove_facts(connection: sqlite3.Connection, row: int, facts: CallFacts) -> None:
    known = {tag: number for tag, (number, _) in numbers_of(connection, facts.tags).items()}
    # Without the texts themselves, the index removes an entry only if it is told again what the entry was.
    # Each term once: the index would count down what it never counted.
    terms = " ".join(dict.fromkeys(terms_of(facts, known).split()))
    connection.execute("INSERT INTO text (text, rowid, terms) VALUES ('delete', ?, ?)", (row, terms))
    connection.executemany("DELETE FROM tags WHERE number = ? AND row = ?", [(n, row) for n in known.values()])
    connection.executemany("UPDATE kv SET calls = calls - 1 WHERE number = ?", [(n,) for n in known.values()])
