"""The directory of day files: which there are, and how one is made or removed."""

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from evalhaven.logs.day_files.layout import DayFile, file_named

_POLL_S = 0.005
_BESIDE = ("-wal", "-shm", "-journal")


class LogsBusyError(OSError):
    """Another process has been adding calls or removing files for very long."""

    def __init__(self, path: Path, waited_s: float) -> None:
        super().__init__(errno.EAGAIN, f"{path} has been locked by another process for {waited_s:.0f} seconds")


class Directory:
    """The files of a directory.

    Whoever adds calls or removes files holds `locked`, from whichever process; so what is looked up there before
    something is added stays true until it is added.
    """

    def __init__(self, path: Path, longest_wait_s: float) -> None:
        """Use a directory, which is made when it is first locked.

        Args:
            path: The directory.
            longest_wait_s: How long others may keep it locked.
        """
        self._path = path
        self._longest_wait_s = longest_wait_s

    def files(self) -> list[DayFile]:
        """Return the files, newest first."""
        try:
            found = [file_named(name) for name in os.listdir(self._path)]  # noqa: PTH208 - many times as fast
        except FileNotFoundError:
            return []
        return sorted((file for file in found if file is not None), reverse=True)

    def path(self, file: DayFile) -> Path:
        """Return where a file is."""
        return self._path / file.name

    def size(self, file: DayFile) -> int:
        """Return the bytes that a file has on disk, with its write-ahead log; 0 if it is gone."""
        total = 0
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                total += os.stat(f"{self.path(file)}{end}").st_size  # noqa: PTH116 - many times as fast
        return total

    @contextmanager
    def locked(self) -> Generator[None]:
        """Keep all others from adding calls and from making or removing files.

        Raises:
            LogsBusyError: Others would not let go.
        """
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + self._longest_wait_s
            while not _take(lock):
                if time.monotonic() > deadline:
                    raise LogsBusyError(self._path, self._longest_wait_s)
                time.sleep(_POLL_S)
            yield
        finally:
            os.close(lock)

    def make(self, file: DayFile, fill: Callable[[Path], None]) -> None:
        """Make a file, which others see once it is filled; the caller holds the lock."""
        unfinished = self._path / "unfinished"
        _remove(unfinished)
        # SQLite gives what it makes beside a file the file's own mode.
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        fill(unfinished)
        path = self.path(file)
        _remove(path)  # what a killed removal has left beside it would be taken for a part of the new file
        unfinished.rename(path)

    def remove(self, file: DayFile) -> None:
        """Remove a file; the caller holds the lock. Who has it open keeps what they see."""
        _remove(self.path(file))


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove(path: Path) -> None:
    for end in ("", *_BESIDE):
        Path(f"{path}{end}").unlink(missing_ok=True)
