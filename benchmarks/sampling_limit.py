"""The limit of sampled runs: the same job done by a minimal design, as the bound against which a server is measured.

One process reads the rows, renders two messages, asks the endpoint through the product's own transport, compares and
stores the same facts of each item, durably and in batches. It has no API, no plan, no limiter, no retries, no tally,
and no index besides the table's own order.
"""

import argparse
import asyncio
import itertools
import json
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import uvloop

from benchmarks.server import peak_memory_bytes
from benchmarks.tickets import MODEL, QUESTION
from evalhaven.sampling.transport.client import Transport, TransportOptions, open_transport

BATCH_ROWS = 256
_TABLE = """
CREATE TABLE output_items (
    run_key INTEGER NOT NULL, position INTEGER NOT NULL, public_id BLOB NOT NULL, created_at INTEGER NOT NULL,
    status INTEGER NOT NULL, score REAL, latency_ms INTEGER, tokens INTEGER, item TEXT NOT NULL, input TEXT NOT NULL,
    sample TEXT NOT NULL, grades TEXT NOT NULL, PRIMARY KEY (run_key, position)
) WITHOUT ROWID
"""
_INSERT = "INSERT INTO output_items VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PLACEHOLDER = re.compile(r"\{\{ item\.(\w+) \}\}")
HEADERS = {"content-type": "application/json"}
TIMEOUT_S = 60.0

Stored = tuple[Any, ...]
Contents = list[tuple[str, Callable[[dict[str, Any]], str]]]


class _Row(msgspec.Struct):
    item: msgspec.Raw


class _Message(msgspec.Struct):
    content: str


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class _Reply(msgspec.Struct):
    model: str
    choices: list[_Choice]
    usage: _Usage


class _Job:
    """The job over one file of rows."""

    def __init__(self, file: BinaryIO, database: sqlite3.Connection, transport: Transport, url: str) -> None:
        self._lines: Iterator[tuple[int, bytes]] = enumerate(file)
        self._database = database
        self._transport = transport
        self._url = url
        self._batch: list[Stored] = []
        self._writing = asyncio.Lock()
        self._contents = compile_messages()
        self._decode_row = msgspec.json.Decoder(_Row).decode
        self._decode_reply = msgspec.json.Decoder(_Reply).decode
        self.passed = 0

    async def work(self) -> None:
        """Work through rows one after another, sharing them with the other workers."""
        for position, line in self._lines:
            stored = await self._evaluate(position, line)
            self._batch.append(stored)  # to the current batch, which may be a new one by now
            if len(self._batch) >= BATCH_ROWS:
                await self.store()

    async def store(self) -> None:
        """Store the current batch, while the other workers go on."""
        async with self._writing:
            batch, self._batch = self._batch, []
            await asyncio.to_thread(_store, self._database, batch)

    async def _evaluate(self, position: int, line: bytes) -> Stored:
        raw_item = self._decode_row(line).item
        item = msgspec.json.decode(raw_item)
        body, shown = body_of(self._contents, item)
        began_at = time.monotonic()
        received = await self._transport.post(self._url, HEADERS, body, TIMEOUT_S)
        latency_ms = round(1000 * (time.monotonic() - began_at))
        if received.status != 200:
            raise RuntimeError(f"the endpoint answered {received.status}")
        reply = self._decode_reply(received.body)
        choice, usage = reply.choices[0], reply.usage
        answer = choice.message.content
        passed = answer == item["ideal"]
        self.passed += passed
        sample = {
            "output": [{"role": "assistant", "content": answer}],
            "finish_reason": choice.finish_reason,
            "model": reply.model,
            "usage": [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens],
        }
        return (
            position,
            secrets.token_bytes(16),
            int(time.time()),
            int(passed),
            float(passed),
            latency_ms,
            usage.total_tokens,
            bytes(raw_item).decode(),
            shown.decode(),
            msgspec.json.encode(sample).decode(),
            msgspec.json.encode([[float(passed), passed]]).decode(),
        )


def compile_messages() -> Contents:
    """Return role and renderer of each message of the question."""
    return [(message["role"], _compile(message["content"])) for message in QUESTION]


def body_of(contents: Contents, item: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return the request about an item, and its messages alone."""
    shown = msgspec.json.encode([{"role": role, "content": render(item)} for role, render in contents])
    return b'{"model":"%s","messages":%s}' % (MODEL.encode(), shown), shown


def _compile(template: str) -> Callable[[dict[str, Any]], str]:
    """Return a function that renders a template whose placeholders are keys of the item."""
    parts = _PLACEHOLDER.split(template)
    keys, literals = parts[1::2], parts[::2]

    def render(item: dict[str, Any]) -> str:
        texts = (text for pair in zip(literals, (item[key] for key in keys), strict=False) for text in pair)
        return "".join(itertools.chain(texts, literals[-1:]))

    return render


def _store(connection: sqlite3.Connection, batch: list[Stored]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(_INSERT, batch)
    connection.execute("COMMIT")


def run_limit(rows: Path, database: Path, url: str, in_flight: int) -> dict[str, float]:
    """Do the whole job over a file of rows; return what it cost.

    Args:
        rows: JSONL of the questions.
        database: SQLite file to create.
        url: Address of chat completions.
        in_flight: How many requests are in flight.
    """
    connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(_TABLE)
    started, cpu_started = time.perf_counter(), time.process_time()
    with rows.open("rb") as file:
        passed = uvloop.run(_run_job(file, connection, url, in_flight))
    wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
    (items,) = connection.execute("SELECT count(*) FROM output_items").fetchone()
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


async def _run_job(file: BinaryIO, connection: sqlite3.Connection, url: str, in_flight: int) -> int:
    """Do the job; return how many items passed."""
    async with open_transport(TransportOptions()) as transport:
        job = _Job(file, connection, transport, url)
        async with asyncio.TaskGroup() as workers:
            for _ in range(in_flight):
                workers.create_task(job.work())
        await job.store()
    return job.passed


def main() -> None:
    """Run as a process of its own, so that memory and CPU are the job's alone; print one JSON line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sampling_limit", description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("database", type=Path)
    parser.add_argument("url")
    parser.add_argument("in_flight", type=int)
    given = parser.parse_args()
    print(json.dumps(run_limit(given.rows, given.database, given.url, given.in_flight)))


if __name__ == "__main__":
    main()
