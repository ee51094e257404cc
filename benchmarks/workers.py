"""What workers that share runs in PostgreSQL get done, one, two and four of them, and what is full meanwhile.

Each has the same number of calls in flight, so until something is full twice as many do twice as much. A short run
then starts behind a huge one, the huge one is canceled, and one of the workers is killed.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
from rich.console import Console

from benchmarks.endpoint import Upstream, started_upstream
from benchmarks.server import BenchmarkError, Server, started_server
from benchmarks.tickets import write_questions
from benchmarks.upstream import Behaviour
from benchmarks.verdicts import Verdict, print_verdicts, table
from tests.databases import PostgresServer

LATENCY_MS = 200.0
SHORT_ITEMS = 100
_WAIT_S = 1800.0
_LOOK_S = 0.02
_QUIET_S = 5.0
_FULL = 0.9
_MEMBERS = "SELECT count(*) FROM evalhaven_queue.workers"
_HELD = """SELECT count(*), coalesce(sum(slots), 0) FROM evalhaven_queue.limit_shares
    WHERE name LIKE 'model %' AND slots > 0 AND held_until > clock_timestamp()"""


@dataclass(frozen=True, slots=True)
class Share:
    """What one number of workers got done.

    Attributes:
        workers: How many.
        items: Of their run.
        wall_s: From its creation to its end.
        cpu_s: CPU seconds by part: each worker, the server, the database, the endpoint.
        busiest_backend_s: CPU seconds of the database's busiest process.
        busy_cores: How many of the machine's cores were busy, whatever kept them so.
    """

    workers: int
    items: int
    wall_s: float
    cpu_s: dict[str, float]
    busiest_backend_s: float
    busy_cores: float

    @property
    def items_a_second(self) -> float:
        """Return the rate."""
        return self.items / self.wall_s

    @property
    def full(self) -> str:
        """Say what kept the rate from growing."""
        cores = psutil.cpu_count() or 1
        if self.busy_cores >= _FULL * cores:
            return f"the machine ({self.busy_cores:.1f} of {cores} cores)"
        if self.busiest_backend_s >= _FULL * self.wall_s:
            return "one process of the database"
        busy = max(value for name, value in self.cpu_s.items() if name.startswith("worker"))
        return "the core of a worker" if busy >= _FULL * self.wall_s else "nothing"


@dataclass(frozen=True, slots=True)
class Workers:
    """What was measured.

    Attributes:
        in_flight: Calls of each worker.
        shares: What each number of workers got done.
        huge_items: Items of the run behind which the short one starts.
        first_item_s: Seconds until the first item of the short run was stored.
        short_s: Seconds until it was over.
        last_call_s: Seconds from the cancel of the huge run to its last call.
        last_write_s: Seconds from then to its last stored item.
        rebalanced_s: Seconds from the kill of a worker until the others had its calls.
        most_in_flight: Most calls that the endpoint saw at once while its limit was `limit`.
        limit: Of the endpoint, over all workers.
    """

    in_flight: int
    shares: list[Share]
    huge_items: int
    first_item_s: float
    short_s: float
    last_call_s: float
    last_write_s: float
    rebalanced_s: float
    most_in_flight: int
    limit: int


@dataclass(slots=True)
class _Place:
    """A database, a server and its workers."""

    database: PostgresServer
    url: str
    server: Server
    upstream: Upstream
    workers: list[psutil.Process] = field(default_factory=list[psutil.Process])

    def ask(self, query: str, *values: str) -> tuple[Any, ...]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(query.encode(), values or None).fetchone()
        return row or ()

    def start_run(self, rows: Path, items: int) -> tuple[str, str]:
        """Start a run over so many questions; return the ids of its eval and of it."""
        write_questions(rows, items)
        file_id = self.server.upload_rows(rows)
        rows.unlink()
        eval_id = self.server.create_eval()
        return eval_id, self.server.create_run(eval_id, {"type": "file_id", "id": file_id}, is_sampled=True)

    def stored(self, run_id: str) -> int:
        """Return how many items of a run are stored."""
        return self.ask("SELECT passed + failed + errored FROM runs WHERE public_id = %s", run_id)[0]

    def has_ended(self, run_id: str) -> bool:
        (status,) = self.ask("SELECT status FROM runs WHERE public_id = %s", run_id)
        return status not in ("queued", "in_progress")

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds that each part has used so far."""
        parts = {f"worker {number}": _tree_s(worker) for number, worker in enumerate(self.workers, 1)}
        server, database = _tree_s(self.server.process), sum(self.backends_s().values())
        return {**parts, "server": server, "database": database, "endpoint": self.upstream.stats()["cpu_s"]}

    def backends_s(self) -> dict[int, float]:
        """Return the CPU seconds of each process of the database; those that have ended are the first one's."""
        postmaster = self.database.process
        times = postmaster.cpu_times()
        found = {postmaster.pid: sum(times[:4])}
        for backend in postmaster.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                found[backend.pid] = sum(backend.cpu_times()[:2])
        return found


