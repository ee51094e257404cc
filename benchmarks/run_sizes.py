"""How reads of a run slow down with its size: the same questions asked of a run and of one that is many times larger.

The two take turns, question by question, so that whatever else the machine does affects both alike.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from rich.console import Console

from benchmarks.dashboard import ITEM_QUESTIONS
from benchmarks.server import BenchmarkError, Server, answer_of, peak_memory_bytes, started_server
from benchmarks.tickets import write_rows
from benchmarks.verdicts import Verdict, print_verdicts, table

TIMES = 10
"""How many times larger the large run is."""
_ROUNDS = 40
_LOOK_S = 2.0
_READY_S = 600.0
_MB = 1024 * 1024
_PLACES = (0.0, 0.5, 0.9999)


@dataclass(frozen=True, slots=True)
class Question:
    """How long a question takes, in milliseconds: median and 95th percentile.

    Attributes:
        small: Asked of the smaller run.
        large: Asked of the larger one.
    """

    name: str
    small: tuple[float, float]
    large: tuple[float, float]

    @property
    def slowdown(self) -> float:
        """Return how many times longer the median of the larger run is."""
        return self.large[0] / self.small[0]


@dataclass(frozen=True, slots=True)
class RunSizes:
    """What was measured.

    Attributes:
        items: Output items of the two runs.
        items_a_second: How fast each of them was executed.
        questions: How long each question takes.
        peak_mb: Most memory of the server that was asked.
    """

    items: tuple[int, int]
    items_a_second: tuple[float, float]
    questions: list[Question]
    peak_mb: float


def measure_run_sizes(items: int, directory: Path, settings: Mapping[str, str], console: Console) -> RunSizes:
    """Execute a run of so many items and one of a tenth of them, then ask both the same questions.

    Args:
        items: How many the larger one has.
        directory: An empty directory for everything that is written but the database, if the settings name one.
        settings: The server's variables `EVALHAVEN_…`.
        console: Where to say how far it is.
    """
    sizes = (items // TIMES, items)
    data = directory / "data"
    with started_server(data, settings) as server:
        eval_id = server.create_eval()
        executed = [_execute(server, eval_id, size, directory / "rows.jsonl", console) for size in sizes]
    # Nothing that was cached while the runs were made may help.
    with started_server(data, settings) as server:
        run_ids = [run_id for run_id, _ in executed]
        started = time.monotonic()
        while not all(_has_columns(server, run_id) for run_id in run_ids):
            if time.monotonic() - started > _READY_S:
                raise BenchmarkError(f"The items cannot be sorted after {_READY_S:.0f} seconds.")
            time.sleep(_LOOK_S)
        console.print("asking both runs in turn …")
        asked = _questions(server, eval_id, run_ids, sizes)
        questions = [_ask(server, name, paths) for name, paths in asked.items()]
        peak_mb = peak_memory_bytes(server.process.pid) / _MB
    rates = (executed[0][1], executed[1][1])
    return RunSizes(sizes, rates, questions, peak_mb)


def print_run_sizes(found: RunSizes, console: Console) -> None:
    """Print the figures beside their target."""
    small, large = found.items
    for size, rate in zip(found.items, found.items_a_second, strict=True):
        console.print(f"{size:,} items: executed with {rate:,.0f} items a second")
    console.print(f"the server's peak: {found.peak_mb:.0f} MB")
    waits = table("Question", f"{small:,}: p50 ms", "p95 ms", f"{large:,}: p50 ms", "p95 ms")
    for each in found.questions:
        waits.add_row(each.name, *(f"{value:.1f}" for value in (*each.small, *each.large)))
    console.print(waits)
    print_verdicts((Verdict(f"{each.name}, times slower", each.slowdown, 1.5) for each in found.questions), console)


def _execute(server: Server, eval_id: str, items: int, rows: Path, console: Console) -> tuple[str, float]:
    """Execute a run of so many items; return its id and how many it had a second."""
    console.print(f"executing a run of {items:,} items …")
    write_rows(rows, items)
    file_id = server.upload_rows(rows)
    rows.unlink()
    started = time.monotonic()
    run_id = server.create_run(eval_id, {"type": "file_id", "id": file_id})
    while (run := server.get_run(eval_id, run_id))["status"] in ("queued", "in_progress"):
        time.sleep(min(_LOOK_S, items / 1e5))
    if run["status"] != "completed" or run["result_counts"]["total"] != items:
        raise BenchmarkError(f"The run ended as {run['status']} with {run['result_counts']}.")
    return run_id, items / (time.monotonic() - started)


def _has_columns(server: Server, run_id: str) -> bool:
    return server.client.get(f"/api/runs/{run_id}/items", params={"sort": "score"}).is_success


def _questions(
    server: Server, eval_id: str, run_ids: list[str], sizes: tuple[int, int]
) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Return what is asked by its name: path and parameters for each of the two runs."""
    asked: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "the run": [(f"/v1/evals/{eval_id}/runs/{run_id}", {}) for run_id in run_ids],
        "its report": [(f"/api/runs/{run_id}/report", {}) for run_id in run_ids],
    }
    pages = [f"/v1/evals/{eval_id}/runs/{run_id}/output_items" for run_id in run_ids]
    for share in _PLACES:
        name = f"100 output items from {100 * share:.0f} % on"
        cursors = [_id_at(server, run_id, int(share * size)) for run_id, size in zip(run_ids, sizes, strict=True)]
        asked[name] = [(path, {"limit": 100, "after": after}) for path, after in zip(pages, cursors, strict=True)]
    asked["100 failed output items"] = [(path, {"limit": 100, "status": "fail"}) for path in pages]
    asked["the newest 100 output items"] = [(path, {"limit": 100, "order": "desc"}) for path in pages]
    for name, question in ITEM_QUESTIONS.items():
        asked[f"table: {name}"] = [
            (f"/api/runs/{run_id}/items", _placed(question, size)) for run_id, size in zip(run_ids, sizes, strict=True)
        ]
    return asked


def _placed(question: dict[str, Any], items: int) -> dict[str, Any]:
    return {**question, "from": int(question["from"] * items)} if "from" in question else question


def _id_at(server: Server, run_id: str, position: int) -> str:
    page = answer_of(server.client.get(f"/api/runs/{run_id}/items", params={"from": position, "limit": 1}))
    return page["data"][0]["id"]


def _ask(server: Server, name: str, paths: list[tuple[str, dict[str, Any]]]) -> Question:
    waits: tuple[list[float], list[float]] = ([], [])
    # The first round does not count: it reads from the disk what the later ones find in memory.
    for number in range(_ROUNDS + 1):
        for place, (path, query) in enumerate(paths):
            started = time.perf_counter()
            answer = server.client.get(path, params=query)
            took_ms = 1000 * (time.perf_counter() - started)
            answer_of(answer)
            if number:
                waits[place].append(took_ms)
    small, large = ((median(each), quantiles(each, n=20)[-1]) for each in waits)
    return Question(name, small, large)
