"""What a test sees of a server from inside: its database, opened by the test itself, and its processes."""

import contextlib
import json
import sqlite3
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

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
    """What the stored output items of a run add up to: passed, failed, errored, and the same for each criterion."""

    positions: set[int]
    statuses: tuple[int, int, int]
    unresolved: int
    criteria: list[list[int]]


class Watch:
    """The database of a server; holding its write lock stands the server still at a known state."""

    def __init__(self, path: Path) -> None:
        # Nothing here ever waits: whoever wants the lock asks again.
        self._database = sqlite3.connect(path, isolation_level=None, timeout=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._database.close()

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self._database.execute(query, values).fetchall()

    def value(self, query: str, *values: object) -> Any:
        """Return the first column of the first row of a query."""
        return self.rows(query, *values)[0][0]

    def run_key(self, run_id: str) -> int:
        """Return the internal number of a run."""
        return self.value("SELECT key FROM runs WHERE public_id = ?", run_id)

    def run_state(self, run_key: int) -> RunState:
        """Return the state of a run, by one query: a consistent one."""
        query = """
            SELECT status, items_planned, passed + failed + errored,
                   (SELECT count(*) FROM chunks WHERE run_key = runs.key)
            FROM runs WHERE key = ?
        """
        return RunState(*self.rows(query, run_key)[0])

    def count_items(self, run_key: int) -> int:
        """Return the number of stored output items of a run."""
        return self.value("SELECT count(*) FROM output_items WHERE run_key = ?", run_key)

    def version(self) -> int:
        """Return a number that changes with every commit of another connection."""
        return self.value("PRAGMA data_version")

    def try_to_lock(self) -> bool:
        """Take the write lock if nobody has it: until `unlock` no transaction of the server begins or commits."""
        try:
            self._database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        return True

    def unlock(self) -> None:
        """Give the write lock back, having written nothing."""
        self._database.execute("ROLLBACK")

    @contextlib.contextmanager
    def locked(self) -> Generator[None]:
        """Hold the write lock, as soon as it is free."""
        self._lock()
        try:
            yield
        finally:
            self.unlock()

    def change(self, statement: str, *values: object) -> None:
        """Change a row, as if time had passed."""
        self._lock()
        self._database.execute(statement, values)
        self._database.execute("COMMIT")

    def _lock(self) -> None:
        while not self.try_to_lock():
            time.sleep(0.0002)

    def recount(self, run_key: int) -> Recount:
        """Add up the stored output items of a run."""
        statuses, unresolved, criteria = [0, 0, 0], 0, list[list[int]]()
        positions: set[int] = set()
        query = "SELECT position, repeat, status, grades FROM output_items WHERE run_key = ?"
        for position, repeat, status, grades_text in self._database.execute(query, (run_key,)):
            assert repeat == 0
            assert position not in positions
            positions.add(position)
            # Stored as 0: failed, 1: passed, 2: errored.
            statuses[(1, 0, 2)[status]] += 1
            grades = [(*grade, {})[:3] for grade in json.loads(grades_text)]
            criteria = criteria or [[0, 0, 0] for _ in grades]
            for tally, (_, passed, more) in zip(criteria, grades, strict=True):
                tally[2 if "error" in more else 0 if passed else 1] += 1
            unresolved += any("unresolved" in more for _, _, more in grades)
        return Recount(positions, (statuses[0], statuses[1], statuses[2]), unresolved, criteria)


def executors_of(data_dir: Path) -> list[psutil.Process]:
    """Return every live executor of a data directory, whoever started it."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if "executor" in command and str(data_dir) in command and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def has_ended(process: psutil.Process) -> bool:
    """Tell whether a process is dead; one that nobody has reaped yet counts as dead."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def executor_of(server: Server, timeout_s: float = 30.0) -> psutil.Process:
    """Return the executor of a server once it has the database open: it is at work, or waits for the lock."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for process in executors_of(server.data_dir):
            if has_open(process, server.database_path):
                return process
        time.sleep(0.01)
    raise AssertionError(f"no executor was at work after {timeout_s:.0f} s")


def stop_outside_transactions(server: Server, watch: Watch) -> psutil.Process:
    """Make the executor stand still without the write lock, so that the server can go on writing; return it."""
    with watch.locked():
        process = executor_of(server)
        process.suspend()
        # Each thread stops at its own next chance; until then it could still take the lock.
        while any(psutil.Process(thread.id).status() != psutil.STATUS_STOPPED for thread in process.threads()):
            time.sleep(0.001)
    return process


def has_open(process: psutil.Process, path: Path) -> bool:
    """Tell whether a process has a file open."""
    try:
        return any(each.path == str(path.resolve()) for each in process.open_files())
    except psutil.Error:
        return False


def peak_memory_mb(pid: int) -> float:
    """Return the most memory that a process ever had resident, mapped files included."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"/proc/{pid}/status has no VmHWM")
