"""Other programs and Evalhaven over the same items: measured in turn, and shown as a table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.measure import scratch
from benchmarks.peers import (
    Compared,
    Contestant,
    Installed,
    Peer,
    Sizes,
    Spread,
    contestant,
    measure_in_turn,
)
from benchmarks.sampling import LATENCY_MS, Shape, measure_alone
from benchmarks.verdicts import table

OURS = "Evalhaven"
_IN_FLIGHT = 200
_MB = 1e6


@dataclass(frozen=True, slots=True)
class PeersReport:
    """What was measured.

    Attributes:
        sizes: Numbers of items; Evalhaven does the larger one.
        compared: Evalhaven and the other programs.
        missing: Names of those that are not installed.
    """

    sizes: Sizes
    compared: Sequence[Compared]
    missing: Sequence[str]

    def document(self) -> dict[str, Any]:
        """Return everything, round by round, as one JSON document."""
        return asdict(self)


def compare_peers(
    peers: Sequence[Installed], missing: Sequence[str], sizes: Sizes, rounds: int, console: Console
) -> PeersReport:
    """Measure other programs and Evalhaven in turn; nothing is measured if there is no other program.

    Args:
        peers: The other programs that are installed.
        missing: Names of those that are not.
        sizes: Two numbers of items, whose difference is measured.
        rounds: How many times each is measured.
        console: Is told what is being measured.
    """
    if not peers:
        return PeersReport(sizes, [], missing)

    def say(what: str) -> None:
        console.print(f"other programs: {what} …")

    with scratch() as directory:
        others = [contestant(each, sizes, _IN_FLIGHT, LATENCY_MS, directory / each.name) for each in peers]
        compared = measure_in_turn([_ours(sizes[1], directory / OURS), *others], rounds, say)
    return PeersReport(sizes, compared, missing)


def print_peers(report: PeersReport, console: Console) -> None:
    """Print the medians of all rounds, with the least and the most in brackets."""
    head = f"The same items, {_IN_FLIGHT} in flight, {LATENCY_MS:g} ms"
    figures = table(head, "items/s", "ours", "CPU µs an item", "ours", "peak MB", "bytes an item")
    spreads = {each.name: _figures_of(each) for each in report.compared}
    for name, (rate, cpu_us, peak_mb, stored) in spreads.items():
        our_rate, our_cpu_us, *_ = spreads[OURS]
        times = ("", "") if name == OURS else _times(our_rate.median / rate.median, cpu_us.median / our_cpu_us.median)
        figures.add_row(name, _text(rate), times[0], _text(cpu_us), times[1], _text(peak_mb), f"{stored.median:,.0f}")
    for name in report.missing:
        figures.add_row(name, "not installed", *[""] * 5)
    console.print(figures)
    if report.compared:
        console.print(
            f"Medians of {len(report.compared[0].rounds)} rounds (least-most), after a start that does not count. Of "
            f"the others without their start: items {report.sizes[0]:,} to {report.sizes[1]:,}.\n"
        )


def _ours(items: int, directory: Path) -> Contestant:
    shape = Shape(items, _IN_FLIGHT, LATENCY_MS)

    def measure() -> Peer:
        directory.mkdir(exist_ok=True)
        cost = measure_alone(shape, directory).cost
        peak_bytes = max(cost.peak_memory_bytes.values())
        stored = cost.database_bytes / cost.items
        return Peer(OURS, shape.in_flight, 0.0, cost.items_a_second, cost.cpu_us_an_item, peak_bytes, stored)

    def warm_up() -> None:
        measure()

    return Contestant(OURS, warm_up, measure)


def _figures_of(compared: Compared) -> tuple[Spread, Spread, Spread, Spread]:
    return (
        compared.spread(lambda peer: peer.items_a_second),
        compared.spread(lambda peer: peer.cpu_us_an_item),
        compared.spread(lambda peer: peer.peak_memory_bytes / _MB),
        compared.spread(lambda peer: peer.bytes_an_item),
    )


def _times(faster: float, cheaper: float) -> tuple[str, str]:
    return f"{faster:.1f} x", f"1/{cheaper:.1f}"


def _text(spread: Spread) -> str:
    return f"{spread.median:,.0f} ({spread.least:,.0f}-{spread.most:,.0f})"
