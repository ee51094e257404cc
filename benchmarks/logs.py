"""What a store of logged calls costs at size: adding, finding, pinning and reading calls, and dropping a day.

Bounds are those of a million calls in ten days, beside SQLite. With ten millions in a hundred files, pages may take
twice as long, and conditions that almost nothing matches half a second.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from benchmarks.log_questions import Question, ask_all
from benchmarks.logged_calls import DAY_S, NEWEST, made_calls
from benchmarks.verdicts import Verdict, print_verdicts, table
from evalhaven.domain.clock import Clock
from evalhaven.domain.logged_calls import CallFilter, CallKind
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs.day_files.store import DayFileStore
from evalhaven.logs.partitions.store import PartitionStore
from evalhaven.logs.store import LogStore
from evalhaven.storage.database import open_database, postgresql_url
from evalhaven.storage.schema import upgrade_database

_LARGE = 5_000_000  # from here on, the bounds of ten million calls hold
_INGESTED = 30_000
_READ_CALLS, _READ_AT_ONCE = 50_000, 500


@dataclass(slots=True)
class LogFigures:
    """What was measured of one store."""

    calls: int
    days: int
    on_postgresql: bool
    questions: list[Question] = field(default_factory=list[Question])
    added_a_second: float = 0.0
    adding_cpu_us: float = 0.0
    bytes_a_call: float = 0.0
    pinned_a_second: float = 0.0
    read_a_second: float = 0.0
    dropped_s: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return asdict(self)


def measure_logs(directory: Path, calls: int, days: int, database_url: str | None, console: Console) -> LogFigures:
    """Measure a store.

    Args:
        directory: Where day files are, or are made; with those of an earlier measurement, nothing is added.
        calls: How many calls are in it.
        days: Over how many days they are spread.
        database_url: A PostgreSQL database to use instead.
        console: Where to say how far it is.
    """
    return asyncio.run(_measure(directory, LogFigures(calls, days, database_url is not None), database_url, console))


def print_logs(figures: LogFigures, console: Console) -> None:
    """Print what was measured, and the bounds."""
    kind = "PostgreSQL" if figures.on_postgresql else "SQLite"
    shown = table(f"{figures.calls:,} logged calls in {figures.days} days, {kind}", "p50, ms", "p95, ms", "Found")
    for each in figures.questions:
        shown.add_row(each.name, f"{median(each.times_ms):.1f}", f"{each.p95_ms:.1f}", f"{each.found:.1f}")
    console.print(shown)
    console.print(f"adding a call: {figures.adding_cpu_us:.0f} µs of CPU in this process\n")
    is_large = figures.calls >= _LARGE
    verdicts = [Verdict(f"{each.name}, p95 in ms", each.p95_ms, each.bounds_ms[is_large]) for each in figures.questions]
    least_added = 1_500 if figures.on_postgresql else 5_000
    verdicts += [
        Verdict("calls added a second", figures.added_a_second, least_added, is_least=True),
        Verdict("calls pinned a second", figures.pinned_a_second, 300_000, is_least=True),
        Verdict("calls read with bodies a second", figures.read_a_second, 50_000, is_least=True),
        Verdict("seconds to drop a day", figures.dropped_s, 1.0),
    ]
    if not figures.on_postgresql:
        verdicts.append(Verdict("bytes a call", figures.bytes_a_call, 2_000))
    print_verdicts(verdicts, console)


async def _measure(directory: Path, figures: LogFigures, database_url: str | None, console: Console) -> LogFigures:
    async with _opened(directory / "logs", database_url) as store:
        if (await store.measure()).oldest_day is None:
            await _fill(store, figures, console)
        volume = await store.measure()
        figures.bytes_a_call = volume.size_bytes / figures.calls
        figures.questions = await ask_all(store)
        await _pin_and_read(store, figures)
        if database_url is not None:
            await _add_more(store, figures)
            await _drop_oldest(store, figures)
    if database_url is None:
        async with _opened(directory / "others", None) as others:
            await _add_more(others, figures)
            oldest = min((directory / "logs").glob("*.db"))
            shutil.copy(oldest, directory / "others")
            await _drop_oldest(others, figures)
        shutil.rmtree(directory / "others")
    return figures


@asynccontextmanager
async def _opened(directory: Path, database_url: str | None) -> AsyncGenerator[LogStore]:
    if database_url is None:
        files = DayFileStore(directory, Clock())
        yield files
        await files.close()
        return
    url = postgresql_url(database_url)
    upgrade_database(url)
    database = open_database(url)
    yield PartitionStore(database, Clock())
    await database.close()


async def _fill(store: LogStore, figures: LogFigures, console: Console) -> None:
    started = time.perf_counter()
    added = 0
    for batch in made_calls(0, figures.calls, NEWEST, figures.days * DAY_S / figures.calls):
        added += await store.add(batch)
        if added % 100_000 == 0:
            console.print(f"{added:,} calls are there after {time.perf_counter() - started:.0f} seconds")


async def _pin_and_read(store: LogStore, figures: LogFigures) -> None:
    started = time.perf_counter()
    keys = [key async for part in store.pin(DEFAULT_PROJECT, CallFilter(CallKind.CHAT), limit=None) for key in part]
    figures.pinned_a_second = len(keys) / (time.perf_counter() - started)
    started = time.perf_counter()
    for start in range(0, min(len(keys), _READ_CALLS), _READ_AT_ONCE):
        await store.read(DEFAULT_PROJECT, keys[start : start + _READ_AT_ONCE])
    figures.read_a_second = min(len(keys), _READ_CALLS) / (time.perf_counter() - started)


async def _add_more(store: LogStore, figures: LogFigures) -> None:
    """Add calls of a day that has none yet."""
    wall_s = cpu_s = 0.0
    for batch in made_calls(figures.calls, _INGESTED, NEWEST + DAY_S, 1.0):
        wall, cpu = time.perf_counter(), time.process_time()
        await store.add(batch)
        wall_s, cpu_s = wall_s + time.perf_counter() - wall, cpu_s + time.process_time() - cpu
    figures.added_a_second = _INGESTED / wall_s
    figures.adding_cpu_us = cpu_s / _INGESTED * 1e6


async def _drop_oldest(store: LogStore, figures: LogFigures) -> None:
    volume = await store.measure()
    started = time.perf_counter()
    await store.drop(before_day=None, most_bytes=volume.size_bytes - 1)
    figures.dropped_s = time.perf_counter() - started
