"""A real server process for tests: start, stop, SIGKILL, start again on the same port and data directory.

    server = Server(tmp_path, EVALHAVEN_MAX_BODY_MB="1")
    with server.running():
        httpx2.get(f"{server.url}/v1/evals")
        server.kill()      # SIGKILL, as by the kernel
        server.restart()   # returns when /readyz says so

Add `pytest_runtest_makereport = show_server_logs` to a conftest.py, and a failed test shows what its servers logged
since the last test, and once more, below, what failed.
"""

import contextlib
import functools
import itertools
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx2
import pytest

from evalhaven.storage.database import sqlite_url
from evalhaven.storage.schema import upgrade_database
from tests.forked import ForkedServer
from tests.quick_clock import VARIABLE
from tests.sizes import IS_SOAK

_READY_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_POLL_S = 0.02
_PORTS = 1_000
_QUICK = "tests.quick_clock"
_SHOWN_LOG_CHARS = 4000

# Servers whose logs a failure shows, and how long each log was after the last test. A server that ended stays here
# until the test's last report.
_shown: "dict[Server, int]" = {}


# Whatever a test calls its model, it is answered, and by nothing but rules; SLOW_MODEL takes SLOW_ITEM_S an item.
SLOW_MODEL = "slow"
_SLOW_CALLS, _SLOW_MS = 4, 60
SLOW_ITEM_S = _SLOW_MS / _SLOW_CALLS / 1000
SLOW_ENDPOINT = f"""
[endpoints.slow]
scripted = true
models = ["{SLOW_MODEL}"]
max_concurrency = {_SLOW_CALLS}
start_concurrency = {_SLOW_CALLS}
rules = [{{ answer = "Yes.", latency_ms = {_SLOW_MS} }}]
"""
_ENDPOINTS = f"""
{SLOW_ENDPOINT}
[endpoints.rules]
scripted = true
"""


