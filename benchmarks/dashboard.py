"""The dashboard: what a browser loads, a table of very many rows in a tab, and the API beside many open streams."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import httpx2
from rich.console import Console

from benchmarks.endpoint import started_upstream
from benchmarks.latency import Latency, ask_regularly, print_latencies
from benchmarks.server import BenchmarkError, Server, started_server
from benchmarks.tickets import write_rows
from benchmarks.upstream import Behaviour
from benchmarks.verdicts import Verdict, print_verdicts

STREAMS = 200
_STREAMED_ITEMS = 200_000
_STREAMED_LATENCY_MS = 1000.0
_STREAMED_S = 30.0
_LOADS = 5
_ROUNDS = 40
_STOPS = 500  # places where the table is stopped on its way to the last row, which takes longer than pages are kept
_STOP_MS = 150
_KB, _MB = 1024, 1024 * 1024
ITEM_QUESTIONS: dict[str, dict[str, Any]] = {
    "the first page": {},
    "a page in the middle": {"from": 0.5},
    "the last page": {"from": 0.9999},
    "failed": {"status": "fail"},
    "failed by a criterion": {"failed": "exact"},
    "a group": {"group": "ideal:Hardware"},
    "failed of a group": {"status": "fail", "group": "ideal:Other"},
    "a range of scores": {"least_score": 0.5},
    "lowest scores first": {"sort": "score"},
    "highest scores first": {"sort": "score", "order": "desc"},
    "most tokens first": {"sort": "tokens", "order": "desc"},
    "slowest first": {"sort": "latency", "order": "desc"},
}
"""Parameters of `/api/runs/{id}/items`; `from` as a share of the run's items."""


@dataclass(frozen=True, slots=True)
class DashboardFigures:
    """What was measured.

    Attributes:
        items: Items of the run whose table was scrolled.
        first_load_kb: What a browser that was never here transfers for the list of evals.
        ready_ms: Median of the time until that list can be used.
        table_ready_ms: The same for the table of items.
        pages_ms: 95th percentile of a page of the table, by filter and order.
        heap_mb: Memory of the tab's objects at the first row, half-way to the last, and there.
        nodes: Nodes of the tab's document at these moments.
        streams: How the API answers while so many streams of events are open.
        streamed: Events of all these streams.
    """

    items: int
    first_load_kb: float
    ready_ms: float
    table_ready_ms: float
    pages_ms: dict[str, float]
    heap_mb: list[float]
    nodes: list[int]
    streams: list[Latency]
    streamed: int


def measure_dashboard(items: int, directory: Path, console: Console) -> DashboardFigures:
    """Measure a run of so many items in a browser, then the API beside streams.

    Args:
        items: How many.
        directory: An empty directory for everything that is written.
        console: Where to say how far it is.
    """
    with started_server(directory / "data", {"EVALHAVEN_MAX_FILE_MB": "2048"}) as server:
        console.print(f"executing a run of {items:,} items …")
        eval_id, run_id = _prepare(server, items, directory / "rows.jsonl")
        pages = {name: _page_ms(server, run_id, items, question) for name, question in ITEM_QUESTIONS.items()}
        console.print("looking at it in a browser …")
        with _opened_browser() as browser:
            first_load_kb, ready_ms = _load(browser, server, "/ui/evals", "table tbody tr")
            address = f"/ui/evals/{eval_id}/runs/{run_id}/items"
            _, table_ready_ms = _load(browser, server, address, "[role=grid] [role=row][aria-rowindex='2'] .outcome")
            heap_mb, nodes = _scroll(browser, server, address, items)
    console.print(f"asking the API beside {STREAMS} streams …")
    streams, streamed = _measure_streams(directory)
    return DashboardFigures(items, first_load_kb, ready_ms, table_ready_ms, pages, heap_mb, nodes, streams, streamed)


def print_dashboard(found: DashboardFigures, console: Console) -> None:
    """Print the figures beside their targets."""
    print_latencies(f"Beside {STREAMS} open streams, {found.streamed:,} events", found.streams, console)
    begun, half, last = (f"{mb:.1f} MB, {nodes:,} nodes" for mb, nodes in zip(found.heap_mb, found.nodes, strict=True))
    console.print(f"the tab at the first of {found.items:,} rows: {begun}; half-way {half}; at the last {last}")
    print_verdicts(
        [
            Verdict("first load (KB)", found.first_load_kb, 250),
            Verdict("list of evals ready (ms)", found.ready_ms, 1000),
            Verdict("table of items ready (ms)", found.table_ready_ms, 1000),
            *(Verdict(f"{name}, p95 (ms)", value, 20) for name, value in found.pages_ms.items()),
            Verdict("the tab's memory at the last row to half-way", found.heap_mb[2] / found.heap_mb[1], 1.1),
            *(Verdict(f"{each.request} beside streams, p99 (ms)", each.p99_ms, 50) for each in found.streams),
        ],
        console,
    )


def _prepare(server: Server, items: int, rows: Path) -> tuple[str, str]:
    """Execute a run; return its eval's id and its own once its table can be sorted."""
    write_rows(rows, items)
    eval_id = server.create_eval()
    run_id = server.create_run(eval_id, {"type": "file_id", "id": server.upload_rows(rows)})
    rows.unlink()
    server.wait_for_run(run_id, 0.5)
    while not server.client.get(f"/api/runs/{run_id}/items", params={"sort": "score"}).is_success:
        time.sleep(0.2)
    return eval_id, run_id


