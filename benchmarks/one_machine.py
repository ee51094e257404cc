"""What one machine makes of its loop: each item beside the HTTP client alone and beside the limit, and short runs.

Client, limit and runs take turns, with the same rows, the same endpoint and the same number in flight, so that a
busy minute slows all of them. The median of the rounds counts; ratios are made within a round.
"""

import json
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from benchmarks.cores import MEASURED, on_core
from benchmarks.endpoint import started_upstream
from benchmarks.measure import expect_passes, measure_limit, scratch
from benchmarks.server import BenchmarkError, Server, started_server
from benchmarks.tickets import question, write_questions
from benchmarks.upstream import Behaviour
from benchmarks.verdicts import Verdict, print_verdicts, table

ITEMS = 10_000
IN_FLIGHT = (200, 1_000)
LATENCY_MS = 50.0
_SINGLE_RUNS = 15
_SIZE_IN_FLIGHT = 200
_OWN_MS = 0.10
_SHARES = {200: 0.95, 1_000: 0.75}
_SINGLE_MS = 50.0
_FLAT = 1.2


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one shape; microseconds of CPU an item, and items a second.

    Attributes:
        client_us: The HTTP client alone.
        limit_us: The minimal design.
        executor_us: The process that evaluates the items.
        others_us: The server and its other children.
    """

    client_us: float
    limit_us: float
    executor_us: float
    others_us: float
    limit_rate: float
    rate: float

    @property
    def own_us(self) -> float:
        """Return what the executor adds to its client."""
        return self.executor_us - self.client_us

    @property
    def share(self) -> float:
        """Return the rate, relative to the limit's."""
        return self.rate / self.limit_rate


@dataclass(frozen=True, slots=True)
class OneMachine:
    """Everything measured, of each checkout by name.

    Attributes:
        rounds: By checkout and number in flight.
        single_ms: Milliseconds that each run of one item took beyond its model.
        sizes_us: Microseconds of CPU an item, all processes, by size of run.
    """

    rounds: dict[str, dict[int, list[Round]]]
    single_ms: dict[str, list[float]]
    sizes_us: dict[str, dict[int, float]]

    def document(self) -> dict[str, Any]:
        """Return everything as one JSON document."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Executed:
    executor_us: float
    others_us: float
    rate: float


def checkouts(against: Path | None) -> dict[str, str]:
    """Return the interpreters of this checkout and of another one, by name."""
    pythons = {"here": sys.executable}
    if against is not None:
        python = (against / ".venv" / "bin" / "python").absolute()
        if not python.exists():
            raise BenchmarkError(f"{python} is missing: run `make setup` in {against}.")
        pythons = {str(against): str(python), **pythons}
    return pythons


def measure_one_machine(
    pythons: dict[str, str], rounds: int, sizes: tuple[int, ...], database_url: str | None, console: Console
) -> OneMachine:
    """Measure everything.

    Args:
        pythons: The interpreters of the checkouts.
        rounds: How many times each shape is measured.
        sizes: Sizes of runs whose cost an item is compared.
        database_url: A PostgreSQL database for the runs of one item; None: SQLite.
        console: Is told what is being measured.
    """
    found = OneMachine({name: {} for name in pythons}, {}, {name: {} for name in pythons})
    for in_flight in IN_FLIGHT:
        for number in range(rounds):
            console.print(f"{ITEMS:,} items, {in_flight:,} in flight, round {number + 1} …")
            for name, each in _measure_round(pythons, in_flight).items():
                found.rounds[name].setdefault(in_flight, []).append(each)
    for name, python in pythons.items():
        console.print(f"runs of one item, {name} …")
        settings = {"EVALHAVEN_DATABASE_URL": database_url} if database_url else {}
        found.single_ms[name] = _measure_single(python, settings)
    for items in sizes:
        for name, python in pythons.items():
            console.print(f"{items:,} items without latency, {name} …")
            with scratch() as directory:
                rows = directory / "questions.jsonl"
                write_questions(rows, items)
                executed = _execute(python, rows, items, _SIZE_IN_FLIGHT, 0.0, directory)
            found.sizes_us[name][items] = executed.executor_us + executed.others_us
    return found


def _measure_round(pythons: dict[str, str], in_flight: int) -> dict[str, Round]:
    with scratch() as directory:
        rows = directory / "questions.jsonl"
        write_questions(rows, ITEMS)
        with started_upstream(Behaviour(LATENCY_MS)) as upstream:
            arguments = (f"{upstream.base_url}/chat/completions", str(in_flight))
            with on_core(MEASURED):
                client_us = _measure_client(rows, *arguments)
        with started_upstream(Behaviour(LATENCY_MS)) as upstream:
            arguments = (f"{upstream.base_url}/chat/completions", str(in_flight))
            with on_core(MEASURED):
                limit = measure_limit("benchmarks.sampling_limit", rows, ITEMS, directory / "limit.db", *arguments)
        executed = {
            name: _execute(python, rows, ITEMS, in_flight, LATENCY_MS, directory) for name, python in pythons.items()
        }
    return {
        name: Round(client_us, limit.cpu_us_an_item, each.executor_us, each.others_us, limit.items_a_second, each.rate)
        for name, each in executed.items()
    }


def _measure_client(rows: Path, url: str, in_flight: str) -> float:
    command = [sys.executable, "-m", "benchmarks.client_alone", str(rows), url, in_flight]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    if told["answered"] != told["items"]:
        raise BenchmarkError(f"The client got {told['answered']} answers to {told['items']} requests.")
    return 1e6 * told["cpu_s"] / told["items"]


def _execute(python: str, rows: Path, items: int, in_flight: int, latency_ms: float, directory: Path) -> _Executed:
    with (
        started_upstream(Behaviour(latency_ms)) as upstream,
        scratch() as data_dir,
        _started_on_core(data_dir, upstream.settings(in_flight, directory / "bench.toml"), python) as server,
    ):
        source = {"type": "file_id", "id": server.upload_rows(rows)}
        eval_id = server.create_eval()
        server.warm_up(eval_id, is_sampled=True)
        before = _cpu_by_process(server)
        started = time.perf_counter()
        run_id = server.create_run(eval_id, source, is_sampled=True)
        _, ended = server.wait_for_run(run_id)
        after = _cpu_by_process(server)
        expect_passes(server.get_run(eval_id, run_id), items)
    spent = {name: 1e6 * (after[name] - before.get(name, 0.0)) / items for name in after}
    executor_us = spent.pop("executor")
    return _Executed(executor_us, sum(spent.values()), items / (ended - started))


@contextmanager
def _started_on_core(data_dir: Path, settings: dict[str, str], python: str) -> Generator[Server]:
    with on_core(MEASURED), started_server(data_dir / "data", settings, python) as server:
        yield server


def _cpu_by_process(server: Server) -> dict[str, float]:
    times = {name: process.cpu_times() for name, process in server.processes().items()}
    return {name: each.user + each.system for name, each in times.items()}


def _measure_single(python: str, settings: dict[str, str]) -> list[float]:
    """Return milliseconds that runs of one item took beyond the endpoint's latency, as a client sees them end."""
    waits: list[float] = []
    with (
        scratch() as directory,
        started_upstream(Behaviour(LATENCY_MS)) as upstream,
        started_server(directory / "data", {**upstream.settings(1), **settings}, python) as server,
    ):
        eval_id = server.create_eval()
        warming = {"type": "file_content", "content": [{"item": question(0)}]}
        server.watch_run(eval_id, server.create_run(eval_id, warming, is_sampled=True))
        for number in range(_SINGLE_RUNS):
            source = {"type": "file_content", "content": [{"item": question(number)}]}
            started = time.perf_counter()
            ended = server.watch_run(eval_id, server.create_run(eval_id, source, is_sampled=True))
            waits.append(1000 * (ended - started) - LATENCY_MS)
    return waits


