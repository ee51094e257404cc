"""What sampling processes of one executor get done, one and two and more of them, and what the writer's share bounds.

One process samples within the executor. With more, the executor writes and they sample, so however many there are, a
run is at most as fast as the executor's own part of an item allows.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

from benchmarks.endpoint import started_upstream
from benchmarks.server import Server, started_server
from benchmarks.tickets import write_questions
from benchmarks.upstream import Behaviour
from benchmarks.verdicts import table

LATENCY_MS = 50.0
_SETTLE_S = 3.0


@dataclass(frozen=True, slots=True)
class Sampled:
    """What one number of processes got done, median of the rounds.

    Attributes:
        processes: How many ask models and grade.
        items_a_second: From the run's creation to its end.
        executor_us: CPU µs an item of the executor: all of it with one process, else that of the writer.
        sampler_us: CPU µs an item of all sampling processes together; 0 with one.
        busy_cores: How many of the machine's cores were busy, whatever kept them so.
    """

    processes: int
    items_a_second: float
    executor_us: float
    sampler_us: float
    busy_cores: float


def measure_processes(
    counts: Sequence[int], rounds: int, items: int, in_flight: int, directory: Path, console: Console
) -> list[Sampled]:
    """Measure so many processes in turn, several times.

    Args:
        counts: How many processes, ascending.
        rounds: How many times.
        items: Of each run.
        in_flight: Calls at once, of all processes together.
        directory: An empty directory for everything that is written.
        console: Where to say how far it is.
    """
    found: dict[int, list[Sampled]] = {count: [] for count in counts}
    for number in range(rounds):
        for count in counts:
            console.print(f"round {number + 1}: {count} sampling processes, {in_flight} calls in flight …")
            found[count].append(_measure_once(count, items, in_flight, directory / f"{number}-{count}"))
    return [_median(each) for each in found.values()]


def print_processes(found: Sequence[Sampled], console: Console) -> None:
    """Print the figures, and what they say of a machine with cores to spare."""
    one = found[0]
    columns = ("items/s", "times one", "executor CPU µs an item", "samplers' CPU µs", "busy cores", "bound: times one")
    shown = table("Sampling processes", *columns)
    for each in found:
        shown.add_row(
            str(each.processes),
            f"{each.items_a_second:,.0f}",
            f"{each.items_a_second / one.items_a_second:.2f}",
            f"{each.executor_us:.0f}",
            f"{each.sampler_us:.0f}",
            f"{each.busy_cores:.1f} of {psutil.cpu_count()}",
            f"{bound_of(each, one):.2f}",
        )
    console.print(shown)


def bound_of(found: Sampled, one: Sampled) -> float:
    """Return how many times as much as one process these would do if each had a core to itself.

    The busiest of them bounds the rate: the writer, or one of those that share the sampling.
    """
    busiest_us = max(found.executor_us, found.sampler_us / found.processes)
    return one.executor_us / busiest_us


def _measure_once(processes: int, items: int, in_flight: int, directory: Path) -> Sampled:
    directory.mkdir()
    rows = directory / "rows.jsonl"
    write_questions(rows, items)
    with started_upstream(Behaviour(latency_ms=LATENCY_MS)) as upstream:
        settings = upstream.settings(in_flight, directory / "evalhaven.toml")
        settings |= {"EVALHAVEN_SAMPLING_PROCESSES": str(processes)}
        with started_server(directory / "data", settings) as server:
            file_id, eval_id = server.upload_rows(rows), server.create_eval()
            rows.unlink()
            server.warm_up(eval_id, is_sampled=True)
            time.sleep(_SETTLE_S)  # all sampling processes are loaded by then
            before = _cpu_s(server)
            psutil.cpu_percent()
            created = time.perf_counter()
            run_id = server.create_run(eval_id, {"type": "file_id", "id": file_id}, is_sampled=True)
            _, ended = server.wait_for_run(run_id)
            busy_cores = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
            executor_s, samplers_s = (now - then for now, then in zip(_cpu_s(server), before, strict=True))
    return Sampled(processes, items / (ended - created), 1e6 * executor_s / items, 1e6 * samplers_s / items, busy_cores)


def _cpu_s(server: Server) -> tuple[float, float]:
    """Return the CPU seconds that the executor has used, and its sampling processes together."""
    executor = next(child for child in server.process.children() if "executor" in child.cmdline())
    samplers = [child for child in executor.children() if "sampler" in child.cmdline()]
    return sum(executor.cpu_times()[:2]), sum(sum(sampler.cpu_times()[:2]) for sampler in samplers)


def _median(rounds: Sequence[Sampled]) -> Sampled:
    def middle(name: str) -> float:
        return statistics.median(getattr(each, name) for each in rounds)

    names = ("items_a_second", "executor_us", "sampler_us", "busy_cores")
    return Sampled(rounds[0].processes, *map(middle, names))
