"""Ends a process together with the one that started it: for hosts, and for all our other child processes."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> bool:
    """Let the kernel kill this process when the thread that started it ends; end at once if its process is gone.

    Args:
        parent_pid: Process that must still be the parent; 0: not checked, as in a namespace of processes.

    Returns:
        Whether the kernel will do so, which only Linux does.
    """
    is_bound = sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) == 0
    if parent_pid and os.getppid() != parent_pid:
        os._exit(1)
    return is_bound
