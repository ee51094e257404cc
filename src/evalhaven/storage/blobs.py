"""The blob store: bytes too large for a row, one file each under the data directory.

A blob appears whole or not at all: it is written beside its place, made durable, then renamed. It is committed
before the row that names it, so a kill can leave a blob without a row, never the reverse. Until the row is stored a
mark says that it is not: only a marked blob is ever swept. One without mark or row belongs to a database that is not
there just now, and is left alone.
"""

import contextlib
import mmap
import os
import secrets
from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from evalhaven.domain.errors import DamagedFileError
from evalhaven.storage.database import may_be_committed

_COPY_BYTES = 1 << 20
_OWNER_ONLY = 0o700
_IDENTITY = ".identity"  # no id begins with a dot


class BlobWriter:
    """A blob being written; `commit` makes it exist, leaving the block without it drops the bytes."""

    def __init__(self, part: Path) -> None:
        self._part = part
        # Whoever copies a blob, with its access, to another place copies it for its owner only.
        self._file = open(part, "wb", opener=_open_for_owner)  # noqa: SIM115 - pathlib has no openers
        self.size_bytes = 0

    def mapped(self) -> mmap.mmap:
        """Map what was written so far (at least a byte) for reading; it stays valid after the bytes are dropped."""
        self._file.flush()
        with self._part.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def write(self, block: bytes | bytearray) -> None:
        """Append bytes."""
        self._file.write(block)
        self.size_bytes += len(block)

    def commit(self, final: Path) -> None:
        """Make the blob durable and visible."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(final)
        _sync_directory(final.parent)

    def discard(self) -> None:
        """Drop the bytes; nothing after a commit."""
        # On a full disk closing fails, as it writes what is buffered; the space must be given back all the same.
        with contextlib.suppress(OSError):
            self._file.close()
        self._part.unlink(missing_ok=True)


class BlobStore:
    """Blobs in a directory, named by the public id of the file or run that owns them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.identity_path = directory / _IDENTITY
        self._parts = directory / "parts"
        self._marks = directory / "unnamed"
        for made in (self._parts, self._marks):
            directory.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
            made.mkdir(mode=_OWNER_ONLY, exist_ok=True)

    def identity(self) -> str | None:
        """Return the name that tells this blob store from every other, None if it was given none."""
        try:
            return self.identity_path.read_text().strip()
        except FileNotFoundError:
            return None

    def save_identity(self, identity: str) -> None:
        """Give this blob store its name, durably."""
        with self.writer() as writer:
            writer.write(f"{identity}\n".encode())
            writer.commit(self.identity_path)

    @contextlib.contextmanager
    def writer(self) -> Generator[BlobWriter]:
        """Open a new blob for writing."""
        writer = BlobWriter(self._parts / secrets.token_hex(16))
        try:
            yield writer
        finally:
            writer.discard()

    def commit(self, writer: BlobWriter, name: str) -> None:
        """Give a written blob its name; it is marked as unnamed until `confirm`."""
        # Not made durable: a power cut that loses the mark costs the space of a blob, at the worst.
        (self._marks / name).touch(mode=0o600)
        writer.commit(self.path(name))

    def confirm(self, name: str) -> None:
        """Take note that a row names a blob, or that the blob is gone."""
        (self._marks / name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Return where a blob stands, whether or not it exists."""
        return self.directory / name

    def open(self, name: str) -> BinaryIO:
        """Open a blob for reading.

        Raises:
            FileNotFoundError: There is no such blob.
        """
        return self.path(name).open("rb")

    def open_whole(self, name: str, accepted_bytes: int | None, param: str | None = None) -> BinaryIO:
        """Open a blob that must be as long as it was when it was accepted.

        Args:
            name: Its name.
            accepted_bytes: How long that was; None: it was not noted, and nothing is checked.
            param: The parameter that named it.

        Raises:
            DamagedFileError: It is shorter, longer or gone.
            FileNotFoundError: There is no such blob, and nobody noted how long it should be.
        """
        try:
            file = self.open(name)
        except FileNotFoundError:
            if accepted_bytes is None:
                raise
            raise DamagedFileError(name, None, accepted_bytes, param) from None
        size_bytes = os.fstat(file.fileno()).st_size
        if accepted_bytes is None or size_bytes == accepted_bytes:
            return file
        file.close()
        raise DamagedFileError(name, size_bytes, accepted_bytes, param)

    def delete(self, name: str) -> None:
        """Delete a blob; one that is gone already is no error."""
        self.path(name).unlink(missing_ok=True)

    def size_bytes(self, name: str) -> int:
        """Return the length of a blob."""
        return self.path(name).stat().st_size

    @contextlib.contextmanager
    def kept_on_success(self, name: str) -> Generator[None]:
        """Delete a committed blob again when the block, which stores the row that names it, fails."""
        try:
            yield
        # Not when it is canceled, nor when the answer to the commit was lost, for the row may be there then: the
        # blob stays marked, and the sweep at the next start knows.
        except Exception as error:
            if not may_be_committed(error):
                self.delete(name)
                self.confirm(name)
            raise
        self.confirm(name)

    def names(self, at_once: int) -> Iterator[list[str]]:
        """Yield the names of all blobs, so many at once."""
        with os.scandir(self.directory) as entries:
            names = (entry.name for entry in entries if entry.is_file() and entry.name != _IDENTITY)
            while batch := list(islice(names, at_once)):
                yield batch

    def find_problem(self, needed_bytes: int) -> str | None:
        """Return why nothing can be stored on the disk now, None where it can.

        Args:
            needed_bytes: How much has to be free.
        """
        for directory in (self.directory.parent, self._parts):
            disk = os.statvfs(directory)
            free_bytes = disk.f_bavail * disk.f_frsize
            if disk.f_flag & os.ST_RDONLY or not os.access(directory, os.W_OK):
                return f"{directory} cannot be written."
            if free_bytes < needed_bytes or (disk.f_files and not disk.f_favail):
                return f"The disk of {directory} is full: {free_bytes / 1e6:.1f} MB are free."
        return None

    def unnamed(self, at_once: int) -> Iterator[list[str]]:
        """Yield the names of the blobs that no row may name, so many at once."""
        names = (mark.name for mark in list(self._marks.iterdir()))
        while batch := list(islice(names, at_once)):
            yield batch

    def drop_parts(self) -> None:
        """Drop what uploads left behind that were cut short; call it while nothing writes."""
        for part in self._parts.iterdir():
            part.unlink(missing_ok=True)


def json_array_blocks(source: BinaryIO) -> Iterator[bytes]:
    """Yield the rows of a JSONL blob as one JSON array, block by block.

    No row holds a raw line feed: JSON strings cannot, and the writer of inline rows removes the others.

    Raises:
        EOFError: The blob ends earlier than it did when this began: an array that looks whole must not come of it.
    """
    left = source.seek(0, os.SEEK_END)
    source.seek(0)
    pending = b"["
    while left:
        block = source.read(min(left, _COPY_BYTES))
        if not block:
            raise EOFError
        left -= len(block)
        yield pending + block[:-1].replace(b"\n", b",")
        pending = block[-1:].replace(b"\n", b",")
    yield (b"[" if pending == b"[" else b"" if pending == b"," else pending) + b"]"


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
