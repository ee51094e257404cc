"""The endpoint of `benchmarks.upstream` in a process and on a core of its own, and a server's settings for it."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.cores import ENDPOINT, on_core
from benchmarks.server import BenchmarkError, answer_of, free_port
from benchmarks.upstream import Behaviour

_START_TIMEOUT_S = 10.0
CONFIG = """
[endpoints.bench]
base_url = "{url}"
max_concurrency = {in_flight}
start_concurrency = {in_flight}
"""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A running endpoint."""

    base_url: str

    def stats(self) -> dict[str, Any]:
        """Return the counts so far."""
        return answer_of(httpx2.get(f"{self.base_url}/stats", trust_env=False))

    def settings(self, in_flight: int, config: Path | None = None) -> dict[str, str]:
        """Return the environment variables of a server that calls it.

        Args:
            in_flight: Most calls in flight.
            config: A file to write, which allows that many from the start; without it the number grows.
        """
        if config is None:
            limit = str(in_flight)
            return {"EVALHAVEN_UPSTREAM_BASE_URL": self.base_url, "EVALHAVEN_UPSTREAM_MAX_CONCURRENCY": limit}
        config.write_text(CONFIG.format(url=self.base_url, in_flight=in_flight), encoding="utf-8")
        return {"EVALHAVEN_CONFIG": str(config)}


@contextlib.contextmanager
def started_upstream(behaviour: Behaviour) -> Generator[Upstream]:
    """Start an endpoint on a free port; it is stopped at the end of the block."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.upstream", str(port), *behaviour.arguments()]
    with on_core(ENDPOINT):
        child = subprocess.Popen(command)
    try:
        upstream = Upstream(f"http://127.0.0.1:{port}/v1")
        _wait_until_ready(upstream, child)
        yield upstream
    finally:
        child.terminate()
        child.wait()


def _wait_until_ready(upstream: Upstream, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while child.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(httpx2.TransportError):
            upstream.stats()
            return
        time.sleep(0.05)
    raise BenchmarkError(f"The endpoint did not listen within {_START_TIMEOUT_S:.0f} seconds.")
