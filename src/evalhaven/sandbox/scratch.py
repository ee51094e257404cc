"""The directories that hosts may write to, so that what they write can be counted."""

import fcntl
import os
import secrets
import stat
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "evalhaven-hosts-"
_ALL_MAY_PASS = 0o711
_SWEEP_TRIES, _SWEEP_PAUSE_S = 20, 0.05
_BLOCK_BYTES = 512  # what st_blocks counts in, whatever the file system uses


@dataclass(frozen=True, slots=True)
class Usage:
    """What lies in a scratch directory.

    Attributes:
        size_bytes: Its size on disk.
        files: Files and directories; counting stops soon after the limit.
    """

    size_bytes: int
    files: int


class ScratchRoot:
    """A directory with a scratch directory for each host; opening one removes what a killed server left behind."""

    def __init__(self, parent: Path | None = None) -> None:
        """Make the directory.

        Args:
            parent: Where; None: the directory for temporary files.
        """
        self._parent = parent or Path(tempfile.gettempdir())
        sweep_scratch(self._parent)
        self._path, self._lock = _open_root(self._parent)

    def make(self, user: int) -> Path:
        """Return a new directory.

        Args:
            user: Whose it is; 0: ours.
        """
        if not self._path.exists():
            # Something that cleans up the directory for temporary files may not notice that it is in use.
            gone, (self._path, self._lock) = self._lock, _open_root(self._parent)
            os.close(gone)
        path = self._path / secrets.token_hex(8)
        path.mkdir(mode=0o700)
        if user:
            os.chown(path, user, user)
        return path

    def close(self) -> None:
        """Remove everything."""
        remove_tree(self._path)
        os.close(self._lock)


def _open_root(parent: Path) -> tuple[Path, int]:
    """Make a directory and lock it; return the descriptor that holds the lock, too."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        # Another server that starts may remove it before it is locked, and even before it is opened.
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            # If root starts hosts, they have users of their own, and must reach their directories.
            path.chmod(_ALL_MAY_PASS)
            return path, lock
        os.close(lock)


def measure(directory: Path, files_max: int) -> Usage:
    """Add up what lies below a directory; counting stops when there are more files than allowed."""
    size_bytes = files = 0
    waiting = [str(directory)]
    while waiting and files <= files_max:
        # The host may remove entries meanwhile.
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                files += 1
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    size_bytes += status.st_blocks * _BLOCK_BYTES
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append(entry.path)
                if files > files_max:
                    break
    return Usage(size_bytes, files)


def remove_tree(directory: Path) -> None:
    """Remove a directory with everything below, however deep and whatever the permissions.

    Each directory found is moved to the top before its own content is looked at: this keeps paths short and needs no
    recursion into a nesting that a grader made.
    """
    _open_up(directory)
    is_progressing = True
    while is_progressing and (inner := _unlink_files(directory)):
        is_progressing = False
        for path in inner:
            _open_up(path)
            for below in _unlink_files(path):
                _open_up(below)
                with suppress(OSError):
                    below.rename(directory / secrets.token_hex(8))
            with suppress(OSError):
                path.rmdir()
                is_progressing = True
    with suppress(OSError):
        directory.rmdir()


def _open_up(directory: Path) -> None:
    with suppress(OSError):
        directory.chmod(0o700)


def _unlink_files(directory: Path) -> list[Path]:
    """Remove the files of a directory and return its directories."""
    directories: list[Path] = []
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                directories.append(Path(entry.path))
            else:
                with suppress(OSError):
                    Path(entry.path).unlink()
    return directories


def _remove_used(directory: Path) -> None:
    """Remove a tree to which dying hosts may still write for a moment."""
    for _ in range(_SWEEP_TRIES):
        remove_tree(directory)
        if not directory.exists():
            return
        time.sleep(_SWEEP_PAUSE_S)


def sweep_scratch(parent: Path | None = None) -> None:
    """Remove what killed processes left behind: a living one holds a lock on its directory.

    Args:
        parent: Where they lie; None: the directory for temporary files.
    """
    for path in (parent or Path(tempfile.gettempdir())).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    _remove_used(path)
            finally:
                os.close(descriptor)