class Server:
    """One `evalhaven serve` on loopback; it is not running until `start`.

    Attributes:
        key: The API key that its clients send; None while it has none.
    """

    # A soak starts the command each time.
    _is_forked = not IS_SOAK
    key: str | None = None

    def __init__(self, directory: Path, database_url: str | None = None, *arguments: str, **environment: str) -> None:
        """Choose a free port and the data directory.

        Args:
            directory: An existing directory that is this server's own: `data` and `server.log` come to stand in it.
            database_url: A PostgreSQL database, or None for SQLite (tests/databases.py has both).
            arguments: What follows `serve`, such as `--no-worker`.
            environment: Variables beyond those of the tests' own process, such as EVALHAVEN_MAX_BODY_MB="1".
                Without EVALHAVEN_GATEWAY there is no gateway, and hence no recorder to start.
        """
        self.data_dir = directory / "data"
        self.log_path = directory / "server.log"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.database_url = database_url
        self._arguments = arguments
        self._environment = environment
        if not environment.keys() & {"EVALHAVEN_CONFIG", "EVALHAVEN_UPSTREAM_BASE_URL"}:
            config = directory / "evalhaven.toml"
            config.write_text(_ENDPOINTS)
            self._environment["EVALHAVEN_CONFIG"] = str(config)
        self._environment.setdefault("EVALHAVEN_GATEWAY", "off")
        if database_url is not None:
            self._environment["EVALHAVEN_DATABASE_URL"] = database_url
        self._process: ForkedServer | subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> ForkedServer | subprocess.Popen[bytes]:
        """The process of the last start; its `pid` is the server's."""
        if self._process is None:
            raise RuntimeError("the server was never started")
        return self._process

    @property
    def headers(self) -> dict[str, str]:
        """What its clients send with each request."""
        return headers_with(self.key)

    @property
    def of_commands(self) -> dict[str, str]:
        """The variables by which commands find it."""
        return variables_for(self.url, self.key)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it gets beyond those of the tests' own process."""
        return dict(self._environment)

    def set_default(self, **environment: str) -> None:
        """Give it variables from its next start on, except for those that it was made with."""
        for name, value in environment.items():
            self._environment.setdefault(name, value)

    @property
    def data_dirs(self) -> list[Path]:
        """Every directory in which it keeps anything."""
        return [self.data_dir]

    @property
    def servers(self) -> "list[Server]":
        """The server itself; `Replicas` are several."""
        return [self]

    @property
    def is_up(self) -> bool:
        """Whether it was started and its process has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def database_path(self) -> Path:
        return self.data_dir / "evalhaven.db"

    @property
    def log(self) -> str:
        """Everything that was logged since the first start, by the executor too."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @contextlib.contextmanager
    def running(self) -> "Generator[Server]":
        """Start, and stop at the end whatever happened between."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def start(self, *, wait_until_ready: bool = True) -> None:
        """Start the process; return when requests and runs are served."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("EVALHAVEN_", "OPENAI_"))
        }
        environment = {**inherited, **self._environment}
        arguments = ["serve", "--port", str(self.port), "--data-dir", str(self.data_dir), *self._arguments]
        if self.database_url is None and not self.data_dir.exists():
            self._make_database()
        self._process = (
            ForkedServer(arguments, self.log_path, environment)
            if self._is_forked
            else self._popen(arguments, environment)
        )
        _shown.setdefault(self, 0)
        if wait_until_ready:
            self.wait_until_ready()

    def _popen(self, arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", _QUICK if VARIABLE in environment else "evalhaven", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )

    def _make_database(self) -> None:
        """Give the server a new database, which it would otherwise make with Alembic; that takes a third of a start."""
        self.data_dir.mkdir(mode=0o700)
        self.database_path.touch(mode=0o600)
        self.database_path.write_bytes(_new_database())

    def wait_until_ready(self) -> None:
        """Return when /readyz answers 200.

        Raises:
            RuntimeError: The process ended, or it took too long; with the log.
        """
        deadline = time.monotonic() + _READY_TIMEOUT_S
        with self._probe() as probe:
            while time.monotonic() < deadline:
                if not self.is_up:
                    raise RuntimeError(f"the server ended with status {self.process.returncode}:\n{self.log}")
                with contextlib.suppress(httpx2.TransportError):
                    if probe.get("/readyz").status_code == 200:
                        return
                time.sleep(_POLL_S)
        raise RuntimeError(f"the server was not ready within {_READY_TIMEOUT_S:.0f} s:\n{self.log}")

    def answers(self) -> bool:
        """Whether /healthz answers, ready or not."""
        with self._probe() as probe, contextlib.suppress(httpx2.TransportError):
            return probe.get("/healthz").status_code == 200
        return False

    def _probe(self) -> httpx2.Client:
        # Certificates, which plain HTTP never asks for, take 17 ms of CPU to load: polling took as much as the start.
        return httpx2.Client(base_url=self.url, timeout=5, trust_env=False, verify=False)

    def stop(self) -> int | None:
        """End the process as a service manager does (SIGTERM); return its exit status, None if it never started."""
        if self._process is None:
            return None
        if self.is_up:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._process.returncode

    def kill(self) -> None:
        """Kill the server with SIGKILL and wait until it is gone; its executor dies with it by itself."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(_STOP_TIMEOUT_S)

    def restart(self, *, wait_until_ready: bool = True) -> None:
        """Start again on the same port and data; a server still up is stopped first."""
        if self.is_up:
            self.stop()
        self.start(wait_until_ready=wait_until_ready)


class CommandServer(Server):
    """One that is the command itself: for facts about how that starts and ends."""

    _is_forked = False


def headers_with(key: str | None) -> dict[str, str]:
    """Return the headers of a client that has a key, or none."""
    return {} if key is None else {"authorization": f"Bearer {key}"}


def variables_for(url: str, key: str | None) -> dict[str, str]:
    """Return the variables of a command that speaks with a server."""
    return {"EVALHAVEN_URL": url, **({} if key is None else {"EVALHAVEN_API_KEY": key})}


@functools.cache
def _new_database() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "evalhaven.db"
        upgrade_database(sqlite_url(path))
        return path.read_bytes()


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens, and on which nothing will before the caller does.

    The system hands out ports from 32768 up, to connections and to listeners on port 0 alike; one of those could be
    taken between this answer and the caller's start. These are lower, and each process of the tests has its own.
    """
    for port in itertools.islice(_ports, _PORTS):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("every port of these tests is taken")


def _own_ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    lowest = 20_000 + worker % 12 * _PORTS
    ports = range(lowest, lowest + _PORTS)
    first = os.getpid() % _PORTS
    return itertools.cycle([*ports[first:], *ports[:first]])


_ports = _own_ports()


@pytest.hookimpl(wrapper=True)
def show_server_logs() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Be the hook `pytest_runtest_makereport`: add the logs of the test's servers to a failure's report."""
    report = yield
    if report.failed:
        report.sections += list(_log_sections(report.longreprtext))
    if report.when == "teardown":
        kept = {server: server.log_path.stat().st_size for server in _shown if server.is_up}
        _shown.clear()
        _shown.update(kept)
    return report


def _log_sections(failure: str) -> Iterator[tuple[str, str]]:
    for server, length in _shown.items():
        logged = server.log_path.read_bytes()[length:].decode(errors="replace")
        if logged:
            state = "up" if server.is_up else f"ended with status {server.process.returncode}"
            yield f"log of {server.url}, {state}", logged[-_SHOWN_LOG_CHARS:]
    # Whoever shows only the end of an output shows this.
    yield "what failed", "\n".join(line for line in failure.splitlines() if line.startswith(("E ", ">", "tests/")))
