"""Whose turn it is to write to a SQLite database that several processes write to.

SQLite gives its lock to whoever asks at the right moment: one who waits sleeps for up to a tenth of a second between
two attempts. An executor that stores batch after batch would take the lock again and again meanwhile, and a request
could wait for seconds. So the server says that it wants to write, and the executor, before each of its transactions,
lets those go first who say so. A write of the server waits for one transaction of the executor at most.

It is said by a shared lock on a file of its own, which the kernel takes back from a process that dies.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio

_LOOK_S = 0.002
_LOOKS = 500  # a process that stands still while it asks must not stop the others
_TRIES = 100  # whoever looks holds the file for a moment


class WriteTurns:
    """One process's view of whose turn it is.

    Attributes:
        gives_way: Whether it lets the others go first.
    """

    def __init__(self, path: Path, *, gives_way: bool) -> None:
        """Open the file, which is made if there is none.

        Args:
            path: The file.
            gives_way: Whether this process lets the others go first; otherwise it asks to go first.
        """
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.gives_way = gives_way
        self._asking = 0

    @contextmanager
    def ask(self) -> Generator[None]:
        """Ask to go first, until this process has the database's lock; one that gives way asks for nothing."""
        if self.gives_way:
            yield
            return
        self._asking += 1
        if self._asking == 1:
            self._say()
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    async def wait(self) -> None:
        """Return once nobody asks to go first; at once for a process that does not give way."""
        if not self.gives_way:
            return
        for _ in range(_LOOKS):
            if not self.is_asked():
                return
            await anyio.sleep(_LOOK_S)

    def is_asked(self) -> bool:
        """Tell whether any process asks to go first."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return False

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _say(self) -> None:
        for _ in range(_TRIES):
            try:
                return fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
        return None


def turns_path(database: Path) -> Path:
    """Return the path of the file for a SQLite database."""
    return database.with_name("write-turns")
