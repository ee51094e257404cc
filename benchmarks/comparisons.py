"""Reports and comparisons of two large runs: how soon they are there, and how long each question about them takes."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import psutil
from rich.console import Console

from benchmarks.server import BenchmarkError, Server, answer_of, started_server
from benchmarks.tickets import recorded_row
from benchmarks.verdicts import Verdict, print_verdicts

_POLL_S = 0.2
_ROUNDS = 20
_WORSE_EVERY = 50  # every so many answers of the second run are another than in the first
_MB = 1024 * 1024
_WORDS = ("password", "printer", "no such word anywhere")
_FILTERS: dict[str, dict[str, Any]] = {
    "regressed": {"change": "regressed"},
    "fixed or errored": {"change": ["fixed", "errored"]},
    "score": {"least_change": 0.5},
    "group": {"group": "ideal:Hardware", "change": "regressed"},
}


@dataclass(frozen=True, slots=True)
class LargeComparison:
    """What was measured, in milliseconds unless it says otherwise.

    Attributes:
        items: Items of each run.
        columns_s: Seconds from the end of the second run until its columns were there.
        report_ms: 95th percentile of a report.
        first_ms: The first comparison.
        later_ms: 95th percentile of the same one again.
        filters_ms: 95th percentile of a page, by filter.
        text_ms: The longest first page of a search for a text.
        export_s: Seconds of the whole comparison's export.
        peak_mb: Largest memory of the server's process.
    """

    items: int
    columns_s: float
    report_ms: float
    first_ms: float
    later_ms: float
    filters_ms: dict[str, float]
    text_ms: float
    export_s: float
    peak_mb: float


def measure_comparison(items: int, directory: Path, console: Console) -> LargeComparison:
    """Measure two runs of so many items each."""
    paths = [directory / name for name in ("before.jsonl", "after.jsonl")]
    for path, is_changed in zip(paths, (False, True), strict=True):
        _write(path, items, is_changed=is_changed)
    settings = {"EVALHAVEN_MAX_FILE_MB": "2048"}
    with started_server(directory / "data", settings) as server:
        eval_id = server.create_eval()
        run_ids = [server.create_run(eval_id, {"type": "file_id", "id": server.upload_rows(path)}) for path in paths]
        console.print(f"executing two runs of {items:,} items …")
        while any(run["status"] != "completed" for run in server.list_runs(eval_id)):
            time.sleep(_POLL_S)
        ended = time.monotonic()
        while not _is_ready(server, run_ids):
            time.sleep(_POLL_S)
        columns_s = time.monotonic() - ended
        reports = [_timed(server, f"/api/runs/{run_id}/report") for run_id in run_ids * (_ROUNDS // 2)]
        query = {"runs": run_ids[1], "base": run_ids[0], "margin": 0.01}
        first_ms = _timed(server, "/api/compare", query)
        later = [_timed(server, "/api/compare", query) for _ in range(_ROUNDS)]
        page = {"run": run_ids[1], "base": run_ids[0]}
        filters = {
            name: _p95(_timed(server, "/api/compare/items", {**page, **chosen}) for _ in range(_ROUNDS))
            for name, chosen in _FILTERS.items()
        }
        text_ms = max(_timed(server, "/api/compare/items", {**page, "text": word}) for word in _WORDS)
        started = time.monotonic()
        with server.client.stream("GET", "/api/compare/export", params=page, timeout=600) as answer:
            lines = sum(chunk.count(b"\n") for chunk in answer.iter_bytes())
        if lines != items:
            raise BenchmarkError(f"The export has {lines:,} lines instead of {items:,}.")
        export_s = time.monotonic() - started
        peak_mb = _peak_mb(server.process)
    return LargeComparison(items, columns_s, _p95(reports), first_ms, _p95(later), filters, text_ms, export_s, peak_mb)


def print_comparison(found: LargeComparison, console: Console) -> None:
    """Print the figures beside their targets, which are for a million items."""
    console.print(
        f"two runs of {found.items:,} items: columns {found.columns_s:.1f} s after the end, the comparison again "
        f"{found.later_ms:.0f} ms, the server's peak {found.peak_mb:.0f} MB"
    )
    verdicts = [
        Verdict("report, p95 (ms)", found.report_ms, 100),
        Verdict("first comparison (ms)", found.first_ms, 1000),
        *(Verdict(f"page filtered by {name}, p95 (ms)", value, 100) for name, value in found.filters_ms.items()),
        Verdict("first page of a text (ms)", found.text_ms, 1000),
        Verdict("export of the whole (s)", found.export_s, 60),
    ]
    print_verdicts(verdicts, console)


def _write(path: Path, items: int, *, is_changed: bool) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(items):
            row = recorded_row(number)
            if is_changed and number % _WORSE_EVERY == 0:
                row = {**row, "sample": recorded_row(number + 1)["sample"]}
            file.write(json.dumps(row) + "\n")


def _is_ready(server: Server, run_ids: list[str]) -> bool:
    answers = [answer_of(server.client.get(f"/api/runs/{run_id}/report", timeout=60)) for run_id in run_ids]
    return all(not answer["gaps"] for answer in answers)


def _timed(server: Server, path: str, query: dict[str, Any] | None = None) -> float:
    started = time.perf_counter()
    answer = server.client.get(path, params=query or {}, timeout=120)
    took_ms = 1000 * (time.perf_counter() - started)
    answer_of(answer)
    return took_ms


def _p95(times: Iterable[float]) -> float:
    return quantiles(times, n=20)[-1]


def _peak_mb(process: psutil.Process) -> float:
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    except OSError:
        return process.memory_info().rss / _MB
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024
