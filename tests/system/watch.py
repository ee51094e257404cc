"""What a test sees of a server's database, through a connection of its own."""

import contextlib
import json
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg

from evalhaven.storage.turns import WriteTurns, turns_path
from tests.server import Server


@dataclass(frozen=True)
class RunState:
    """What the last committed transaction says about a run."""

    status: str
    items_planned: int | None
    counted: int
    chunks: int


@dataclass(frozen=True)
class Recount:
    """The sums over a run's stored output items: passed, failed, errored, and the same for each criterion."""

    positions: set[int]
    statuses: tuple[int, int, int]
    unresolved: int
    criteria: list[list[int]]


class Watch(ABC):
    """The database of a server; holding its write lock freezes the server in a known state."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""

    @abstractmethod
    def iterate(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query."""

    @abstractmethod
    def version(self) -> object:
        """Return a value that changes with every commit of another connection."""

    @abstractmethod
    def try_to_lock(self) -> bool:
        """Take the write lock if no write is in progress: until `unlock` the server commits nothing."""

    @abstractmethod
    def unlock(self) -> None:
        """Release the lock without writing anything."""

    @abstractmethod
    def asking_to_write(self) -> contextlib.AbstractContextManager[None]:
        """Have an executor wait before each of its transactions, as for a server that wants to write."""

    @abstractmethod
    def change(self, statement: str, *values: object) -> None:
        """Change a row, as if time had passed."""

    @abstractmethod
    def is_used_by(self, process: psutil.Process) -> bool:
        """Tell whether a process has the database open."""

    @abstractmethod
    def has_waiting_writers(self) -> bool:
        """Tell whether another connection has already begun to write, and waits for the lock."""

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return list(self.iterate(query, *values))

    def value(self, query: str, *values: object) -> Any:
        """Return the first column of the first row of a query."""
        return self.rows(query, *values)[0][0]

    def run_key(self, run_id: str) -> int:
        """Return the internal number of a run."""
        return self.value("SELECT key FROM runs WHERE public_id = ?", run_id)

    def run_state(self, run_key: int) -> RunState:
        """Return the state of a run, which is consistent because it comes from one query."""
        query = """
            SELECT status, items_planned, passed + failed + errored,
                   (SELECT count(*) FROM chunks WHERE run_key = runs.key)
            FROM runs WHERE key = ?
        """
        return RunState(*self.rows(query, run_key)[0])

    def count_items(self, run_key: int) -> int:
        """Return the number of stored output items of a run."""
        return self.value("SELECT count(*) FROM output_items WHERE run_key = ?", run_key)

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Hold the write lock, as soon as it is free."""
        self._lock()
        try:
            yield
        finally:
            self.unlock()

    def _lock(self) -> None:
        while not self.try_to_lock():
            time.sleep(0.0002)

    def recount(self, run_key: int) -> Recount:
        """Add up the stored output items of a run."""
        statuses, unresolved, criteria = [0, 0, 0], 0, list[list[int]]()
        positions: set[int] = set()
        query = "SELECT position, repeat, status, grades FROM output_items WHERE run_key = ?"
        for position, repeat, status, grades_text in self.iterate(query, run_key):
            assert repeat == 0
            assert position not in positions
            positions.add(position)
            # Stored as 0: failed, 1: passed, 2: errored.
            statuses[(1, 0, 2)[status]] += 1
            grades = [(*grade, {})[:3] for grade in json.loads(grades_text)]
            criteria = criteria or [[0, 0, 0] for _ in grades]
            for tally, (_, passed, more) in zip(criteria, grades, strict=bool(grades)):
                tally[2 if "error" in more else 0 if passed else 1] += 1
            unresolved += any("unresolved" in more for _, _, more in grades)
        return Recount(positions, (statuses[0], statuses[1], statuses[2]), unresolved, criteria)


class SqliteWatch(Watch):
    """The SQLite file of a server."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        # Nothing here ever waits for the lock; callers ask again.
        self._database = sqlite3.connect(server.database_path, isolation_level=None, timeout=0)
        self._turns = WriteTurns(turns_path(server.database_path), gives_way=False)

    def close(self) -> None:
        self._database.close()
        self._turns.close()

    def iterate(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        yield from self._database.execute(query, values)

    def version(self) -> object:
        return self.value("PRAGMA data_version")

    def try_to_lock(self) -> bool:
        try:
            self._database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True

    def unlock(self) -> None:
        self._database.execute("ROLLBACK")

    def asking_to_write(self) -> contextlib.AbstractContextManager[None]:
        return self._turns.ask()

    def change(self, statement: str, *values: object) -> None:
        self._lock()
        self._database.execute(statement, values)
        self._database.execute("COMMIT")

    def is_used_by(self, process: psutil.Process) -> bool:
        return has_open(process, self._server.database_path)

    def has_waiting_writers(self) -> bool:
        return False  # a transaction begins by taking the lock, or does not begin


class PostgresqlWatch(Watch):
    """The PostgreSQL database of a server.

    Args:
        server: The server.
        url: Its database.
    """

    # Not projects: a server locks its row when it starts, and must be able to start while the others are locked.
    _TABLES = "evals, runs, files, chunks, output_items, events, idempotency_keys"

    def __init__(self, server: Server, url: str) -> None:
        super().__init__(server)
        self._url = url
        self._connection: psycopg.Connection | None = None

    @property
    def _database(self) -> psycopg.Connection:
        # PostgreSQL may be restarted meanwhile.
        if self._connection is None or self._connection.broken:
            self._connection = psycopg.connect(self._url, autocommit=True)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def iterate(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        yield from self._database.execute(query.replace("?", "%s").encode(), values)

    def version(self) -> object:
        return self.value("SELECT pg_current_snapshot()::text")

    def try_to_lock(self) -> bool:
        try:
            self._database.execute("BEGIN")
            # Wait in the queue for a moment: an executor that writes all the time would never be caught otherwise.
            self._database.execute("SET LOCAL lock_timeout = '100ms'")
            # This admits readers, but neither writers nor those who lock a row in order to write.
            self._database.execute(f"LOCK TABLE {self._TABLES} IN EXCLUSIVE MODE".encode())
        except psycopg.errors.LockNotAvailable:
            self._database.execute("ROLLBACK")
            return False
        return True

    def unlock(self) -> None:
        self._database.execute("ROLLBACK")

    def asking_to_write(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()  # who waits for a lock gets it before those who come later

    def change(self, statement: str, *values: object) -> None:
        self._database.execute(statement.replace("?", "%s").encode(), values)

    def is_used_by(self, process: psutil.Process) -> bool:
        port = self._database.info.port
        try:
            return any(each.raddr and each.raddr.port == port for each in process.net_connections(kind="tcp"))
        except psutil.Error:
            return False

    def has_waiting_writers(self) -> bool:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        return bool(self.value(query))


def watch_of(server: Server) -> Watch:
    """Open the database of a server."""
    return SqliteWatch(server) if server.database_url is None else PostgresqlWatch(server, server.database_url)


def has_open(process: psutil.Process, path: Path) -> bool:
    """Tell whether a process has a file open."""
    try:
        return any(each.path == str(path.resolve()) for each in process.open_files())
    except psutil.Error:
        return False
