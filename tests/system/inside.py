"""What a test sees of a server from inside: its processes and their memory."""

import contextlib
import time
from pathlib import Path

import psutil

from tests.server import Server
from tests.system.watch import Watch, watch_of


def executors_of(data_dir: Path) -> list[psutil.Process]:
    """Return every live executor of a data directory, whoever started it."""
    return _children_of(data_dir, "executor")


def recorders_of(data_dir: Path) -> list[psutil.Process]:
    """Return every live recorder of a data directory, whoever started it."""
    return _children_of(data_dir, "recorder")


def samplers_of(data_dir: Path) -> list[psutil.Process]:
    """Return every live sampling process of a data directory, whoever started it."""
    return _children_of(data_dir, "sampler")


def _children_of(data_dir: Path, command_name: str) -> list[psutil.Process]:
    """Return every live process of a command on a data directory.

    A child that it has just forked has its command line until it executes its own program, and does not count.
    """
    parents: dict[psutil.Process, int] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            if command_name in command and str(data_dir) in command and process.status() != psutil.STATUS_ZOMBIE:
                parents[process] = process.ppid()
    pids = {process.pid for process in parents}
    return [process for process, parent in parents.items() if parent not in pids]


def has_ended(process: psutil.Process) -> bool:
    """Tell whether a process is dead; one that has not been reaped yet counts as dead."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def executor_of(server: Server, timeout_s: float = 30.0) -> psutil.Process:
    """Return the executor of a server once it has the database open: it is at work, or waits for the lock."""
    deadline = time.monotonic() + timeout_s
    with watch_of(server) as watch:
        while time.monotonic() < deadline:
            for process in executors_of(server.data_dir):
                if watch.is_used_by(process):
                    return process
            time.sleep(0.01)
    raise AssertionError(f"no executor was at work after {timeout_s:.0f} s")


def stop_outside_transactions(server: Server, watch: Watch) -> psutil.Process:
    """Stop the executor at a moment when it does not hold the write lock, so that the server can write; return it."""
    while True:
        # Found before the lock is taken: that takes so long on a busy machine that writers would always wait.
        process = executor_of(server)
        with watch.locked():
            process.suspend()
            # Each thread stops at its own next chance; until then it could still take the lock.
            while any(psutil.Process(thread.id).status() != psutil.STATUS_STOPPED for thread in process.threads()):
                time.sleep(0.001)
            if not watch.has_waiting_writers():
                return process
            # It would be given the lock while it is stopped, and keep it.
            process.resume()


def peak_memory_mb(pid: int) -> float:
    """Return the most memory that a process ever had resident, mapped files included."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"/proc/{pid}/status has no VmHWM")
