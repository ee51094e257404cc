"""Servers of the tests as forks of one process that has Evalhaven loaded: to load it is most of a start's CPU.

`evalhaven serve` runs as from a command line: with arguments, an environment, standard streams and signals of its own.
So do its first children, the executor and the recorder (tests/stand_ins.py); those that come after the death of one
are started as always.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from evalhaven.app import executor, own_server, recorder, sampler, server, worker
from evalhaven.cli.main import main
from tests.quick_clock import use_quick_clock
from tests.stand_ins import become, use_stand_ins

_LOADED = (
    executor,
    own_server,
    recorder,
    sampler,
    server,
    worker,
)  # before the fork, since the commands would load them
FORKS = multiprocessing.get_context("forkserver")
# The name that nothing has makes room for the command lines that its descendants show instead of its own.
FORKS.set_forkserver_preload([__name__, "_" * 2_000])


class ForkedServer:
    """One `evalhaven serve`, with what the tests use of `subprocess.Popen`."""

    def __init__(self, arguments: Sequence[str], log_path: Path, environment: Mapping[str, str]) -> None:
        """Start the process.

        Args:
            arguments: What follows `evalhaven`.
            log_path: Standard output and standard error are appended to this file.
            environment: All of its variables.
        """
        self._process = FORKS.Process(target=_run, args=(list(arguments), str(log_path), dict(environment)))
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
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for descriptor, stream in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, stream)
    become(["evalhaven", *arguments], environment)
    use_stand_ins(count_children(arguments, environment))
    use_quick_clock(environment)
    main()


def count_children(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Return how many children a command starts, if it is one that does."""
    if not arguments or arguments[0] not in ("serve", "worker"):
        return 0
    has_executor = "--no-worker" not in arguments
    has_recorder = arguments[0] == "serve" and not (
        environment.get("EVALHAVEN_GATEWAY") == "off" or environment.get("EVALHAVEN_LOG_CALLS") == "none"
    )
    return has_executor + has_recorder