def _page_ms(server: Server, run_id: str, items: int, question: dict[str, Any]) -> float:
    if "from" in question:
        question = {**question, "from": int(question["from"] * items)}
    waits: list[float] = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        answer = server.client.get(f"/api/runs/{run_id}/items", params=question)
        waits.append(1000 * (time.perf_counter() - started))
        if not answer.is_success:
            raise BenchmarkError(f"{answer.request.url}: {answer.text}")
    return quantiles(waits, n=20)[-1]


@contextmanager
def _opened_browser() -> Generator[Any]:
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only where a browser is measured
    except ImportError as error:
        raise BenchmarkError("Playwright is not installed: run make setup.") from error
    found = os.environ.get("CHROMIUM_PATH") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise BenchmarkError("There is no Chromium: apt install chromium.")
    options = ["--disable-dev-shm-usage", "--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=options)
        yield browser
        browser.close()


def _load(browser: Any, server: Server, address: str, ready: str) -> tuple[float, float]:
    """Open an address in browsers that were never here; return the KB of the first load and the median time in ms."""
    waits: list[float] = []
    transferred = 0.0
    for _ in range(_LOADS):
        context = browser.new_context(base_url=str(server.client.base_url), viewport={"width": 1280, "height": 900})
        page = context.new_page()
        devtools = context.new_cdp_session(page)
        devtools.send("Network.enable")
        sizes: list[float] = []

        def hear(event: dict[str, Any], sizes: list[float] = sizes) -> None:
            sizes.append(event["encodedDataLength"])

        devtools.on("Network.loadingFinished", hear)
        started = time.perf_counter()
        page.goto(address, wait_until="commit")
        page.locator(ready).first.wait_for()
        waits.append(1000 * (time.perf_counter() - started))
        transferred = sum(sizes) / _KB
        context.close()
    return transferred, median(waits)


def _scroll(browser: Any, server: Server, address: str, items: int) -> tuple[list[float], list[int]]:
    """Scroll through a table to its last row; return memory in MB and nodes at the first row, half-way and the last."""
    context = browser.new_context(base_url=str(server.client.base_url), viewport={"width": 1280, "height": 900})
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("Performance.enable")
    heap_mb: list[float] = []
    nodes: list[int] = []
    page.goto(address)
    for stop in range(_STOPS + 1):
        page.evaluate(
            "share => { const grid = document.querySelector('[role=grid]');"
            " if (grid) grid.scrollTop = share * (grid.scrollHeight - grid.clientHeight); }",
            stop / _STOPS,
        )
        if stop in (0, _STOPS // 2, _STOPS):
            seen = "[aria-rowindex='2'] " if stop == 0 else f"[aria-rowindex='{items + 1}'] " if stop == _STOPS else ""
            page.locator(f"[role=grid] [role=row]{seen} .outcome").first.wait_for()
            devtools.send("HeapProfiler.collectGarbage")
            metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
            heap_mb.append(metrics["JSHeapUsedSize"] / _MB)
            nodes.append(int(metrics["Nodes"]))
        page.wait_for_timeout(_STOP_MS)
    context.close()
    return heap_mb, nodes


def _measure_streams(directory: Path) -> tuple[list[Latency], int]:
    """Ask the API ten times a second while a run is executed that many watch; return also how many events came."""
    rows = directory / "streamed.jsonl"
    write_rows(rows, _STREAMED_ITEMS)
    with ExitStack() as stack:
        upstream = stack.enter_context(started_upstream(Behaviour(_STREAMED_LATENCY_MS)))
        server = stack.enter_context(started_server(directory / "streamed", upstream.settings(100)))
        eval_id = server.create_eval()
        server.warm_up(eval_id, is_sampled=True)
        source = {"type": "file_id", "id": server.upload_rows(rows)}
        run_id = server.create_run(eval_id, source, is_sampled=True)
        watchers = stack.enter_context(_watched(server, run_id, STREAMS))
        latencies = ask_regularly(server, eval_id, lambda: run_id, _STREAMED_S)
        return latencies, watchers()


@contextmanager
def _watched(server: Server, run_id: str, streams: int) -> Generator[Callable[[], int]]:
    """Open so many streams of a run's events; yield what tells how many events have come, and close them at the end."""
    counts = [0] * streams
    clients = [httpx2.Client(base_url=server.client.base_url, timeout=None) for _ in range(streams)]
    is_ending = threading.Event()

    def watch(number: int) -> None:
        try:
            with clients[number].stream("GET", "/api/events", params={"runs": run_id}) as answer:
                for chunk in answer.iter_bytes():
                    counts[number] += chunk.count(b"event:")
                    if is_ending.is_set():
                        return
        except httpx2.TransportError:
            if not is_ending.is_set():
                raise

    threads = [threading.Thread(target=watch, args=(number,), daemon=True) for number in range(streams)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while not all(counts):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"Only {sum(map(bool, counts))} of {streams} streams were opened.")
        time.sleep(0.05)
    yield lambda: sum(counts)
    is_ending.set()
