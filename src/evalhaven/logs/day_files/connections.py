"""Day files kept open, since opening one costs more than most questions to it."""

import errno
import os
import sqlite3
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import structlog

from evalhaven.logs.day_files.directory import Directory
from evalhaven.logs.day_files.layout import DayFile
from evalhaven.logs.day_files.limits import DayFileLimits
from evalhaven.logs.day_files.tables import OpenFile

_FILES_OF_ONE = 3  # with its write-ahead log and what its readers share
_FOR_NOW = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM)


class UnusableFileError(OSError):
    """A day file is missing or damaged; the message says why.

    Attributes:
        is_certain: Whether that is how it is; otherwise the disk has failed for now, and what was being written may be
            there or not.
    """

    def __init__(self, message: str, *, is_certain: bool) -> None:
        super().__init__(errno.EIO, message)
        self.is_certain = is_certain


class Connections:
    """Lends connections to day files; for use by many threads."""

    def __init__(self, directory: Directory, limits: DayFileLimits) -> None:
        """Begin without any; the directory is where the files are."""
        self._directory = directory
        self._limits = limits
        self._kept: list[tuple[DayFile, OpenFile]] = []  # in the order in which they were returned
        self._complained_of: set[DayFile] = set()
        self._lock = threading.Lock()
        self._is_closed = False

    @contextmanager
    def lent(self, file: DayFile) -> Generator[OpenFile]:
        """Lend a connection to a file for a block.

        Raises:
            UnusableFileError: The file is missing or damaged, which is logged once.
            OSError: The disk is full, too many files are open, or others have kept the file locked for long.
        """
        opened = None
        try:
            opened = self._open(file)
            yield opened
        except sqlite3.DatabaseError as error:
            if opened is not None:
                opened.close()
            if _code(error) in _FOR_NOW:
                raise OSError(errno.EAGAIN, f"{file.name}: {error}") from error
            if opened is not None and not _is_of_file(error):
                raise
            if _code(error) == sqlite3.SQLITE_CANTOPEN:
                _require_descriptors(self._directory.path(file))
            self._complain(file, error)
            is_certain = opened is None or _code(error) != sqlite3.SQLITE_IOERR
            raise UnusableFileError(f"{file.name}: {error}", is_certain=is_certain) from error
        except BaseException:
            # Whatever was left half-way is rolled back.
            if opened is not None:
                opened.close()
            raise
        self._keep(file, opened)

    def forget(self, file: DayFile) -> None:
        """Close what is kept of a file that is about to be removed."""
        with self._lock:
            closing = [opened for of, opened in self._kept if of == file]
            self._kept = [(of, opened) for of, opened in self._kept if of != file]
        for opened in closing:
            opened.close()

    def close(self) -> None:
        """Close everything; what is lent is closed on its return."""
        with self._lock:
            self._is_closed = True
            closing, self._kept = self._kept, []
        for _, opened in closing:
            opened.close()

    def _open(self, file: DayFile) -> OpenFile:
        path = self._directory.path(file)
        try:
            inode = os.stat(path).st_ino  # noqa: PTH116 - many times as fast
        except OSError as error:
            self.forget(file)
            raise sqlite3.DatabaseError(f"it cannot be found: {error.strerror}") from error
        with self._lock:
            at = next((at for at in range(len(self._kept) - 1, -1, -1) if self._kept[at][0] == file), None)
            opened = None if at is None else self._kept.pop(at)[1]
        if opened is not None and opened.inode != inode:
            opened.close()
            opened = None
        return opened or OpenFile(path, inode, self._limits.longest_wait_s)

    def _keep(self, file: DayFile, opened: OpenFile) -> None:
        with self._lock:
            self._kept.append((file, opened))
            surplus = len(self._kept) if self._is_closed else max(0, len(self._kept) - self._limits.most_kept)
            closing, self._kept = self._kept[:surplus], self._kept[surplus:]
        for _, each in closing:
            each.close()

    def _complain(self, file: DayFile, error: Exception) -> None:
        with self._lock:
            is_known = file in self._complained_of
            self._complained_of.add(file)
        if not is_known:
            log = structlog.get_logger("evalhaven")
            log.error("log_file_unusable", file=str(self._directory.path(file)), problem=str(error))


def _require_descriptors(path: Path) -> None:
    """Make sure that a file which cannot be opened is to blame for that itself.

    Raises:
        OSError: This process, or the machine, has too many files open.
    """
    with ExitStack() as opened:
        try:
            for _ in range(_FILES_OF_ONE):
                opened.callback(os.close, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise


def _is_of_file(error: sqlite3.DatabaseError) -> bool:
    """Tell whether an error comes from the file, not from a mistake in a statement or from others who write."""
    return _code(error) in (
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    )


def _code(error: sqlite3.DatabaseError) -> int:
    # Those that we raise ourselves have none: they are about the file.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
