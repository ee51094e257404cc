"""Blobs as files below the data directory: one directory per project, one file per blob.

A blob is written in `parts/`, made durable, then renamed into place. `unnamed/` has the marks.
"""

import contextlib
import os
import secrets
import tempfile
from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path

from evalhaven.domain.scopes import DEFAULT_PROJECT, ProjectScope
from evalhaven.storage.blobs import BlobReader, BlobStore

_OWNER_ONLY = 0o700
_IDENTITY = ".identity"


class LocalBlobWriter:
    """A blob being written."""

    def __init__(self, blobs: "LocalBlobStore", part: Path) -> None:
        self._blobs = blobs
        self._part = part
        # If a blob is copied elsewhere with its permissions, the copy is for its owner only.
        self._file = open(part, "wb", opener=_open_for_owner)  # noqa: SIM115 - pathlib has no openers
        self.size_bytes = 0

    def write(self, block: bytes | bytearray) -> None:
        """Append bytes."""
        self._file.write(block)
        self.size_bytes += len(block)

    def commit(self, scope: ProjectScope, name: str) -> None:
        """Make the blob durable and give it its name; it is marked as unnamed until it is confirmed."""
        # Not made durable: a power cut that loses the mark costs at worst the space of one blob.
        mark = self._blobs.mark_path(scope, name)
        _make_directory(mark.parent)
        mark.touch(mode=0o600)
        self.move_to(self._blobs.path(scope, name))

    def move_to(self, final: Path) -> None:
        """Make the bytes durable and move them to their place."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        _make_directory(final.parent)
        self._part.rename(final)
        _sync_directory(final.parent)

    def discard(self) -> None:
        """Drop the bytes; does nothing after a commit."""
        # On a full disk closing fails, as it writes what is buffered; the space must be freed even so.
        with contextlib.suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


class LocalBlobStore(BlobStore):
    """Blobs in a directory of this machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.place = str(directory)
        self.identity_path = directory / _IDENTITY
        self.identity_place = str(self.identity_path)
        self._parts = directory / "parts"
        self._marks = directory / "unnamed"
        for made in (self._parts, self._marks):
            directory.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
            made.mkdir(mode=_OWNER_ONLY, exist_ok=True)

    def identity(self) -> str | None:
        """Return the name that distinguishes this blob store from all others, None if it has none."""
        try:
            return self.identity_path.read_text().strip()
        except FileNotFoundError:
            return None

    def save_identity(self, identity: str) -> None:
        """Give this blob store its name, durably."""
        with self.writer() as writer:
            writer.write(f"{identity}\n".encode())
            writer.move_to(self.identity_path)

    @contextlib.contextmanager
    def writer(self) -> Generator[LocalBlobWriter]:
        """Open a new blob for writing; leaving the block without a commit drops the bytes."""
        writer = LocalBlobWriter(self, self._parts / secrets.token_hex(16))
        try:
            yield writer
        finally:
            writer.discard()

    def confirm(self, scope: ProjectScope, name: str) -> None:
        """Note that a row names a blob, or that the blob is gone."""
        self.mark_path(scope, name).unlink(missing_ok=True)

    def path(self, scope: ProjectScope, name: str) -> Path:
        """Return the path of a blob, whether or not it exists."""
        return self.directory / str(scope.project_id) / name

    def mark_path(self, scope: ProjectScope, name: str) -> Path:
        """Return the path of a blob's mark, whether or not it exists."""
        return self._marks / str(scope.project_id) / name

    def open(self, scope: ProjectScope, name: str) -> BlobReader:
        """Open a blob for reading; reading can continue after it is deleted.

        Raises:
            FileNotFoundError: There is no such blob.
        """
        return self.path(scope, name).open("rb")

    def modified_at(self, scope: ProjectScope, name: str) -> float:
        """Return when a blob was written.

        Raises:
            FileNotFoundError: There is no such blob.
        """
        return self.path(scope, name).stat().st_mtime

    def delete(self, scope: ProjectScope, name: str) -> None:
        """Delete a blob; it is not an error if it is gone already."""
        self.path(scope, name).unlink(missing_ok=True)

    def names(self, at_once: int) -> Iterator[tuple[ProjectScope, list[str]]]:
        """Yield the names of all blobs, at most `at_once` at a time, each time of one project."""
        yield from _names_by_project(self.directory, at_once)

    def unnamed(self, at_once: int, spared_s: float = 0.0) -> Iterator[tuple[ProjectScope, list[str]]]:
        """Yield the names of blobs that may have no row, at most `at_once` at a time, each time of one project.

        Args:
            at_once: How many.
            spared_s: Those marked within so many seconds are left out.
        """
        # Marks are removed while they are iterated over.
        before = self._time_before(spared_s)
        for scope, names in list(_names_by_project(self._marks, at_once)):
            yield scope, [name for name in names if not _is_younger(self.mark_path(scope, name), before)]

    def is_empty(self) -> bool:
        """Tell whether there is no blob at all, counting those of a release without projects."""
        return next(self.names(at_once=1), None) is None and not self._flat_names(self.directory)

    def find_problem(self, needed_bytes: int) -> str | None:
        """Return why nothing can be stored on the disk now, None if it can.

        Args:
            needed_bytes: How much must be free.
        """
        for directory in (self.directory.parent, self._parts):
            disk = os.statvfs(directory)
            free_bytes = disk.f_bavail * disk.f_frsize
            if disk.f_flag & os.ST_RDONLY or not os.access(directory, os.W_OK):
                return f"{directory} cannot be written."
            if free_bytes < needed_bytes or (disk.f_files and not disk.f_favail):
                return f"The disk of {directory} is full: {free_bytes / 1e6:.1f} MB are free."
        return None

    def drop_parts(self, spared_s: float = 0.0) -> None:
        """Drop what interrupted uploads left behind; without `spared_s`, call it while nothing writes.

        Args:
            spared_s: What was written to within so many seconds stays.
        """
        before = self._time_before(spared_s)
        for part in self._parts.iterdir():
            if not _is_younger(part, before):
                part.unlink(missing_ok=True)

    def move_into_projects(self) -> list[str]:
        """Move the blobs of a release without projects into the directory of the only project there was.

        Each blob is moved by a rename, after its mark, so the next start completes one that was interrupted.

        Returns:
            The blobs that stay where they are, because the project has other blobs with their names.
        """
        left: list[str] = []
        for flat in (self._marks, self.directory):
            names = self._flat_names(flat)
            own = flat / str(DEFAULT_PROJECT.project_id)
            if names:
                _make_directory(own)
            for name in names:
                if (own / name).exists():
                    left.append(name)
                else:
                    # Another server that starts may have moved it.
                    with contextlib.suppress(FileNotFoundError):
                        (flat / name).rename(own / name)
            if names:
                _sync_directory(own)
                _sync_directory(flat)
        return left

    def _time_before(self, seconds: float) -> float | None:
        """Return when it was so many seconds ago by the clock that gives files their times; None for no seconds.

        Where several machines share the directory, that need not be the clock of this one.
        """
        if not seconds:
            return None
        with tempfile.TemporaryFile(dir=self.directory) as now:
            return os.fstat(now.fileno()).st_mtime - seconds

    @staticmethod
    def _flat_names(directory: Path) -> list[str]:
        with os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_file() and entry.name != _IDENTITY]


def _names_by_project(directory: Path, at_once: int) -> Iterator[tuple[ProjectScope, list[str]]]:
    with os.scandir(directory) as entries:
        projects = [int(entry.name) for entry in entries if entry.name.isdecimal() and entry.is_dir()]
    for project_id in sorted(projects):
        with os.scandir(directory / str(project_id)) as entries:
            names = (entry.name for entry in entries if entry.is_file())
            while batch := list(islice(names, at_once)):
                yield ProjectScope(project_id), batch


def _is_younger(path: Path, than: float | None) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return than is not None and path.stat().st_mtime > than
    return False


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _make_directory(directory: Path) -> None:
    """Make a directory durably if there is none: what is put into it must be found after a power cut."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=_OWNER_ONLY)
        _sync_directory(directory.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
