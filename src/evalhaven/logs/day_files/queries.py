"""Questions to one day file.

A filter's tags are looked up first. A file that lacks one is done with; otherwise the calls of the rarest are walked
through in order, and looked up among those of the others. Where words are asked for as well, or where even the rarest
tag is frequent, the full-text index brings all of them together.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from evalhaven.domain.paging import Order
from evalhaven.logs.day_files.tables import OpenFile
from evalhaven.logs.facts import Tag, Wanted

_AT_ONCE = 500  # parameters of a statement
_MERGED = 40  # alternatives that SQLite merges in order; more are sorted
_FREQUENT = 2_000
_Group = tuple[int, list[int]]  # calls, numbers of the tags


def rows_wanted(opened: OpenFile, wanted: Wanted, rows: tuple[int, int], order: Order, limit: int) -> list[int]:
    """Return the rows of calls that are wanted, in order.

    Args:
        opened: The file.
        wanted: What the calls must have.
        rows: The smallest and the largest row.
        order: `desc` has the largest row first.
        limit: The most rows to return.
    """
    connection = opened.connection
    if rows[0] > rows[1]:
        return []
    connection.execute("BEGIN")  # what the counts say must hold for the rows
    try:
        groups = _groups(connection, wanted.groups)
        if groups is None:
            return []
        groups.sort()
        everyone = connection.execute("SELECT calls FROM volume").fetchone()[0]
        telling = [group for group in groups if len(group[1]) > 1 or group[0] < everyone]
        if wanted.words or wanted.instructions or (len(telling) > 1 and telling[0][0] > _FREQUENT):
            return _by_text(connection, wanted, telling, rows, order, limit)
        return _by_tags(connection, telling or groups[:1], rows, order, limit)
    finally:
        connection.execute("COMMIT")


def numbers_of(connection: sqlite3.Connection, tags: Sequence[Tag]) -> dict[Tag, tuple[int, int]]:
    """Return number and calls of each tag that a file knows."""
    found: dict[Tag, tuple[int, int]] = {}
    for part in parts(tags):
        query = f"SELECT tag, number, calls FROM kv WHERE tag IN ({marks(part)})"  # noqa: S608
        found.update((tag, (number, calls)) for tag, number, calls in connection.execute(query, part))
    return found


def origins_known(connection: sqlite3.Connection, hashes: Sequence[bytes]) -> set[tuple[bytes, int]]:
    """Return which of these origins a file knows, and of which project."""
    found: set[tuple[bytes, int]] = set()
    for part in parts(hashes):
        query = f"SELECT hash, project_id FROM origins WHERE hash IN ({marks(part)})"  # noqa: S608
        found.update(connection.execute(query, part))
    return found


def rows_named(connection: sqlite3.Connection, name: bytes, *, only_stored: bool) -> list[int]:
    """Return the rows of calls with a name, newest first; those of deleted calls unless `only_stored`."""
    query = "SELECT row FROM names WHERE hash = ? ORDER BY row DESC"
    if only_stored:
        query = (
            "SELECT names.row FROM names JOIN calls ON calls.row = names.row "
            "WHERE hash = ? AND data IS NOT NULL ORDER BY names.row DESC"
        )
    return [row for (row,) in connection.execute(query, (name,))]


def attached_data(connection: sqlite3.Connection, digest: bytes) -> bytes | None:
    """Return a file that calls hold, by its hash."""
    found = connection.execute("SELECT data FROM attached WHERE hash = ?", (digest,)).fetchone()
    return None if found is None else found[0]


def parts(values: Sequence[bytes]) -> list[Sequence[bytes]]:
    """Return values, as many at a time as a statement takes."""
    return [values[start : start + _AT_ONCE] for start in range(0, len(values), _AT_ONCE)]


def marks(values: Sequence[object]) -> str:
    """Return a question mark for each value."""
    return ", ".join("?" * len(values))


def tag_term(number: int) -> str:
    """Return what stands for a tag in the full-text index; its tokenizer takes all that is not ASCII for letters."""
    return f"\N{POUND SIGN}{number}"


def instruction_term(word: str) -> str:
    """Return what stands for a word of instructions in the full-text index."""
    return f"\N{SECTION SIGN}{word}"


def _groups(connection: sqlite3.Connection, groups: list[list[Tag]]) -> list[_Group] | None:
    """Return the groups with the tags that the file knows; None if none of a group has calls."""
    known = numbers_of(connection, [tag for group in groups for tag in group])
    found: list[_Group] = []
    for group in groups:
        there = [known[tag] for tag in group if tag in known and known[tag][1]]
        if not there:
            return None
        found.append((sum(calls for _, calls in there), sorted(number for number, _ in there)))
    return found


def _by_tags(
    connection: sqlite3.Connection, groups: list[_Group], rows: tuple[int, int], order: Order, limit: int
) -> list[int]:
    (_, drivers), *others = groups
    conditions = "".join(
        f" AND EXISTS (SELECT 1 FROM tags WHERE number IN ({marks(numbers)}) AND row = t.row)"  # noqa: S608
        for _, numbers in others
    )
    checked = [number for _, numbers in others for number in numbers]
    if len(drivers) <= _MERGED:
        each = f"SELECT t.row FROM tags AS t WHERE t.number = ? AND t.row BETWEEN ? AND ?{conditions}"  # noqa: S608
        query = " UNION ".join([each] * len(drivers))
        values = [value for driver in drivers for value in (driver, *rows, *checked)]
    else:
        of_drivers = f"t.number IN ({', '.join(map(str, drivers))})"
        query = f"SELECT DISTINCT t.row FROM tags AS t WHERE {of_drivers} AND t.row BETWEEN ? AND ?{conditions}"  # noqa: S608
        values = [*rows, *checked]
    direction = "DESC" if order == "desc" else "ASC"
    found = connection.execute(f"{query} ORDER BY 1 {direction} LIMIT ?", (*values, limit))
    return [row for (row,) in found.fetchall()]


def _by_text(
    connection: sqlite3.Connection,
    wanted: Wanted,
    groups: list[_Group],
    rows: tuple[int, int],
    order: Order,
    limit: int,
) -> list[int]:
    terms = [_any_of(map(tag_term, numbers)) for _, numbers in groups]
    terms += [f'"{instruction_term(word)}"' for word in wanted.instructions]
    terms += [_any_of((word, instruction_term(word))) for word in wanted.words]
    direction = "DESC" if order == "desc" else "ASC"
    query = "SELECT rowid FROM text WHERE text MATCH ? AND rowid BETWEEN ? AND ? ORDER BY rowid"
    query += f" {direction} LIMIT ?"
    return [row for (row,) in connection.execute(query, (" AND ".join(terms), *rows, limit)).fetchall()]


def _any_of(terms: Iterable[str]) -> str:
    quoted = (f'"{term}"' for term in terms)
    return f"({' OR '.join(quoted)})"
