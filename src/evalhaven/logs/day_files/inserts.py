"""Adding calls to one day file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.logs.day_files.layout import LARGEST_SEQUENCE, SEQUENCE_BITS
from evalhaven.logs.day_files.queries import instruction_term, numbers_of, tag_term
from evalhaven.logs.day_files.tables import OpenFile
from evalhaven.logs.facts import CallFacts, Tag, facts_of, name_of, origin_of
from evalhaven.logs.keys import second_of_day
from evalhaven.logs.packing import pack

_ATTACH = "INSERT INTO attached (hash, uses, data) VALUES (?, 1, ?) ON CONFLICT (hash) DO UPDATE SET uses = uses + 1"
_INSERT_TEXT = "INSERT INTO text (rowid, terms) VALUES (?, ?)"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call with everything that can be computed before the file is locked."""

    second: int
    project_id: int
    name: bytes
    origin: tuple[bytes, int]
    packed: bytes
    attached: dict[bytes, bytes]
    facts: CallFacts


def prepared(call: LoggedCall) -> Prepared:
    """Compute what is stored of a call."""
    packed, attached = pack(call)
    return Prepared(
        second=second_of_day(call.created_at),
        project_id=call.scope.project_id,
        name=name_of(call.scope, call.kind, call.id),
        origin=(origin_of(call.origin), call.scope.project_id),
        packed=packed,
        attached=attached,
        facts=facts_of(call),
    )


def insert(opened: OpenFile, calls: Sequence[Prepared]) -> bool:
    """Add calls that the file does not know, in one transaction; return False if there is no room for them.

    Args:
        opened: The file; nobody else adds to it meanwhile.
        calls: The calls by time: the full-text index takes them much faster in the order of their rows.
    """
    connection = opened.connection
    connection.execute("PRAGMA cache_size=-16384")  # for the merges of the full-text index
    connection.execute("BEGIN IMMEDIATE")
    rows = _free_rows(opened, calls)
    if rows is None:
        connection.execute("ROLLBACK")
        return False
    dictionary = opened.codec.newest()
    connection.executemany(
        "INSERT INTO calls VALUES (?, ?, ?, ?)",
        [
            (row, call.project_id, dictionary, opened.codec.compress(dictionary, call.packed))
            for row, call in zip(rows, calls, strict=True)
        ],
    )
    connection.executemany(
        "INSERT INTO names VALUES (?, ?)", sorted((call.name, row) for row, call in zip(rows, calls, strict=True))
    )
    connection.executemany("INSERT INTO origins VALUES (?, ?)", sorted(call.origin for call in calls))
    connection.executemany(_ATTACH, [each for call in calls for each in call.attached.items()])
    add_facts(opened, [(row, call.facts) for row, call in zip(rows, calls, strict=True)])
    connection.execute("UPDATE volume SET added = added + ?1, calls = calls + ?1", (len(calls),))
    connection.execute("COMMIT")
    return True


def add_facts(opened: OpenFile, calls: Sequence[tuple[int, CallFacts]]) -> None:
    """Enter calls into the indexes, within a transaction; they come in the order of their rows."""
    connection = opened.connection
    numbers = _numbers(opened, Counter(tag for _, facts in calls for tag in facts.tags))
    connection.executemany(
        "INSERT INTO tags VALUES (?, ?)", sorted((numbers[tag], row) for row, facts in calls for tag in facts.tags)
    )
    connection.executemany(_INSERT_TEXT, [(row, terms_of(facts, numbers)) for row, facts in calls])


def terms_of(facts: CallFacts, numbers: dict[Tag, int]) -> str:
    """Return what the full-text index holds of a call; some terms come more than once."""
    instructions = map(instruction_term, facts.instructions.split())
    return " ".join((facts.words, *instructions, *[tag_term(numbers[tag]) for tag in facts.tags]))


def _numbers(opened: OpenFile, counts: Counter[Tag]) -> dict[Tag, int]:
    """Return the number of each tag, and count the calls that get it."""
    connection = opened.connection
    known = {tag: number for tag, (number, _) in numbers_of(connection, list(counts)).items()}
    connection.executemany("UPDATE kv SET calls = calls + ? WHERE number = ?", [(counts[t], known[t]) for t in known])
    largest = connection.execute("SELECT coalesce(max(number), 0) FROM kv").fetchone()[0]
    new = {tag: largest + count for count, tag in enumerate((tag for tag in counts if tag not in known), 1)}
    connection.executemany(
        "INSERT INTO kv VALUES (?, ?, ?)", [(number, tag, counts[tag]) for tag, number in new.items()]
    )
    return known | new


def _free_rows(opened: OpenFile, calls: Sequence[Prepared]) -> list[int] | None:
    """Return a row for each call; None if a second has no more of them."""
    rows: list[int] = []
    second, row, last = -1, 0, 0
    for call in calls:
        if call.second != second:
            second = call.second
            first, last = second << SEQUENCE_BITS, second << SEQUENCE_BITS | LARGEST_SEQUENCE
            query = "SELECT max(row) FROM calls WHERE row BETWEEN ? AND ?"
            largest = opened.connection.execute(query, (first, last)).fetchone()[0]
            row = first if largest is None else largest + 1
        if row > last:
            return None
        rows.append(row)
        row += 1
    return rows