def measure_workers(
    counts: Sequence[int], items: int, in_flight: int, huge_items: int, directory: Path, console: Console
) -> Workers:
    """Measure so many workers one after another.

    Args:
        counts: How many workers, ascending.
        items: How many items each of them gets.
        in_flight: How many calls each of them has under way.
        huge_items: Items of the run behind which a short one starts.
        directory: An empty directory for everything that is written.
        console: Where to say how far it is.
    """
    rows = directory / "rows.jsonl"
    shares: list[Share] = []
    with PostgresServer(is_durable=True).running() as database:
        for count in counts:
            console.print(f"{count} workers, {in_flight} calls in flight each …")
            with _place(database, directory / f"data-{count}", count, in_flight) as place:
                shares.append(share := _measure_share(place, rows, count * items))
            cost_us = 1e6 * share.cpu_s["database"] / share.items
            console.print(
                f"{share.items_a_second:,.0f} items/s, database CPU {cost_us:.0f} µs an item; full: {share.full}"
            )
        count = counts[-1]
        console.print(f"a short run behind one of {huge_items:,} items, {count} workers …")
        with _place(database, directory / "data-huge", count, in_flight) as place:
            return _measure_huge(place, rows, huge_items, in_flight, shares)


def print_workers(found: Workers, console: Console) -> None:
    """Print the figures beside their targets."""
    first = found.shares[0]
    ideal = found.in_flight * 1000 / LATENCY_MS
    columns = ("items/s", "of the ideal", "times one", "database CPU µs an item", "workers' CPU µs", "full")
    rates = table("Workers", *columns)
    for each in found.shares:
        workers = sum(value for name, value in each.cpu_s.items() if name.startswith("worker"))
        rates.add_row(
            str(each.workers),
            f"{each.items_a_second:,.0f}",
            f"{each.items_a_second / (ideal * each.workers):.2f}",
            f"{each.items_a_second / first.items_a_second:.2f}",
            f"{1e6 * each.cpu_s['database'] / each.items:.0f}",
            f"{1e6 * workers / each.items:.0f}",
            each.full,
        )
    console.print(rates)
    for each in found.shares:
        cores = ", ".join(f"{name} {value / each.wall_s:.2f}" for name, value in each.cpu_s.items())
        console.print(f"{each.workers} workers, cores: {cores}")
    console.print(f"the short run took {found.short_s:.2f} s")
    verdicts = (
        Verdict(f"a short run's first item behind {found.huge_items:,} (s)", found.first_item_s, 2.0),
        Verdict("last call after a cancel (s)", found.last_call_s, 2.0),
        Verdict("last stored item after a cancel (s)", found.last_write_s, 2.0),
        Verdict("the others have the calls of a dead worker (s)", found.rebalanced_s, 3.0),
        Verdict("most calls at once", found.most_in_flight, found.limit),
    )
    print_verdicts(verdicts, console)


def _measure_share(place: _Place, rows: Path, items: int) -> Share:
    before, backends = place.cpu_s(), place.backends_s()
    psutil.cpu_percent()
    _, run_id = place.start_run(rows, items)
    created = time.perf_counter()
    _wait(lambda: place.has_ended(run_id), "the run's end", 0.1)
    wall_s = time.perf_counter() - created
    busy_cores = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
    if place.stored(run_id) != items:
        raise BenchmarkError(f"The run ended with {place.stored(run_id)} of {items} items.")
    cpu_s = {name: value - before[name] for name, value in place.cpu_s().items()}
    busiest_s = max(value - backends.get(pid, 0.0) for pid, value in place.backends_s().items())
    return Share(len(place.workers), items, wall_s, cpu_s, busiest_s, busy_cores)


