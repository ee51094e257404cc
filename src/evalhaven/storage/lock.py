"""The lock on a data directory: one server at a time.

The lock belongs to the open file, which the executor inherits, so it lasts until a server's last process is gone,
and a new server never meets an executor that a killed one left behind.
"""

import fcntl
import os
import time
from dataclasses import dataclass
from pathlib import Path

_POLL_S = 0.05
_ORPHANS_S = 30.0  # for children of a killed server to notice, if they had just been started on a busy machine
_FILE = "lock"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a data directory.

    Attributes:
        process: The process's number, if it is known.
        url: The server's address; None before the server has written it, and for a command that works on the directory.
    """

    process: str
    url: str | None


class DataDirectoryInUseError(Exception):
    """Another server holds the data directory.

    Attributes:
        url: The address of that server, or None if it has not written one yet.
    """

    def __init__(self, message: str, url: str | None) -> None:
        super().__init__(message)
        self.url = url


class DataDirectoryLock:
    """An acquired lock; `descriptor` is the open file to pass on to child processes."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def announce(self, url: str) -> None:
        """Write this server's address, for commands that find the directory in use."""
        os.pwrite(self.descriptor, f"{os.getpid()}\n{url}\n".encode(), 0)

    def release(self) -> None:
        """Give up this process's share of the lock."""
        os.close(self.descriptor)


def lock_data_directory(directory: Path, wait_s: float = 5.0) -> DataDirectoryLock:
    """Lock a data directory, waiting a little for a server that is shutting down, and longer for what one left behind.

    Args:
        directory: An existing directory.
        wait_s: How long to wait for a server; 0 to wait for nothing at all.

    Raises:
        DataDirectoryInUseError: Another server still holds it; the message names its process.
    """
    descriptor = os.open(directory / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    began_at = time.monotonic()
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = _read_holder(descriptor)
            longest_s = _ORPHANS_S if wait_s > 0 and _has_ended(holder.process) else wait_s
            if time.monotonic() - began_at < longest_s:
                time.sleep(_POLL_S)
                continue
            os.close(descriptor)
            raise DataDirectoryInUseError(
                f"The data directory {str(directory)!r} is in use by another Evalhaven server "
                f"(process {holder.process}). Stop that one, or choose another --data-dir.",
                holder.url,
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return DataDirectoryLock(descriptor)


def find_holder(directory: Path) -> Holder | None:
    """Return the holder of a data directory, without locking, creating or changing anything; None if there is none."""
    try:
        descriptor = os.open(directory / _FILE, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        # Shared, so that two processes that look do not take each other for a server.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(descriptor)
    finally:
        os.close(descriptor)
    return None


def _has_ended(process: str) -> bool:
    """Tell whether the process that took the lock is known to be gone, so that only its children can hold it."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except (ValueError, OverflowError, PermissionError):
        return False
    return False


def _read_holder(descriptor: int) -> Holder:
    process, _, url = os.pread(descriptor, 1024, 0).decode(errors="replace").strip().partition("\n")
    return Holder(process or "unknown", url or None)
