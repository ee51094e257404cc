"""How the API answers while runs keep the executor busy."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.server import Server, answer_of, started_server
from benchmarks.tickets import write_rows
from benchmarks.verdicts import table

_ITEMS = 50_000
_ROUNDS_A_SECOND = 10
_LISTED = 20


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that clients waited for one kind of request."""

    request: str
    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float


def measure_latency(seconds: float, directory: Path) -> list[Latency]:
    """Ask ten times a second for a run and its newest items, while there is always a run in progress.

    Args:
        seconds: How long to ask.
        directory: An empty directory for everything that is written.
    """
    rows = directory / "rows.jsonl"
    write_rows(rows, _ITEMS)
    with started_server(directory / "data") as server:
        source = {"type": "file_id", "id": server.upload_rows(rows)}
        eval_id = server.create_eval()
        server.warm_up(eval_id)
        return ask_regularly(server, eval_id, lambda: server.create_run(eval_id, source), seconds)


def ask_regularly(server: Server, eval_id: str, create_run: Callable[[], str], seconds: float) -> list[Latency]:
    """Ask ten times a second for a run and its newest items, while there is always a run in progress.

    Args:
        server: The server to ask.
        eval_id: The eval of the runs.
        create_run: Starts a run, and returns its id.
        seconds: How long to ask.
    """
    waits: dict[str, list[float]] = {"GET run": [], f"list {_LISTED} items": []}
    run_id = create_run()
    next_round = time.perf_counter()
    deadline = next_round + seconds
    while next_round < deadline:
        time.sleep(max(0.0, next_round - time.perf_counter()))
        run, wait_ms = _timed(server, f"/v1/evals/{eval_id}/runs/{run_id}")
        waits["GET run"].append(wait_ms)
        items_path = f"/v1/evals/{eval_id}/runs/{run_id}/output_items?limit={_LISTED}"
        waits[f"list {_LISTED} items"].append(_timed(server, items_path)[1])
        if run["status"] not in ("queued", "in_progress"):
            run_id = create_run()
        next_round += 1 / _ROUNDS_A_SECOND
    return [_summary(request, sorted(each)) for request, each in waits.items()]


def print_latencies(head: str, latencies: Sequence[Latency], console: Console) -> None:
    """Print the table."""
    waits = table(head, "Requests", "p50 ms", "p99 ms", "Longest ms")
    for each in latencies:
        waits.add_row(each.request, str(each.count), f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}", f"{each.max_ms:.1f}")
    console.print(waits)


def _timed(server: Server, path: str) -> tuple[dict[str, object], float]:
    started = time.perf_counter()
    response = server.client.get(path)
    wait_ms = 1000 * (time.perf_counter() - started)
    return answer_of(response), wait_ms


def _summary(request: str, waits: list[float]) -> Latency:
    def percentile(share: float) -> float:
        return waits[min(len(waits) - 1, int(share * len(waits)))]

    return Latency(request, len(waits), percentile(0.5), percentile(0.99), waits[-1])
