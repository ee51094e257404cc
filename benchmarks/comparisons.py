"""Reports and comparisons of two large runs: how soon they are there, and how long each question about them takes."""

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from rich.console import Console
from sqlalchemy import create_engine, text

from benchmarks.server import (
    DATABASE,
    BenchmarkError,
    Server,
    answer_of,
    cpu_seconds,
    peak_memory_bytes,
    started_server,
)
from benchmarks.tickets import recorded_row
from benchmarks.verdicts import Verdict, print_verdicts
from evalhaven.storage.database import postgresql_url

_POLL_S = 0.2
_FORMATS = ("jsonl", "csv", "parquet")
_ROUNDS = 40
_WORSE_EVERY = 50  # every so many answers of the second run are another than in the first
_MB = 1024 * 1024
_PREPARED = "prepared.json"
_WORDS = ("password", "printer", "no such word anywhere")
_FILTERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "regressed": {"change": "regressed"},
    "fixed or errored": {"change": ["fixed", "errored"]},
    "changes of one criterion": {"criterion": "exact", "change": "regressed"},
    "change of the score": {"least_change": 0.5},
    "score of one criterion": {"criterion": "exact", "least_score": 0.2, "most_score": 0.9},
    "group": {"group": "ideal:Hardware", "change": "regressed"},
    "nothing, sorted by change": {"sort": "change"},
    "a group, sorted by change": {"group": "ideal:Hardware", "sort": "change", "order": "desc"},
}
_FORGET = ("DELETE FROM run_columns", "DELETE FROM run_column_heads", "UPDATE runs SET columns_version = -1")


@dataclass(frozen=True, slots=True)
class PreparedRuns:
    """Two runs that have ended, and what was measured until then.

    Attributes:
        run_ids: The baseline and the run that is compared with it.
        items: Items of each.
        bytes_an_item: Of the database, with indexes and columns.
        column_bytes_an_item: Of these, what the columns take.
        items_a_second: Items of both a second, from the start of the first run to the end of both.
        columns_cpu_us: Microseconds of CPU an item of the process that makes columns, its start included.
        compared_s: Seconds from the end of both until they had been compared.
        compared_ms: How long that first comparison took.
        refill_s: Seconds that a server takes to make all columns of a database without any.
        refill_page_ms: 95th percentile of a page of items meanwhile.
    """

    run_ids: tuple[str, str]
    items: int
    bytes_an_item: float
    column_bytes_an_item: float
    items_a_second: float
    columns_cpu_us: float
    compared_s: float
    compared_ms: float
    refill_s: float
    refill_page_ms: float


@dataclass(frozen=True, slots=True)
class LargeComparison:
    """What was measured, in milliseconds unless it says otherwise.

    Attributes:
        runs: The runs.
        report_ms: 95th percentile of a report; the first after a start is among them, and loads numpy.
        first_ms: The first comparison.
        later_ms: 95th percentile of the same one again.
        filters_ms: 95th percentile of a page, by filter; the first of each is among them.
        text_ms: The longest first page of a search for a text.
        breakdown_s: Seconds of a breakdown by a field with as many values as items.
        export_s: Seconds of the whole comparison's export.
        peak_mb: Largest memory of the server's process before the export.
        export_peak_mb: The same after it.
        item_exports: Seconds and peak memory in MB, after that, of the export of all items of a run, by format.
    """

    runs: PreparedRuns
    report_ms: float
    first_ms: float
    later_ms: float
    filters_ms: dict[str, float]
    text_ms: float
    breakdown_s: float
    export_s: float
    peak_mb: float
    export_peak_mb: float
    item_exports: dict[str, tuple[float, float]]


def measure_comparison(items: int, directory: Path, database_url: str | None, console: Console) -> LargeComparison:
    """Measure two runs of so many items each.

    Args:
        items: How many.
        directory: Where the data are; runs of an earlier measurement there are measured again.
        database_url: An empty PostgreSQL database to use instead of SQLite, or that of the earlier measurement.
        console: Where to say how far it is.
    """
    settings = {"EVALHAVEN_MAX_FILE_MB": "2048"}
    if database_url is not None:
        settings["EVALHAVEN_DATABASE_URL"] = database_url
    prepared = directory / _PREPARED
    if prepared.exists():
        runs = PreparedRuns(**json.loads(prepared.read_text(encoding="utf-8")))
    else:
        runs = _prepare(items, directory, settings, console)
        prepared.write_text(json.dumps(_document(runs)), encoding="utf-8")
    with started_server(directory / "data", settings) as server:
        return _measure(server, runs, console)


