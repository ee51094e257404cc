"""Groups of processes that end with this process, however it ends.

A guard leads the group and reads a pipe whose other end only this process holds. When that end closes, even by a
SIGKILL, the guard kills its whole group. So nothing has to be done in a command's process before it starts, and no
command is ever outside of a group.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress

_GUARD = "import os\nos.read(0, 1)\nos.killpg(0, 9)"


class ProcessGroup:
    """A group of processes, alive as long as its guard is."""

    def __init__(self) -> None:
        """Start the guard."""
        self._guard = subprocess.Popen(  # noqa: S603 - this interpreter, with a text of ours
            [sys.executable, "-I", "-S", "-c", _GUARD],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            process_group=0,
        )

    @property
    def id(self) -> int:
        """Return the number of the group."""
        return self._guard.pid

    @property
    def is_alive(self) -> bool:
        """Tell whether processes can be started in it."""
        return self._guard.poll() is None

    def kill(self) -> None:
        """End all of its processes; what left the group before goes on."""
        # The number is the guard's until it is waited for, so nobody else can have it.
        if self._guard.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._guard.pid, signal.SIGKILL)
            self._guard.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()
