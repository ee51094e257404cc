"""What runs that call a model cost: compared with a minimal design, with refusals, and at any size.

Server and endpoint are separate processes, each on its own core if there are two. Each figure comes from a fresh server
and a fresh endpoint. Runs and limit take turns, and the fastest round of each counts: whatever else the machine does
can only slow a round down.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.cores import MEASURED, on_core
from benchmarks.endpoint import Upstream, started_upstream
from benchmarks.latency import Latency, ask_regularly
from benchmarks.measure import Cost, measure_limit, measure_run
from benchmarks.server import BenchmarkError, started_server
from benchmarks.tickets import question, write_questions
from benchmarks.upstream import Behaviour

LATENCY_MS = 50.0
WARM_UPS = 1  # items before the run that is measured
_SINGLE_RUNS = 21
_WATCH_S = 0.001


@dataclass(frozen=True, slots=True)
class Shape:
    """A size of run.

    Attributes:
        in_flight: Most calls in flight.
        latency_ms: Latency of the endpoint.
    """

    items: int
    in_flight: int
    latency_ms: float = LATENCY_MS


@dataclass(frozen=True, slots=True)
class Asked:
    """A job and what its endpoint saw of it.

    Attributes:
        endpoint_us: Microseconds of CPU a request, of the endpoint.
        endpoint_busy: Share of its core that the endpoint used.
        stats: What the endpoint counted.
    """

    cost: Cost
    endpoint_us: float
    endpoint_busy: float
    stats: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sampled:
    """Runs of one shape and the limit, measured within the same minutes.

    Attributes:
        limit: The minimal design.
        run: A run with the full number of calls in flight from the start.
        ramped: A run whose number of calls grows, as it does without a configuration; None if not measured.
    """

    shape: Shape
    limit: Asked
    run: Asked
    ramped: Asked | None


@dataclass(frozen=True, slots=True)
class Faults:
    """A run in which some calls are refused, and the same run without refusals.

    Attributes:
        behaviour: How the endpoint with faults behaves.
    """

    behaviour: Behaviour
    clean: Asked
    faulty: Asked

    @property
    def waiting_s(self) -> float:
        """Return the seconds in which no request was in flight because refusals had asked to wait.

        No more counts than the refusals asked for: the longest chain of them that one item met, and the pauses that
        all calls made together.
        """
        chain_s = self.faulty.stats["refusals_max"] * self.behaviour.retry_after_s
        return min(self.faulty.stats["idle_s"], chain_s + self.faulty.cost.flow["paused_s"])

    @property
    def share(self) -> float:
        """Return the rate without the waiting, relative to the rate without faults."""
        working_s = self.faulty.cost.wall_s - self.waiting_s
        return self.clean.cost.wall_s / working_s


def measure_sampled(shape: Shape, rounds: int, directory: Path, *, has_ramp: bool = True) -> Sampled:
    """Measure runs of one shape and the limit, in turns.

    Args:
        shape: The size.
        rounds: How many times.
        directory: An empty directory for everything that is written.
        has_ramp: Whether to measure also runs that begin with few calls.
    """
    rows = directory / "questions.jsonl"
    write_questions(rows, shape.items)
    limits: list[Asked] = []
    runs: list[Asked] = []
    ramped: list[Asked] = []
    behaviour = Behaviour(shape.latency_ms)
    for _ in range(rounds):
        limits.append(_ask_limit(rows, shape, directory))
        runs.append(_ask(rows, shape, behaviour, directory))
        if has_ramp:
            ramped.append(_ask(rows, shape, behaviour, directory, is_ramped=True))
    rows.unlink()
    return Sampled(shape, _fastest(limits), _fastest(runs), _fastest(ramped) if ramped else None)


def measure_alone(shape: Shape, directory: Path) -> Asked:
    """Measure one run of a shape, without the limit.

    Args:
        shape: The size.
        directory: An empty directory for everything that is written.
    """
    rows = directory / "questions.jsonl"
    write_questions(rows, shape.items)
    return _ask(rows, shape, Behaviour(shape.latency_ms), directory)


def measure_faults(shape: Shape, rounds: int, directory: Path) -> Faults:
    """Measure a run with a tenth of its calls refused, and one without refusals; neither has a configuration.

    Args:
        shape: The size.
        rounds: How many times.
        directory: An empty directory for everything that is written.
    """
    rows = directory / "questions.jsonl"
    write_questions(rows, shape.items)
    refusing = Behaviour(shape.latency_ms, p429=0.1, retry_after_s=1.0)
    clean: list[Asked] = []
    faults: list[Faults] = []
    for _ in range(rounds):
        clean.append(_ask(rows, shape, Behaviour(shape.latency_ms), directory, is_ramped=True))
        faults.append(Faults(refusing, clean[-1], _ask(rows, shape, refusing, directory, is_ramped=True)))
    rows.unlink()
    best = max(faults, key=lambda each: each.share)
    return Faults(refusing, _fastest(clean), best.faulty)


def measure_single(directory: Path) -> list[float]:
    """Return milliseconds that runs of one item took above the endpoint's latency, sorted.

    Args:
        directory: An empty directory for everything that is written.
    """
    waits: list[float] = []
    with (
        started_upstream(Behaviour(LATENCY_MS)) as upstream,
        started_server(directory / "data", upstream.settings(1)) as server,
    ):
        eval_id = server.create_eval()
        server.warm_up(eval_id, is_sampled=True)
        for number in range(_SINGLE_RUNS):
            source = {"type": "file_content", "content": [{"item": question(number)}]}
            started = time.perf_counter()
            run_id = server.create_run(eval_id, source, is_sampled=True)
            _, ended = server.wait_for_run(run_id, _WATCH_S)
            waits.append(1000 * (ended - started) - LATENCY_MS)
    return sorted(waits)


def measure_sampled_latency(seconds: float, shape: Shape, directory: Path) -> list[Latency]:
    """Ask ten times a second for a run and its newest items, while there is always a sampled run in progress.

    Args:
        seconds: How long to ask.
        shape: The size of the runs.
        directory: An empty directory for everything that is written.
    """
    rows = directory / "questions.jsonl"
    write_questions(rows, shape.items)
    config = directory / "bench.toml"
    with (
        started_upstream(Behaviour(shape.latency_ms)) as upstream,
        started_server(directory / "data", upstream.settings(shape.in_flight, config)) as server,
    ):
        source = {"type": "file_id", "id": server.upload_rows(rows)}
        eval_id = server.create_eval()
        server.warm_up(eval_id, is_sampled=True)
        return ask_regularly(server, eval_id, lambda: server.create_run(eval_id, source, is_sampled=True), seconds)


def _ask(rows: Path, shape: Shape, behaviour: Behaviour, directory: Path, *, is_ramped: bool = False) -> Asked:
    with started_upstream(behaviour) as upstream:
        settings = upstream.settings(shape.in_flight, None if is_ramped else directory / "bench.toml")
        with on_core(MEASURED):
            cost = measure_run(rows, shape.items, directory / "data", settings, is_sampled=True)
        return _asked(cost, upstream, shape.items + WARM_UPS)


def _ask_limit(rows: Path, shape: Shape, directory: Path) -> Asked:
    with started_upstream(Behaviour(shape.latency_ms)) as upstream:
        url = f"{upstream.base_url}/chat/completions"
        arguments = (url, str(shape.in_flight))
        with on_core(MEASURED):
            cost = measure_limit("benchmarks.sampling_limit", rows, shape.items, directory / "limit.db", *arguments)
        return _asked(cost, upstream, shape.items)


def _asked(cost: Cost, upstream: Upstream, answers: int) -> Asked:
    stats = upstream.stats()
    if stats["by_status"]["200"] != answers:
        raise BenchmarkError(f"{answers} items have an answer, and the endpoint gave {stats['by_status']}.")
    cpu_s: float = stats["cpu_s"]
    return Asked(cost, 1e6 * cpu_s / stats["total"], cpu_s / cost.wall_s, stats)


def _fastest(asked: Sequence[Asked]) -> Asked:
    return min(asked, key=lambda each: each.cost.wall_s)
