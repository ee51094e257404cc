"""The limit: the same job done by a minimal design, as the bound against which a server is measured.

One process reads the rows, renders, compares and stores the same facts of each item, durably and in batches. It has
no API, no schema check, no plan, no resume, no running tally, and no index besides the table's own order.
"""

import argparse
import json
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from benchmarks.server import peak_memory_bytes
from benchmarks.tickets import EVAL

BATCH_ROWS = 256
_TABLE = """
CREATE TABLE output_items (
    run_key INTEGER NOT NULL, position INTEGER NOT NULL, public_id BLOB NOT NULL, created_at INTEGER NOT NULL,
    status INTEGER NOT NULL, score REAL, tokens INTEGER, item TEXT NOT NULL, item_hash BLOB NOT NULL,
    sample TEXT NOT NULL, grades TEXT NOT NULL, PRIMARY KEY (run_key, position)
) WITHOUT ROWID
"""
_INSERT = "INSERT INTO output_items VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PLACEHOLDER = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")

Namespaces = dict[str, Any]
Stored = tuple[int, bytes, int, int, float, int, str, bytes, str, str]


class _Row(msgspec.Struct):
    item: msgspec.Raw
    sample: msgspec.Raw


def run_limit(rows: Path, database: Path) -> dict[str, float]:
    """Do the whole job over a file of rows; return what it cost.

    Args:
        rows: JSONL of the tickets.
        database: SQLite file to create.
    """
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(_TABLE)
    started, cpu_started = time.perf_counter(), time.process_time()
    items = passed = 0
    with rows.open("rb") as file:
        batch: list[Stored] = []
        for stored in _graded(file):
            batch.append(stored)
            passed += stored[3]
            items += 1
            if len(batch) == BATCH_ROWS:
                _store(connection, batch)
                batch.clear()
        _store(connection, batch)
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return {
        "items": items,
        "passed": passed,
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "peak_memory_bytes": peak_memory_bytes(),
        "database_bytes": database.stat().st_size,
    }


def _store(connection: sqlite3.Connection, batch: list[Stored]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(_INSERT, batch)
    connection.execute("COMMIT")


def _graded(file: BinaryIO) -> Iterator[Stored]:
    criterion: dict[str, str] = EVAL["testing_criteria"][0]
    render_input, render_reference = _compile(criterion["input"]), _compile(criterion["reference"])
    decode_row = msgspec.json.Decoder(_Row).decode
    for position, line in enumerate(file):
        row = decode_row(line)
        item, sample = msgspec.json.decode(row.item), msgspec.json.decode(row.sample)
        sample["output_text"] = sample["choices"][0]["message"]["content"]
        namespaces: Namespaces = {"item": item, "sample": sample}
        passed = render_input(namespaces) == render_reference(namespaces)
        yield (
            position,
            secrets.token_bytes(16),
            int(time.time()),
            int(passed),
            float(passed),
            sample["usage"]["total_tokens"],
            bytes(row.item).decode(),
            sha256(msgspec.json.encode(item, order="sorted")).digest(),
            bytes(row.sample).decode(),
            msgspec.json.encode([[float(passed), passed]]).decode(),
        )


def _compile(template: str) -> Callable[[Namespaces], str]:
    """Return a function that renders a template whose placeholders are dotted paths."""
    parts = _PLACEHOLDER.split(template)
    paths = [part.split(".") for part in parts[1::2]]
    literals = parts[::2]

    def render(namespaces: Namespaces) -> str:
        texts = [literals[0]]
        for path, literal in zip(paths, literals[1:], strict=True):
            value: Any = namespaces
            for name in path:
                value = value[name]
            texts.append(value if isinstance(value, str) else json.dumps(value))
            texts.append(literal)
        return "".join(texts)

    return render


def main() -> None:
    """Run as a process of its own, so that memory and CPU are the job's alone; print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("database", type=Path)
    arguments = parser.parse_args()
    print(json.dumps(run_limit(arguments.rows, arguments.database)))


if __name__ == "__main__":
    main()
