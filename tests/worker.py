"""A real `evalhaven worker` for tests: start, SIGKILL, SIGSTOP, stop."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil

from tests.forked import ForkedServer
from tests.server import Server
from tests.sizes import IS_SOAK

_STOP_TIMEOUT_S = 30.0


class Worker:
    """One worker, a process and its children, beside a server of a PostgreSQL database."""

    def __init__(self, server: Server, log_path: Path, *arguments: str, **environment: str) -> None:
        """Choose whose runs it executes.

        Args:
            server: Whose database, files and endpoints it uses.
            log_path: Where its log goes.
            arguments: Options of the command.
            environment: Variables beyond those of the server.
        """
        self._server = server
        self._arguments = arguments
        self._environment = environment
        self.log_path = log_path
        self._process: ForkedServer | subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """Everything that was logged."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def processes(self) -> Iterator[psutil.Process]:
        """The process and its child, where they live."""
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self._process.pid)
            yield parent
            yield from parent.children(recursive=True)

    def start(self) -> "Worker":
        """Start the process; whether it has registered is said by the database."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("EVALHAVEN_", "OPENAI_"))
        }
        environment = {**inherited, **self._server.environment, **self._environment}
        arguments = ["worker", "--data-dir", str(self._server.data_dir), *self._arguments]
        if not IS_SOAK:
            self._process = ForkedServer(arguments, self.log_path, environment)
            return self
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "evalhaven", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        return self

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and its child."""
        for process in list(self.processes):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def kill(self) -> None:
        """Kill process and child."""
        self.send_signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(_STOP_TIMEOUT_S)

    def terminate(self) -> None:
        """Tell it to end, as a service manager does."""
        assert self._process is not None
        self._process.terminate()

    def stop(self) -> int | None:
        """End it as a service manager does, and return its exit status."""
        if self._process is None:
            return None
        self.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            return self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.returncode

    @contextlib.contextmanager
    def running(self) -> "Generator[Worker]":
        """Start, and stop at the end whatever happened between."""
        try:
            yield self.start()
        finally:
            self.stop()
