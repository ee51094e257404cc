"""Servers of the tests as forks of one process that has Evalhaven loaded: to load it is most of a start's CPU.

`evalhaven serve` runs as from a command line: with arguments, an environment, standard streams and signals of its own.
Its children, the executor and the recorder, are processes with interpreters of their own, as always.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from evalhaven.app import server
from evalhaven.cli.main import main

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


class ForkedServer:
    """One `evalhaven serve`, with what the tests use of `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], log_path: Path, environment: Mapping[str, str]) -> None:
        """Start the process.

        Args:
            arguments: What follows `evalhaven`.
            log_path: Standard output and standard error are appended to this file.
            environment: All of its variables.
        """
        self._process = _FORKS.Process(target=_run, args=(list(arguments), str(log_path), dict(environment)))
        self._process.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once there is one.

        Raises:
            subprocess.TimeoutExpired: There is none yet.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("evalhaven serve", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tell it to end."""
        self.send_signal(signal.SIGTERM)


def _run(arguments: list[str], log_path: str, environment: dict[str, str]) -> None:
    assert server  # loaded before the fork, since the command would load it
    os.environ.clear()
    os.environ.update(environment)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for source, stream in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, stream)
    sys.argv = ["evalhaven", *arguments]
    main()
