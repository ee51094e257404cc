"""Groups of processes that end with this process, however it ends.

A guard leads the group and reads a pipe whose other end only this process holds. When that end closes, even by a
SIGKILL, the guard kills its whole group. So nothing has to be done in a command's process before it starts, and no
command is ever outside of a group. The guard ignores the SIGTERM that ends what a command has left.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress

# `_signal`, since `signal` takes ten times as long to be imported.
_GUARD = "import os, _signal\n_signal.signal(15, _signal.SIG_IGN)\nos.write(1, b'!')\nos.read(0, 1)\nos.killpg(0, 9)"


class ProcessGroup:
    """A group of processes, alive as long as its guard is."""

    def __init__(self) -> None:
        """Start the guard, and wait until it is on guard."""
        self._guard = subprocess.Popen(  # noqa: S603 - this interpreter, with a text of ours
            [sys.executable, "-I", "-S", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            process_group=0,
        )
        if self._guard.stdout is not None:
            with self._guard.stdout as ready:
                ready.read(1)

    @property
    def id(self) -> int:
        """Return the number of the group."""
        return self._guard.pid

    @property
    def is_alive(self) -> bool:
        """Tell whether processes can be started in it."""
        return self._guard.poll() is None

    def end_others(self) -> None:
        """Ask the processes that are left of a command to end; the group can be used again."""
        if self._guard.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._guard.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End all of its processes; what left the group before goes on."""
        # The number is the guard's until it is waited for, so nobody else can have it.
        if self._guard.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._guard.pid, signal.SIGKILL)
            self._guard.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()
