"""A real server in a directory of its own, driven over HTTP and watched from outside."""

import contextlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil

from benchmarks.tickets import EVAL, MODEL, QUESTION, question

DATABASE = "evalhaven.db"
_READY_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 30.0
_WATCH_S = 0.005
_POLL_S = 0.005


class BenchmarkError(Exception):
    """The server did not do what is measured here, so the figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        process: The server; the executor is its child.
        data_dir: Holds its database and blobs.
    """

    process: psutil.Process
    client: httpx2.Client
    data_dir: Path

    def processes(self) -> dict[str, psutil.Process]:
        """Return all processes of the server by their role; that which makes columns is there while it is needed."""
        children = {child.cmdline()[3]: child for child in self.process.children()}
        if "executor" not in children:
            raise BenchmarkError("The server has no executor.")
        calculators = children["executor"].children(recursive=True)
        if len(calculators) > 1:
            raise BenchmarkError(f"The executor has {len(calculators)} child processes; one for columns was expected.")
        return {"server": self.process, **children, **dict(zip(("columns",), calculators, strict=False))}

    def upload_rows(self, rows: Path) -> str:
        """Upload a file of rows; return its id."""
        with rows.open("rb") as file:
            upload = {"file": ("tickets.jsonl", file, "application/jsonl")}
            return answer_of(self.client.post("/v1/files", data={"purpose": "evals"}, files=upload))["id"]

    def create_eval(self) -> str:
        """Create the eval of the tickets; return its id."""
        return answer_of(self.client.post("/v1/evals", json=EVAL))["id"]

    def create_run(self, eval_id: str, source: dict[str, Any], *, is_sampled: bool = False) -> str:
        """Start a run over a source of rows, with recorded answers or sampled; return its id."""
        data_source: dict[str, Any] = {"type": "jsonl", "source": source}
        if is_sampled:
            messages = {"type": "template", "template": QUESTION}
            data_source |= {"type": "completions", "model": MODEL, "input_messages": messages}
        body = {"data_source": data_source}
        return answer_of(self.client.post(f"/v1/evals/{eval_id}/runs", json=body))["id"]

    def warm_up(self, eval_id: str, *, is_sampled: bool = False) -> None:
        """Run one item: the server is ready before its executor has loaded everything, as users see it too."""
        source = {"type": "file_content", "content": [{"item": question(0)}]}
        self.wait_for_run(self.create_run(eval_id, source, is_sampled=is_sampled))

    def get_run(self, eval_id: str, run_id: str) -> dict[str, Any]:
        """Return a run as the API shows it."""
        return answer_of(self.client.get(f"/v1/evals/{eval_id}/runs/{run_id}"))

    def watch_run(self, eval_id: str, run_id: str) -> float:
        """Ask for a run again and again, as a client does; return the clock when it was seen to have ended."""
        while self.get_run(eval_id, run_id)["status"] in ("queued", "in_progress"):
            time.sleep(_POLL_S)
        return time.perf_counter()

    def list_runs(self, eval_id: str) -> list[dict[str, Any]]:
        """Return the newest runs of an eval as the API shows them."""
        return answer_of(self.client.get(f"/v1/evals/{eval_id}/runs"))["data"]

    def wait_for_run(self, run_id: str, watch_s: float = _WATCH_S) -> tuple[float, float]:
        """Wait for the end of a run; return the clock (`time.perf_counter`) when it was planned and when it ended.

        This watches the database, not the API: that is exact, and costs the server nothing.

        Args:
            run_id: The run.
            watch_s: Seconds between two looks.
        """
        planned = 0.0
        query = "SELECT status, items_planned FROM runs WHERE public_id = ?"
        uri = f"{(self.data_dir / DATABASE).resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=30, isolation_level=None)) as connection:
            while True:
                status, items_planned = connection.execute(query, (run_id,)).fetchone()
                now = time.perf_counter()
                planned = planned or (now if items_planned is not None else 0.0)
                if status not in ("queued", "in_progress"):
                    return planned, now
                time.sleep(watch_s)


def answer_of(response: httpx2.Response) -> dict[str, Any]:
    """Return the JSON body of a response that must be a success."""
    if not response.is_success:
        raise BenchmarkError(f"{response.request.method} {response.request.url.path}: {response.text}")
    return response.json()


def free_port() -> int:
    """Return a port that nothing listens on."""
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def started_server(
    data_dir: Path,
    settings: Mapping[str, str] | None = None,
    python: str = sys.executable,
    arguments: Sequence[str] = (),
) -> Generator[Server]:
    """Start a server on a free port; it is stopped at the end of the block.

    Args:
        data_dir: Its data directory, which it creates.
        settings: Its variables `EVALHAVEN_…`; it gets no others of that prefix.
        python: The interpreter that executes it, with Evalhaven installed.
        arguments: Further options of `serve`.
    """
    port = free_port()
    command = [python, "-m", "evalhaven", "serve", "--port", str(port), "--data-dir", str(data_dir), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EVALHAVEN_")}
    child = subprocess.Popen(command, env={**environment, "EVALHAVEN_LOG_LEVEL": "warning", **(settings or {})})
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=600) as client:
            _wait_until_ready(client, child)
            yield Server(psutil.Process(child.pid), client, data_dir)
    finally:
        child.terminate()
        try:
            child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait_until_ready(client: httpx2.Client, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while child.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx2.TransportError):
            if client.get("/readyz").is_success:
                return
        time.sleep(0.05)
    raise BenchmarkError(f"The server was not ready within {_READY_TIMEOUT_S:.0f} seconds.")


def cpu_seconds(processes: dict[str, psutil.Process]) -> float:
    """Return the CPU time that these processes have used, in user and in system mode."""
    times = [process.cpu_times() for process in processes.values()]
    return sum(time.user + time.system for time in times)


def peak_memory_bytes(pid: int | None = None) -> int:
    """Return the most memory that a process ever held (VmHWM), or what it holds now if there is no such figure.

    Args:
        pid: The process; this one if absent.
    """
    status = Path(f"/proc/{pid or os.getpid()}/status")
    if not status.exists():
        return psutil.Process(pid).memory_info().rss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