def print_comparison(found: LargeComparison, console: Console) -> None:
    """Print the figures beside their targets, which are for a million items."""
    runs = found.runs
    console.print(
        f"two runs of {runs.items:,} items: {runs.items_a_second:,.0f} items a second; columns "
        f"{runs.column_bytes_an_item:.0f} bytes and {runs.columns_cpu_us:.1f} µs of CPU an item\n"
        f"columns of an older database: {runs.refill_s:.0f} s, p95 of a page meanwhile {runs.refill_page_ms:.1f} ms\n"
        f"the comparison again: {found.later_ms:.0f} ms\n"
        f"a breakdown by a field of {runs.items:,} values: {found.breakdown_s:.1f} s\n"
        f"the server's peak: {found.peak_mb:.0f} MB, after the export {found.export_peak_mb:.0f} MB"
    )
    for form, (seconds, peak_mb) in found.item_exports.items():
        console.print(f"{runs.items:,} output items as {form}: {seconds:.1f} s, the server's peak {peak_mb:.0f} MB")
    verdicts = [
        Verdict("compared after the end of both (s)", runs.compared_s, 1),
        Verdict("that comparison (ms)", runs.compared_ms, 1000),
        Verdict("report, p95 (ms)", found.report_ms, 100),
        Verdict("first comparison (ms)", found.first_ms, 1000),
        *(Verdict(f"page filtered by {name}, p95 (ms)", value, 100) for name, value in found.filters_ms.items()),
        Verdict("first page of a text (ms)", found.text_ms, 1000),
        Verdict("export of the whole (s)", found.export_s, 60),
        Verdict("bytes an item", runs.bytes_an_item, 1500),
    ]
    print_verdicts(verdicts, console)


def _prepare(items: int, directory: Path, settings: Mapping[str, str], console: Console) -> PreparedRuns:
    data, url = directory / "data", settings.get("EVALHAVEN_DATABASE_URL")
    with started_server(data, settings) as server:
        eval_id = server.create_eval()
        before = 0 if url is None else _database_bytes(data, url)
        run_ids: list[str] = []
        for is_changed in (False, True):
            path = directory / "rows.jsonl"
            _write(path, items, is_changed=is_changed)
            run_ids.append(server.create_run(eval_id, {"type": "file_id", "id": server.upload_rows(path)}))
            path.unlink()
        console.print(f"executing two runs of {items:,} items …")
        while any(run["status"] != "completed" for run in server.list_runs(eval_id)):
            time.sleep(_POLL_S)
        ended = time.monotonic()
        compared_ms = _first_comparison_ms(server, run_ids)
        compared_s = time.monotonic() - ended
        runs = [server.get_run(eval_id, run_id) for run_id in run_ids]
        took_s = max(run["evalhaven"]["ended_at"] for run in runs) - min(run["created_at"] for run in runs)
        processes = server.processes()
        columns_cpu_s = cpu_seconds({"columns": processes["columns"]}) if "columns" in processes else 0.0
    stored = _database_bytes(data, url) - before
    columns = _execute(data, url, "SELECT SUM(LENGTH(data)) FROM run_columns")
    for statement in _FORGET:
        _execute(data, url, statement)
    console.print("making the columns of a database that has none …")
    with started_server(data, settings) as server:
        started, pages = time.monotonic(), list[float]()
        path = f"/v1/evals/{eval_id}/runs/{run_ids[0]}/output_items"
        while not _is_ready(server, run_ids):
            pages.append(_timed(server, path))
            time.sleep(_POLL_S)
        refill_s = time.monotonic() - started
    both = 2 * items
    page_ms = _p95(pages) if len(pages) > 1 else max(pages, default=0.0)
    return PreparedRuns(
        run_ids=(run_ids[0], run_ids[1]),
        items=items,
        bytes_an_item=stored / both,
        column_bytes_an_item=(columns or 0) / both,
        items_a_second=both / max(1, took_s),
        columns_cpu_us=1e6 * columns_cpu_s / both,
        compared_s=compared_s,
        compared_ms=compared_ms,
        refill_s=refill_s,
        refill_page_ms=page_ms,
    )


def _first_comparison_ms(server: Server, run_ids: list[str]) -> float:
    """Compare two runs as soon as the server can; return how long that took it."""
    while True:
        started = time.perf_counter()
        answer = server.client.get("/api/compare", params={"runs": run_ids[1], "base": run_ids[0], "margin": 0.01})
        took_ms = 1000 * (time.perf_counter() - started)
        if answer.is_success:
            return took_ms
        if answer.json()["error"]["code"] != "comparison_not_ready":
            raise BenchmarkError(f"GET /api/compare: {answer.text}")
        time.sleep(_POLL_S)


