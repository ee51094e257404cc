"""One measurement: a run of so many items on a fresh server, and the same rows through the limit."""

import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.server import (
    DATABASE,
    BenchmarkError,
    Server,
    answer_of,
    cpu_seconds,
    peak_memory_bytes,
    started_server,
)
from benchmarks.tickets import expected_passes, write_rows

_PAGES = 11


@dataclass(frozen=True, slots=True)
class Cost:
    """What a job cost, by the server or by the limit.

    Attributes:
        items: Items of the job.
        wall_s: Seconds from run created to run completed; of the limit, from first row to last commit.
        cpu_s: CPU seconds of all processes, user and system.
        planning_s: Seconds until every row was checked and cut into chunks; part of `wall_s`, 0 for the limit.
        peak_memory_bytes: Most memory of each process.
        database_bytes: The data file, after its write-ahead log was folded in.
        directory_bytes: Everything in the data directory except the uploaded file.
        page_ms: Median milliseconds of a page of 100 items after a cursor; 0 for the limit, which has no pages.
        flow: What the run says about its calls to models; empty for a run without any, and for the limit.
    """

    items: int
    wall_s: float
    cpu_s: float
    planning_s: float
    peak_memory_bytes: dict[str, int]
    database_bytes: int
    directory_bytes: int
    page_ms: float = 0.0
    flow: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def items_a_second(self) -> float:
        """Return the rate."""
        return self.items / self.wall_s

    @property
    def cpu_us_an_item(self) -> float:
        """Return microseconds of CPU an item."""
        return 1e6 * self.cpu_s / self.items


@dataclass(frozen=True, slots=True)
class Measurement:
    """A run and the limit, measured over the same rows within the same minutes.

    Attributes:
        row_bytes: Mean bytes of an uploaded row.
    """

    items: int
    row_bytes: float
    run: Cost
    limit: Cost


@contextmanager
def scratch() -> Generator[Path]:
    """Make an empty directory that exists while the block lasts."""
    with tempfile.TemporaryDirectory(prefix="evalhaven-bench-") as directory:
        yield Path(directory)


def measure(items: int, rounds: int, directory: Path) -> Measurement:
    """Measure a run and the limit in turn, for some rounds; of each, the round with the median CPU time counts.

    Args:
        items: Rows of the run.
        rounds: An odd number.
        directory: An empty directory for everything that is written.
    """
    rows = directory / "rows.jsonl"
    row_bytes = write_rows(rows, items) / items
    runs: list[Cost] = []
    limits: list[Cost] = []
    for number in range(rounds):
        limits.append(measure_limit("benchmarks.limit", rows, items, directory / f"limit-{number}.db"))
        runs.append(measure_run(rows, items, directory / f"data-{number}"))
    rows.unlink()
    return Measurement(items, row_bytes, _median(runs), _median(limits))


def _median(costs: list[Cost]) -> Cost:
    middle = median(cost.cpu_s for cost in costs)
    return next(cost for cost in costs if cost.cpu_s == middle)


def measure_run(
    rows: Path,
    items: int,
    data_dir: Path,
    settings: Mapping[str, str] | None = None,
    *,
    is_sampled: bool = False,
    python: str = sys.executable,
) -> Cost:
    """Measure one run on a fresh server.

    Args:
        rows: The rows of the run.
        items: How many rows there are.
        data_dir: The server's data directory, which is created, and removed afterwards.
        settings: Environment variables of the server.
        is_sampled: Whether a model is asked about each row.
        python: The interpreter that executes the server.
    """
    with started_server(data_dir, settings, python) as server:
        source = {"type": "file_id", "id": server.upload_rows(rows)}
        eval_id = server.create_eval()
        server.warm_up(eval_id, is_sampled=is_sampled)
        cpu_before = cpu_seconds(server.processes())
        started = time.perf_counter()
        run_id = server.create_run(eval_id, source, is_sampled=is_sampled)
        planned, ended = server.wait_for_run(run_id)
        processes = server.processes()
        cpu_s = cpu_seconds(processes) - cpu_before
        peaks = {name: peak_memory_bytes(process.pid) for name, process in processes.items()}
        flow = _check(server, eval_id, run_id, items)
        page_ms = _page_ms(server, eval_id, run_id)
    database = data_dir / DATABASE
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    uploaded = rows.stat().st_size
    everything = sum(path.stat().st_size for path in data_dir.rglob("*") if path.is_file())
    cost = Cost(
        items,
        ended - started,
        cpu_s,
        planned - started,
        peaks,
        database.stat().st_size,
        everything - uploaded,
        page_ms,
        flow,
    )
    _remove(data_dir)
    return cost


def measure_limit(module: str, rows: Path, items: int, database: Path, *arguments: str) -> Cost:
    """Measure the minimal design of the same job in a module of its own; its database is removed afterwards."""
    command = [sys.executable, "-m", module, str(rows), str(database), *arguments]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    if (told["items"], told["passed"]) != (items, expected_passes(items)):
        raise BenchmarkError(f"The limit graded {told['items']} items and passed {told['passed']}.")
    database.unlink()
    return Cost(
        items,
        told["wall_s"],
        told["cpu_s"],
        0.0,
        {"limit": told["peak_memory_bytes"]},
        told["database_bytes"],
        told["database_bytes"],
    )


def _check(server: Server, eval_id: str, run_id: str, items: int) -> dict[str, Any]:
    """Check that every item has the expected result; return the figures of the run's calls."""
    run = server.get_run(eval_id, run_id)
    expect_passes(run, items)
    return run["evalhaven"]["limiter"] or {}


def expect_passes(run: dict[str, Any], items: int) -> None:
    """Check that a run ended as it should: with every item, and with the passes that its rows have."""
    counts = run["result_counts"]
    passes = expected_passes(items)
    if run["status"] != "completed" or counts["total"] != items or counts["passed"] != passes:
        raise BenchmarkError(f"The run ended {run['status']} with {counts}; {passes} of {items} should have passed.")


def _page_ms(server: Server, eval_id: str, run_id: str) -> float:
    path = f"/v1/evals/{eval_id}/runs/{run_id}/output_items"
    after: str | None = None
    waits: list[float] = []
    for _ in range(_PAGES):
        query = {"limit": "100", **({} if after is None else {"after": after})}
        started = time.perf_counter()
        after = answer_of(server.client.get(path, params=query))["last_id"]
        waits.append(1000 * (time.perf_counter() - started))
    return median(waits[1:])


def _remove(data_dir: Path) -> None:
    """Remove a data directory, so that a benchmark never needs more disk than its largest run."""
    for path in sorted(data_dir.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    data_dir.rmdir()