def _measure_huge(place: _Place, rows: Path, huge_items: int, in_flight: int, shares: list[Share]) -> Workers:
    eval_id, huge_id = place.start_run(rows, huge_items)
    _wait(lambda: place.stored(huge_id) > 10 * in_flight, "the huge run's first items", 0.2)
    _, short_id = place.start_run(rows, SHORT_ITEMS)
    created = time.perf_counter()
    _wait(lambda: place.stored(short_id) > 0, "the short run's first item")
    first_item_s = time.perf_counter() - created
    _wait(lambda: place.has_ended(short_id), "the short run's end")
    short_s = time.perf_counter() - created

    limit = in_flight * len(place.workers)
    killed = time.perf_counter()
    for process in (place.workers[0], *place.workers[0].children(recursive=True)):
        process.kill()
    _wait(lambda: place.ask(_HELD) == (len(place.workers) - 1, limit), "the others' parts")
    rebalanced_s = time.perf_counter() - killed
    seen = place.stored(huge_id)
    _wait(lambda: place.stored(huge_id) > seen + 10 * in_flight, "further items")

    canceled = time.perf_counter()
    if not place.server.client.post(f"/v1/evals/{eval_id}/runs/{huge_id}").is_success:
        raise BenchmarkError("The run was not canceled.")
    last_call_s, last_write_s = _watch_end(place, huge_id, canceled)
    most = place.upstream.stats()["in_flight_max"]
    return Workers(
        in_flight, shares, huge_items, first_item_s, short_s, last_call_s, last_write_s, rebalanced_s, most, limit
    )


def _watch_end(place: _Place, run_id: str, since: float) -> tuple[float, float]:
    """Return how long after a moment the last call was made, and the last item stored."""
    calls, items = place.upstream.stats()["total"], place.stored(run_id)
    last_call = last_write = 0.0
    while (now := time.perf_counter() - since) < max(last_call, last_write) + _QUIET_S:
        if (called := place.upstream.stats()["total"]) != calls:
            calls, last_call = called, now
        if (stored := place.stored(run_id)) != items:
            items, last_write = stored, now
        time.sleep(_LOOK_S)
    return last_call, last_write


@contextlib.contextmanager
def _place(database: PostgresServer, data_dir: Path, count: int, in_flight: int) -> Generator[_Place]:
    url = database.new_database()
    config = data_dir.with_suffix(".toml")
    with started_upstream(Behaviour(latency_ms=LATENCY_MS)) as upstream, contextlib.ExitStack() as stack:
        settings = upstream.settings(in_flight * count, config) | {"EVALHAVEN_DATABASE_URL": url}
        server = stack.enter_context(started_server(data_dir, settings, arguments=("--no-worker",)))
        place = _Place(database, url, server, upstream)
        for _ in range(count):
            place.workers.append(stack.enter_context(_started_worker(data_dir, settings)))
        _wait(lambda: place.ask(_MEMBERS) == (count,), "the workers")
        # Each loads what it needs with the first items that it gets.
        _, warm_id = place.start_run(data_dir.with_suffix(".jsonl"), 2 * count * in_flight)
        _wait(lambda: place.has_ended(warm_id), "the end of a first run", 0.1)
        yield place


@contextlib.contextmanager
def _started_worker(data_dir: Path, settings: dict[str, str]) -> Generator[psutil.Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EVALHAVEN_")}
    command = [sys.executable, "-m", "evalhaven", "worker", "--data-dir", str(data_dir)]
    child = subprocess.Popen(command, env={**environment, "EVALHAVEN_LOG_LEVEL": "error", **settings})
    try:
        yield psutil.Process(child.pid)
    finally:
        child.terminate()
        child.wait()


def _tree_s(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and of its descendants, those that have ended included."""
    seconds = 0.0
    for each in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            seconds += sum(each.cpu_times()[:4])
    return seconds


def _wait(holds: Callable[[], object], what: str, look_s: float = _LOOK_S) -> None:
    deadline = time.monotonic() + _WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise BenchmarkError(f"Not within {_WAIT_S:.0f} seconds: {what}.")
        time.sleep(look_s)