def _measure(server: Server, runs: PreparedRuns, console: Console) -> LargeComparison:
    baseline, candidate = runs.run_ids
    console.print("asking …")
    reports = [_timed(server, f"/api/runs/{run_id}/report") for run_id in (baseline, candidate) * (_ROUNDS // 2)]
    query = {"runs": candidate, "base": baseline, "margin": 0.01}
    first_ms = _timed(server, "/api/compare", query)
    later = [_timed(server, "/api/compare", query) for _ in range(_ROUNDS)]
    page = {"run": candidate, "base": baseline}
    filters = {
        name: _p95(_timed(server, "/api/compare/items", {**page, **chosen}) for _ in range(_ROUNDS))
        for name, chosen in _FILTERS.items()
    }
    text_ms = max(_timed(server, "/api/compare/items", {**page, "text": word}) for word in _WORDS)
    started = time.monotonic()
    _count_lines(server, f"/api/runs/{candidate}/breakdown", {"field": "id"})
    breakdown_s = time.monotonic() - started
    peak = peak_memory_bytes(server.process.pid)
    started = time.monotonic()
    lines = _count_lines(server, "/api/compare/export", page)
    if lines != runs.items:
        raise BenchmarkError(f"The export has {lines:,} lines instead of {runs.items:,}.")
    export_s = time.monotonic() - started
    export_peak = peak_memory_bytes(server.process.pid)
    item_exports = {name: _export_items(server, candidate, name) for name in _FORMATS}
    return LargeComparison(
        runs,
        _p95(reports),
        first_ms,
        _p95(later),
        filters,
        text_ms,
        breakdown_s,
        export_s,
        peak / _MB,
        export_peak / _MB,
        item_exports,
    )


def _export_items(server: Server, run_id: str, form: str) -> tuple[float, float]:
    """Export all items of a run; return the seconds it took, and the server's peak memory in MB then."""
    started = time.monotonic()
    _count_lines(server, f"/api/runs/{run_id}/export", {"format": form})
    return time.monotonic() - started, peak_memory_bytes(server.process.pid) / _MB


def _document(runs: PreparedRuns) -> dict[str, Any]:
    return {name: getattr(runs, name) for name in PreparedRuns.__dataclass_fields__}


def _write(path: Path, items: int, *, is_changed: bool) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(items):
            row = recorded_row(number)
            if is_changed and number % _WORSE_EVERY == 0:
                row = {**row, "sample": recorded_row(number + 1)["sample"]}
            file.write(json.dumps(row) + "\n")


def _is_ready(server: Server, run_ids: list[str]) -> bool:
    # Which fields there are is told by columns alone.
    return all(answer_of(server.client.get(f"/api/runs/{run_id}/report"))["fields"] for run_id in run_ids)


def _count_lines(server: Server, path: str, query: Mapping[str, Any]) -> int:
    with server.client.stream("GET", path, params=query) as answer:
        if not answer.is_success:
            raise BenchmarkError(f"GET {path}: {answer.read().decode()}")
        return sum(chunk.count(b"\n") for chunk in answer.iter_bytes())


def _timed(server: Server, path: str, query: dict[str, Any] | None = None) -> float:
    started = time.perf_counter()
    answer = server.client.get(path, params=query or {})
    took_ms = 1000 * (time.perf_counter() - started)
    answer_of(answer)
    return took_ms


def _p95(times: Iterable[float]) -> float:
    return quantiles(times, n=20)[-1]


def _database_bytes(data: Path, url: str | None) -> int:
    if url is None:
        _execute(data, None, "PRAGMA wal_checkpoint(TRUNCATE)")
        return (data / DATABASE).stat().st_size
    return int(_execute(data, url, "SELECT pg_database_size(current_database())") or 0)


def _execute(data: Path, url: str | None, statement: str) -> float | None:
    """Execute a statement while no server is there to be disturbed; return the first value of what it found."""
    if url is None:
        with closing(sqlite3.connect(data / DATABASE, isolation_level=None)) as connection:
            row = connection.execute(statement).fetchone()
    else:
        engine = create_engine(postgresql_url(url))
        with engine.begin() as transaction:
            result = transaction.execute(text(statement))
            row = result.one() if result.returns_rows else None
        engine.dispose()
    return None if row is None else row[0]
