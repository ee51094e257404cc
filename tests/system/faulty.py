"""The faulty upstream in a process of its own, and a server that asks it."""

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from tests.databases import TemporaryDatabase
from tests.server import Server

MODEL = "faulty-1"

_CONFIG = """
[endpoints.faulty]
base_url = "{url}"
models = ["*"]
max_concurrency = {concurrency}
start_concurrency = {concurrency}
timeout_s = {timeout_s}
retry_for_s = {retry_for_s}
"""


class FaultyUpstream:
    """Addresses of the process, and what it counted."""

    def __init__(self, url: str, control_url: str) -> None:
        self.url = url
        self._control_url = control_url

    def stats(self) -> dict[str, Any]:
        """Return its counts."""
        return httpx2.get(f"{self._control_url}/stats", trust_env=False).json()

    def answered(self) -> dict[str, int]:
        """Return how many times each prompt was answered."""
        return httpx2.get(f"{self._control_url}/stats/prompts", trust_env=False, timeout=30).json()

    def reset(self) -> None:
        """Forget what was counted."""
        httpx2.get(f"{self._control_url}/stats/reset", trust_env=False).raise_for_status()

    def calls(self) -> list[tuple[float, str]]:
        """Return when each request came, and with which key, if `keep_calls` was set."""
        got = httpx2.get(f"{self._control_url}/stats/calls", trust_env=False, timeout=30).json()
        return [(at, key) for at, key in got]

    def change(self, **behaviour: float) -> None:
        """Change its behaviour from now on."""
        httpx2.get(f"{self._control_url}/config", params=behaviour, trust_env=False).raise_for_status()


@contextmanager
def faulty_upstream(**behaviour: float) -> Generator[FaultyUpstream]:
    """Run the process for a block."""
    options = [f"--{name.replace('_', '-')}={value}" for name, value in behaviour.items()]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.upstream", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent.parent.parent,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield FaultyUpstream(**json.loads(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


@contextmanager
def asking_server(
    directory: Path,
    temporary_database: TemporaryDatabase,
    upstream: FaultyUpstream,
    concurrency: int,
    timeout_s: float = 30.0,
    retry_for_s: float = 180.0,
) -> Generator[Server]:
    """Run a server that calls the upstream for every model."""
    config = directory / "evalhaven.toml"
    limits = {"concurrency": concurrency, "timeout_s": timeout_s, "retry_for_s": retry_for_s}
    config.write_text(_CONFIG.format(url=upstream.url, **limits))
    with (
        temporary_database() as url,
        Server(directory, url, EVALHAVEN_CONFIG=str(config)).running() as server,
    ):
        yield server
