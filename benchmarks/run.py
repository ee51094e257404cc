"""`make bench`: measures runs of several sizes and prints costs and ratios.

A run is a `jsonl` run with one `string_check` over an uploaded file, from run created to run completed, on a server
of its own. Each size stands beside the limit (`benchmarks.limit`), measured in the same minutes: absolute figures
belong to one machine and one hour, the ratios carry over. Metrics of `text_similarity` stand beside their libraries.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.latency import Latency, measure_latency
from benchmarks.machine import machine_facts
from benchmarks.measure import Cost, Measurement, measure
from benchmarks.similarity import Comparison, compare_metrics, print_comparisons

SIZES = (10_000, 1_000_000)
SMALL_ITEMS = 50_000  # a run of up to this many is over in seconds, so it is measured three times
PROBE_SECONDS = 30.0
_MB = 1e6

Figure = Callable[[Measurement], str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A figure held against its target."""

    name: str
    value: float
    target: float

    @property
    def is_met(self) -> bool:
        """Tell whether the target is met; every target is an upper bound."""
        return self.value <= self.target


FIGURES: tuple[tuple[str, Figure], ...] = (
    ("items a second", lambda m: f"{m.run.items_a_second:,.0f}"),
    ("  the limit", lambda m: f"{m.limit.items_a_second:,.0f}"),
    ("  share of the limit", lambda m: f"{m.run.items_a_second / m.limit.items_a_second:.2f}"),
    ("CPU µs an item, all processes", lambda m: f"{m.run.cpu_us_an_item:,.1f}"),
    ("  the limit", lambda m: f"{m.limit.cpu_us_an_item:,.1f}"),
    ("  times the limit", lambda m: f"{m.run.cpu_us_an_item / m.limit.cpu_us_an_item:.1f}"),
    ("seconds, run created to completed", lambda m: f"{m.run.wall_s:,.2f}"),
    ("  of which planning", lambda m: f"{m.run.planning_s:,.2f}"),
    ("peak MB, server", lambda m: f"{m.run.peak_memory_bytes['server'] / _MB:,.0f}"),
    ("peak MB, executor", lambda m: f"{m.run.peak_memory_bytes['executor'] / _MB:,.0f}"),
    ("  the limit", lambda m: f"{m.limit.peak_memory_bytes['limit'] / _MB:,.0f}"),
    ("bytes an item, database", lambda m: f"{m.run.database_bytes / m.items:,.0f}"),
    ("  and everything but the upload", lambda m: f"{m.run.directory_bytes / m.items:,.0f}"),
    ("  the limit", lambda m: f"{m.limit.database_bytes / m.items:,.0f}"),
    ("ms, page of 100 items after a cursor", lambda m: f"{m.run.page_ms:,.1f}"),
    ("bytes an uploaded row", lambda m: f"{m.row_bytes:,.0f}"),
)


def verdicts_of(measurements: Sequence[Measurement]) -> Iterator[Verdict]:
    """Yield each target with the figure it is about."""
    first, last = measurements[0], measurements[-1]
    if first is not last:
        name = f"CPU an item at {last.items:,} over that at {first.items:,}"
        yield Verdict(name, last.run.cpu_us_an_item / first.run.cpu_us_an_item, 1.2)
        name = f"time an item at {last.items:,} over that at {first.items:,}"
        yield Verdict(name, first.run.items_a_second / last.run.items_a_second, 1.2)
    peak = max(size for each in measurements for size in each.run.peak_memory_bytes.values())
    yield Verdict("peak MB of a process", peak / _MB, 200)
    yield Verdict(f"bytes an item on disk at {last.items:,}", last.run.database_bytes / last.items, 1500)


def print_report(
    measurements: Sequence[Measurement], verdicts: Sequence[Verdict], latencies: Sequence[Latency], console: Console
) -> None:
    """Print the table of figures, the targets and the latencies."""
    table = _table("Items of the run", *(f"{each.items:,}" for each in measurements))
    for name, figure in FIGURES:
        table.add_row(name, *(figure(each) for each in measurements))
    console.print(table)
    targets = _table("Target", "Measured", "At most", "Met")
    for each in verdicts:
        targets.add_row(each.name, f"{each.value:,.2f}", f"{each.target:,.2f}", "yes" if each.is_met else "NO")
    console.print(targets)
    if latencies:
        waits = _table("While runs keep the executor busy", "Requests", "p50 ms", "p99 ms", "Longest ms")
        for each in latencies:
            waits.add_row(
                each.request, str(each.count), f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}", f"{each.max_ms:.1f}"
            )
        console.print(waits)


def _table(head: str, *columns: str) -> Table:
    table = Table(head, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def report_document(
    facts: dict[str, str],
    measurements: Sequence[Measurement],
    verdicts: Sequence[Verdict],
    latencies: Sequence[Latency],
    comparisons: Sequence[Comparison],
) -> dict[str, Any]:
    """Return everything measured as one JSON document."""
    return {
        "machine": facts,
        "measurements": [
            {
                "items": each.items,
                "row_bytes": each.row_bytes,
                "run": _cost_document(each.run),
                "limit": _cost_document(each.limit),
            }
            for each in measurements
        ],
        "targets": [{**asdict(each), "is_met": each.is_met} for each in verdicts],
        "latencies": [asdict(each) for each in latencies],
        "similarity": [{**asdict(each), "ratio": each.ratio} for each in comparisons],
    }


def _cost_document(cost: Cost) -> dict[str, Any]:
    derived = {"items_a_second": cost.items_a_second, "cpu_us_an_item": cost.cpu_us_an_item}
    return {**asdict(cost), **derived}


@contextmanager
def _scratch() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="evalhaven-bench-") as directory:
        yield Path(directory)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    sizes = "sizes of the runs, ascending (10000 1000000)"
    parser.add_argument("--items", type=int, nargs="+", default=list(SIZES), metavar="N", help=sizes)
    probe = "how long to ask the API while runs are executed; 0 leaves it out (30)"
    parser.add_argument("--probe-seconds", type=float, default=PROBE_SECONDS, metavar="S", help=probe)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything measured to a JSON file")
    arguments = parser.parse_args()
    console = Console(width=100, highlight=False)
    facts = machine_facts()
    for name, fact in facts.items():
        console.print(f"{name}: {fact}")
    measurements: list[Measurement] = []
    for items in sorted(arguments.items):
        rounds = 3 if items <= SMALL_ITEMS else 1
        console.print(f"measuring {items:,} items{f', {rounds} times' if rounds > 1 else ''} …")
        with _scratch() as directory:
            measurements.append(measure(items, rounds, directory))
    latencies: list[Latency] = []
    if arguments.probe_seconds > 0:
        console.print(f"asking the API for {arguments.probe_seconds:.0f} seconds …")
        with _scratch() as directory:
            latencies = measure_latency(arguments.probe_seconds, directory)
    console.print("comparing metrics with their libraries …")
    comparisons = compare_metrics()
    verdicts = list(verdicts_of(measurements))
    print_report(measurements, verdicts, latencies, console)
    print_comparisons(comparisons, console)
    if arguments.json is not None:
        document = report_document(facts, measurements, verdicts, latencies, comparisons)
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