def print_one_machine(found: OneMachine, console: Console) -> None:
    """Print all tables and verdicts."""
    columns = (
        "client alone, µs",
        "limit, µs",
        "executor, µs",
        "own share, µs",
        "others, µs",
        "limit/s",
        "run/s",
        "share",
    )
    for in_flight in IN_FLIGHT:
        figures = table(f"{ITEMS:,} items, {in_flight:,} in flight, {LATENCY_MS:g} ms (median)", *columns)
        for name, by_shape in found.rounds.items():
            rounds = by_shape.get(in_flight, [])
            if rounds:
                figures.add_row(name, *_medians(rounds))
        console.print(figures)
    waits = table("Runs of one item, ms beyond their model", "runs", "p50", "longest")
    for name, each in found.single_ms.items():
        waits.add_row(name, str(len(each)), f"{median(each):.1f}", f"{max(each):.1f}")
    console.print(waits)
    sizes = sorted({size for by_size in found.sizes_us.values() for size in by_size})
    costs = table("CPU µs an item, all processes, without latency", *(f"{size:,} items" for size in sizes))
    for name, by_size in found.sizes_us.items():
        costs.add_row(name, *(f"{by_size[size]:.0f}" for size in sizes))
    console.print(costs)
    print_verdicts(_verdicts(found), console)


def _medians(rounds: list[Round]) -> list[str]:
    def middle(name: str) -> float:
        return median(getattr(each, name) for each in rounds)

    us = [f"{middle(name):.0f}" for name in ("client_us", "limit_us", "executor_us", "own_us", "others_us")]
    return [*us, f"{middle('limit_rate'):,.0f}", f"{middle('rate'):,.0f}", f"{middle('share'):.2f}"]


def _verdicts(found: OneMachine) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for in_flight, rounds in found.rounds["here"].items():
        own_ms = median(each.own_us for each in rounds) / 1000
        verdicts.append(Verdict(f"ms of the loop an item beside its client, {in_flight:,} in flight", own_ms, _OWN_MS))
        share = median(each.share for each in rounds)
        name = f"share of the limit at {in_flight:,} in flight"
        verdicts.append(Verdict(name, share, _SHARES[in_flight], is_least=True))
    verdicts.append(Verdict("ms of a run of one item beyond its model", median(found.single_ms["here"]), _SINGLE_MS))
    by_size = found.sizes_us["here"]
    if len(by_size) > 1:
        least, most = min(by_size), max(by_size)
        name = f"CPU an item at {most:,} over that at {least:,}"
        verdicts.append(Verdict(name, by_size[most] / by_size[least], _FLAT))
    return verdicts
