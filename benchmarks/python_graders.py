"""Runs with `python` criteria: calls of `grade` a second through the product's own path, and their cost.

With one criterion, a single call bears the cost of its row; with many criteria, the cost of a call itself shows.
"""

import sys
import sysconfig
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import psutil
from rich.console import Console

from benchmarks.measure import scratch
from benchmarks.server import BenchmarkError, Server, answer_of, started_server
from benchmarks.tickets import EVAL, write_rows
from benchmarks.verdicts import Verdict, print_verdicts, table

CRITERIA = (1, 8)
_LOOK_S = 0.05
_SOURCES = {
    "trivial": "def grade(sample, item):\n    return 1.0\n",
    "numpy mean": "import numpy\n\ndef grade(sample, item):\n    return numpy.mean([item['id'], 2.0, 3.0]) > 0\n",
}
_TARGETS = {"trivial": 15_000.0, "numpy mean": 10_000.0}


@dataclass(frozen=True, slots=True)
class PythonCost:
    """What a run with python criteria cost.

    Attributes:
        criteria: Equal criteria of the eval, and so calls an item.
        wall_s: Seconds from run created to run completed.
        executor_s: CPU seconds of the executor.
        hosts_s: CPU seconds of the processes that execute graders.
        tier: How they were isolated.
    """

    grader: str
    criteria: int
    items: int
    wall_s: float
    executor_s: float
    hosts_s: float
    tier: str

    @property
    def calls(self) -> int:
        """Return the calls of `grade`."""
        return self.items * self.criteria

    @property
    def calls_a_second(self) -> float:
        """Return the rate of calls."""
        return self.calls / self.wall_s

    @property
    def calls_a_host_second(self) -> float:
        """Return the calls a CPU second of the processes that execute graders."""
        return self.calls / self.hosts_s


def measure_python(items: int) -> list[PythonCost]:
    """Measure each grader with each number of criteria."""
    with scratch() as directory:
        # Graders without privileges must be able to reach their libraries.
        directory.chmod(0o755)
        rows = directory / "rows.jsonl"
        write_rows(rows, items)
        settings = {"EVALHAVEN_GRADER_ENVIRONMENTS": str(_own_libraries(directory))}
        with started_server(directory / "data", settings) as server:
            file_id = server.upload_rows(rows)
            return [
                _measure(server, name, source, criteria, items, file_id)
                for name, source in _SOURCES.items()
                for criteria in CRITERIA
            ]


def _own_libraries(directory: Path) -> Path:
    """Return a directory of environments with a single one, which has the libraries of this program."""
    packages = Path(sysconfig.get_path("purelib"))
    place = directory / "environments" / "own" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    place.mkdir(parents=True)
    (place / "site-packages").symlink_to(packages, target_is_directory=True)
    (place.parents[1] / "pyvenv.cfg").touch()
    return directory / "environments"


def _measure(server: Server, name: str, source: str, criteria: int, items: int, file_id: str) -> PythonCost:
    grading = [{"type": "python", "name": f"{name} {n}", "source": source} for n in range(criteria)]
    eval_id = answer_of(server.client.post("/v1/evals", json={**EVAL, "testing_criteria": grading}))["id"]
    server.warm_up(eval_id)
    executor = server.process.children()[0]
    before = _cpu_s(executor)
    with _watched_hosts(executor) as hosts:
        started = time.perf_counter()
        run_id = server.create_run(eval_id, {"type": "file_id", "id": file_id})
        _, ended = server.wait_for_run(run_id)
        executor_s = _cpu_s(executor) - before
    run = server.get_run(eval_id, run_id)
    if run["result_counts"] != {"total": items, "passed": items, "failed": 0, "errored": 0}:
        raise BenchmarkError(f"The run with python criteria ended {run['status']} with {run['result_counts']}.")
    tier = run["evalhaven"]["sandbox"]["tier"]
    return PythonCost(name, criteria, items, ended - started, executor_s, sum(hosts.values()), tier)


@contextmanager
def _watched_hosts(executor: psutil.Process) -> Generator[Mapping[int, float]]:
    """Watch what each process below the executor uses: they end with their run, and could not be asked afterwards."""
    used: dict[int, float] = {}
    before: dict[int, float] = {}
    is_over = Event()

    def look() -> None:
        for process in executor.children(recursive=True):
            with suppress(psutil.Error):
                used[process.pid] = _cpu_s(process) - before.get(process.pid, 0.0)

    def watch() -> None:
        while not is_over.wait(_LOOK_S):
            with suppress(psutil.Error):
                look()

    look()
    before |= used
    used.clear()
    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield used
    finally:
        is_over.set()
        watcher.join()


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def print_python(costs: Sequence[PythonCost], console: Console) -> None:
    """Print the table of figures and the targets."""
    shown = table(
        f"Python graders, tier {costs[0].tier}",
        *("Criteria", "Items", "Items/s", "Calls/s", "Executor µs/call", "Hosts µs/call", "Calls/s of a host's core"),
    )
    for each in costs:
        shown.add_row(
            each.grader,
            str(each.criteria),
            f"{each.items:,}",
            f"{each.items / each.wall_s:,.0f}",
            f"{each.calls_a_second:,.0f}",
            f"{1e6 * each.executor_s / each.calls:,.1f}",
            f"{1e6 * each.hosts_s / each.calls:,.1f}",
            f"{each.calls_a_host_second:,.0f}",
        )
    console.print(shown)
    print_verdicts(_verdicts(costs), console)


def _verdicts(costs: Sequence[PythonCost]) -> Iterator[Verdict]:
    for each in costs:
        if each.criteria == max(CRITERIA):
            name = f"calls a second, {each.grader}, {each.criteria} criteria"
            yield Verdict(name, each.calls_a_second, _TARGETS[each.grader], is_least=True)


def python_document(costs: Sequence[PythonCost]) -> list[dict[str, Any]]:
    """Return the figures as JSON."""
    return [
        {
            "grader": each.grader,
            "criteria": each.criteria,
            "items": each.items,
            "wall_s": each.wall_s,
            "executor_s": each.executor_s,
            "hosts_s": each.hosts_s,
            "tier": each.tier,
        }
        for each in costs
    ]
