"""The costs of `jsonl` runs compared with the limit: as a table, as verdicts and as a document."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from benchmarks.measure import Cost, Measurement
from benchmarks.verdicts import Verdict, print_verdicts, table

_MB = 1e6

Figure = Callable[[Measurement], str]

_FIGURES: tuple[tuple[str, Figure], ...] = (
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
    """Yield each target with its figure."""
    first, last = measurements[0], measurements[-1]
    if first is not last:
        name = f"CPU an item at {last.items:,} over that at {first.items:,}"
        yield Verdict(name, last.run.cpu_us_an_item / first.run.cpu_us_an_item, 1.2)
        name = f"time an item at {last.items:,} over that at {first.items:,}"
        yield Verdict(name, first.run.items_a_second / last.run.items_a_second, 1.2)
    peak = max(size for each in measurements for size in each.run.peak_memory_bytes.values())
    yield Verdict("peak MB of a process", peak / _MB, 200)
    yield Verdict(f"bytes an item on disk at {last.items:,}", last.run.database_bytes / last.items, 1500)


def print_graded(measurements: Sequence[Measurement], console: Console) -> None:
    """Print the table of figures and the targets."""
    figures = table("Items of the run", *(f"{each.items:,}" for each in measurements))
    for name, figure in _FIGURES:
        figures.add_row(name, *(figure(each) for each in measurements))
    console.print(figures)
    print_verdicts(verdicts_of(measurements), console)


def graded_document(measurements: Sequence[Measurement]) -> dict[str, Any]:
    """Return everything measured as one JSON document."""
    return {
        "measurements": [
            {
                "items": each.items,
                "row_bytes": each.row_bytes,
                "run": _cost_document(each.run),
                "limit": _cost_document(each.limit),
            }
            for each in measurements
        ],
        "targets": [{**asdict(each), "is_met": each.is_met} for each in verdicts_of(measurements)],
    }


def _cost_document(cost: Cost) -> dict[str, Any]:
    derived = {"items_a_second": cost.items_a_second, "cpu_us_an_item": cost.cpu_us_an_item}
    return {**asdict(cost), **derived}
