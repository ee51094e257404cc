"""Everything that is measured about sampled runs: the order, the tables and the verdicts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from rich.console import Console

from benchmarks.latency import Latency, print_latencies
from benchmarks.measure import scratch
from benchmarks.sampling import (
    WARM_UPS,
    Asked,
    Faults,
    Sampled,
    Shape,
    measure_faults,
    measure_sampled,
    measure_sampled_latency,
    measure_single,
)
from benchmarks.verdicts import Verdict, print_verdicts, table

WIDE, NARROW = Shape(10_000, 1_000), Shape(10_000, 200)
_AT_ONCE = Shape(10_000, 200, 0.0)
_FAULTY = Shape(50_000, 200)
_PROBED = Shape(50_000, 1_000)
_ROUNDS = 3
_MB = 1e6

T = TypeVar("T")
Figure = Callable[[Asked], str]

_FIGURES: tuple[tuple[str, Figure], ...] = (
    ("items a second", lambda a: f"{a.cost.items_a_second:,.0f}"),
    ("CPU µs an item, all processes", lambda a: f"{a.cost.cpu_us_an_item:,.1f}"),
    ("seconds, run created to completed", lambda a: f"{a.cost.wall_s:,.2f}"),
    ("  of which planning", lambda a: f"{a.cost.planning_s:,.2f}" if a.cost.planning_s else "-"),
    ("peak MB, server", lambda a: _peak(a, "server")),
    ("peak MB, executor or limit", lambda a: _peak(a, "executor", "limit")),
    ("bytes an item, database", lambda a: f"{a.cost.database_bytes / a.cost.items:,.0f}"),
    ("most requests in flight", lambda a: f"{a.stats['in_flight_max']:,}"),
    ("endpoint: CPU µs a request", lambda a: f"{a.endpoint_us:,.1f}"),
    ("endpoint: share of its core", lambda a: f"{a.endpoint_busy:.2f}"),
)


@dataclass(frozen=True, slots=True)
class SamplingReport:
    """What was measured.

    Attributes:
        wide: With many calls at once.
        narrow: With fewer.
        small: Without latency.
        large: The same, with more items.
        single_ms: Milliseconds that runs of one item took above the endpoint's latency, sorted.
    """

    wide: Sampled
    narrow: Sampled
    small: Sampled
    large: Sampled
    single_ms: list[float]
    latencies: list[Latency]
    faults: Faults

    def document(self) -> dict[str, Any]:
        """Return everything as one JSON document."""
        return {
            **asdict(self),
            "fault_waiting_s": self.faults.waiting_s,
            "fault_share": self.faults.share,
            "targets": [{**asdict(each), "is_met": each.is_met} for each in self.verdicts()],
        }

    def verdicts(self) -> Iterator[Verdict]:
        """Yield each target with its figure."""
        wide, narrow = self.wide, self.narrow
        for each, target in ((wide, 0.75), (narrow, 0.9)):
            name = f"share of the limit at {each.shape.in_flight:,} in flight"
            yield Verdict(name, _rate(each.run) / _rate(each.limit), target, is_least=True)
        if wide.ramped is not None:
            name = f"  the same, beginning with few ({wide.shape.in_flight:,})"
            yield Verdict(name, _rate(wide.ramped) / _rate(wide.limit), 0.75, is_least=True)
        cpu_ms = max(wide.run.cost.cpu_us_an_item, narrow.run.cost.cpu_us_an_item) / 1000
        yield Verdict("CPU ms an item, all processes", cpu_ms, 0.25)
        name = f"rate at {wide.shape.in_flight:,} in flight over that at {narrow.shape.in_flight:,}"
        yield Verdict(name, _rate(wide.run) / _rate(narrow.run), 1.0, is_least=True)
        name = f"CPU an item at {self.large.shape.items:,} over that at {self.small.shape.items:,}"
        ratio = self.large.run.cost.cpu_us_an_item / self.small.run.cost.cpu_us_an_item
        yield Verdict(name, ratio, 1.2)
        runs = [each.run.cost for each in (wide, narrow, self.small, self.large)]
        yield Verdict("peak MB of a process", max(max(c.peak_memory_bytes.values()) for c in runs) / _MB, 200)
        yield Verdict("bytes an item on disk", max(c.database_bytes / c.items for c in runs), 1500)
        yield Verdict("ms of a run of one item above its endpoint", median(self.single_ms), 50)
        for each in self.latencies:
            yield Verdict(f"p99 ms of {each.request} while runs go on", each.p99_ms, 20)
        yield Verdict("rate with 10 % refused, less the waiting", self.faults.share, 0.8, is_least=True)


def measure_sampling(large: int, probe_seconds: float, console: Console) -> SamplingReport:
    """Measure everything.

    Args:
        large: Items of the largest run.
        probe_seconds: How long to ask the API while runs are executed.
        console: Is told what is being measured.
    """

    def in_scratch(what: str, measure: Callable[[Path], T]) -> T:
        console.print(f"sampling: {what} …")
        with scratch() as directory:
            return measure(directory)

    def sampled(shape: Shape, rounds: int = _ROUNDS, *, has_ramp: bool = False) -> Sampled:
        what = f"{shape.items:,} items, {shape.in_flight:,} in flight, {shape.latency_ms:g} ms"
        return in_scratch(what, lambda directory: measure_sampled(shape, rounds, directory, has_ramp=has_ramp))

    return SamplingReport(
        wide=sampled(WIDE, has_ramp=True),
        narrow=sampled(NARROW, has_ramp=True),
        small=sampled(_AT_ONCE),
        large=sampled(Shape(large, _AT_ONCE.in_flight, 0.0), 1),
        single_ms=in_scratch("runs of one item", measure_single),
        latencies=in_scratch(
            f"asking the API for {probe_seconds:.0f} seconds",
            lambda directory: measure_sampled_latency(probe_seconds, _PROBED, directory),
        )
        if probe_seconds > 0
        else [],
        faults=in_scratch("10 % refused", lambda directory: measure_faults(_FAULTY, 2, directory)),
    )


def print_sampling(report: SamplingReport, console: Console) -> None:
    """Print all tables."""
    for each in (report.wide, report.narrow, report.small, report.large):
        _print_sampled(each, console)
    waits = table("Runs of one item, ms above the endpoint's", "Runs", "p50", "Longest")
    waits.add_row("run created to completed", str(len(report.single_ms)), *_texts(report.single_ms))
    console.print(waits)
    if report.latencies:
        print_latencies("While sampled runs keep the executor busy", report.latencies, console)
    _print_faults(report.faults, console)
    print_verdicts(report.verdicts(), console)


def _print_sampled(sampled: Sampled, console: Console) -> None:
    shape = sampled.shape
    head = f"{shape.items:,} sampled items, {shape.in_flight:,} in flight, {shape.latency_ms:g} ms"
    columns = {"limit": sampled.limit, "run": sampled.run, "run with ramp": sampled.ramped}
    measured = {name: each for name, each in columns.items() if each is not None}
    figures = table(head, *measured)
    for name, figure in _FIGURES:
        figures.add_row(name, *(figure(each) for each in measured.values()))
    limit = sampled.limit
    figures.add_row("share of the limit's rate", *(f"{_rate(each) / _rate(limit):.2f}" for each in measured.values()))
    times = (each.cost.cpu_us_an_item / limit.cost.cpu_us_an_item for each in measured.values())
    figures.add_row("times the limit's CPU", *(f"{each:.1f}" for each in times))
    console.print(figures)


def _print_faults(faults: Faults, console: Console) -> None:
    stats, cost = faults.faulty.stats, faults.faulty.cost
    head = f"{cost.items:,} items, {faults.behaviour.p429:.0%} refused with Retry-After"
    figures = table(head, "fault-free", "refused")
    figures.add_row("seconds", f"{faults.clean.cost.wall_s:.2f}", f"{cost.wall_s:.2f}")
    figures.add_row("  nothing in flight, as was asked", "-", f"{faults.waiting_s:.2f}")
    answers = (str(each.stats["by_status"]["200"] - WARM_UPS) for each in (faults.clean, faults.faulty))
    figures.add_row("answers that the endpoint gave", *answers)
    figures.add_row("refusals", "0", str(stats["by_status"].get("429", 0)))
    figures.add_row("  most of one item", "0", str(stats["refusals_max"]))
    figures.add_row("seconds of pauses that all calls made together", "0", f"{cost.flow['paused_s']:.1f}")
    figures.add_row("CPU µs an item", f"{faults.clean.cost.cpu_us_an_item:,.1f}", f"{cost.cpu_us_an_item:,.1f}")
    console.print(figures)


def _texts(waits: Sequence[float]) -> tuple[str, str]:
    return f"{median(waits):.1f}", f"{waits[-1]:.1f}"


def _peak(asked: Asked, *processes: str) -> str:
    sizes = (asked.cost.peak_memory_bytes.get(process) for process in processes)
    return next((f"{size / _MB:,.0f}" for size in sizes if size is not None), "-")


def _rate(asked: Asked) -> float:
    return asked.cost.items_a_second
