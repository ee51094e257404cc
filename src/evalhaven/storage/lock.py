"""The lock on a data directory: one server at a time.

The lock belongs to the open file, which the executor inherits: it lasts until the last process of a server is gone,
so a new server never meets an executor that a killed one left behind.
"""

import fcntl
import os
import time
from pathlib import Path

_POLL_S = 0.05


class DataDirectoryInUseError(Exception):
    """Another server holds the data directory.

    Attributes:
        url: The address of that server, or None where it did not write one yet.
    """

    def __init__(self, message: str, url: str | None) -> None:
        super().__init__(message)
        self.url = url


class DataDirectoryLock:
    """An acquired lock; `descriptor` is the open file to hand on to child processes."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def announce(self, url: str) -> None:
        """Write where this server is reached, for commands that find the directory in use."""
        os.pwrite(self.descriptor, f"{os.getpid()}\n{url}\n".encode(), 0)

    def release(self) -> None:
        """Give up this process's part of the lock."""
        os.close(self.descriptor)


def lock_data_directory(directory: Path, wait_s: float = 5.0) -> DataDirectoryLock:
    """Lock a data directory, waiting a little for a server that is just going down.

    Raises:
        DataDirectoryInUseError: Another server still holds it; the message names its process.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(_POLL_S)
                continue
            holder, _, url = os.pread(descriptor, 1024, 0).decode(errors="replace").strip().partition("\n")
            os.close(descriptor)
            raise DataDirectoryInUseError(
                f"The data directory {str(directory)!r} is in use by another Evalhaven server "
                f"(process {holder or 'unknown'}). Stop that one, or choose another --data-dir.",
                url or None,
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        return DataDirectoryLock(descriptor)
