"""Blobs: bytes too large for a row, kept for each project by the public id of the file, part or run that owns them.

Code that uses blobs knows only this module. Blobs are read as streams, from any offset, and written as a stream
that is named once it is complete. There is no path and no mapping, so they need not be on this machine's disk.

A blob appears whole or not at all. It is committed before the row that names it, so a kill can leave a blob without a
row, never the reverse. A mark is kept until the row is stored, and only a marked blob is ever swept. A blob
with neither mark nor row belongs to a database that is absent for now, and is left alone.
"""

import contextlib
import os
from abc import abstractmethod
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

from evalhaven.domain.errors import DamagedFileError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.database import may_be_committed

_COPY_BYTES = 1 << 20


class BlobReader(Protocol):
    """An open blob, read by one reader at a time; at worst, one that is deleted meanwhile ends early."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to an offset, from which reading continues; return it, counted from the start."""
        ...

    def read(self, size: int = -1, /) -> bytes:
        """Return the next `size` bytes, or fewer if the blob ends."""
        ...

    def readline(self, size: int = -1, /) -> bytes:
        """Return the next bytes up to and including a line feed, at most `size` of them."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
        /,
    ) -> None: ...


class BlobWriter(Protocol):
    """A blob being written.

    Attributes:
        size_bytes: How many bytes were written so far.
    """

    size_bytes: int

    def write(self, block: bytes | bytearray) -> None:
        """Append bytes."""
        ...

    def commit(self, scope: ProjectScope, name: str) -> None:
        """Make the blob durable and give it its name; it is marked as unnamed until `BlobStore.confirm`."""
        ...


class BlobStore(Protocol):
    """Where blobs are kept; what implementations have in common is here, and they inherit it.

    Attributes:
        place: Where the blobs are, for messages.
        identity_place: Where the store's identity is written, for messages.
    """

    place: str
    identity_place: str

    @abstractmethod
    def identity(self) -> str | None:
        """Return the name that distinguishes this blob store from all others, None if it has none."""

    @abstractmethod
    def save_identity(self, identity: str) -> None:
        """Give this blob store its name, durably."""

    @abstractmethod
    def writer(self) -> AbstractContextManager[BlobWriter]:
        """Open a new blob for writing; leaving the block without a commit drops the bytes."""

    @abstractmethod
    def confirm(self, scope: ProjectScope, name: str) -> None:
        """Note that a row names a blob, or that the blob is gone."""

    @abstractmethod
    def open(self, scope: ProjectScope, name: str) -> BlobReader:
        """Open a blob for reading.

        Raises:
            FileNotFoundError: There is no such blob.
        """

    @abstractmethod
    def modified_at(self, scope: ProjectScope, name: str) -> float:
        """Return when a blob was written.

        Raises:
            FileNotFoundError: There is no such blob.
        """

    @abstractmethod
    def delete(self, scope: ProjectScope, name: str) -> None:
        """Delete a blob; it is not an error if it is gone already."""

    @abstractmethod
    def names(self, at_once: int) -> Iterator[tuple[ProjectScope, list[str]]]:
        """Yield the names of all blobs, at most `at_once` at a time, each time of one project."""

    @abstractmethod
    def unnamed(self, at_once: int, spared_s: float = 0.0) -> Iterator[tuple[ProjectScope, list[str]]]:
        """Yield the names of blobs that may have no row, at most `at_once` at a time, each time of one project.

        Args:
            at_once: How many.
            spared_s: Those marked within so many seconds are left out.
        """

    @abstractmethod
    def is_empty(self) -> bool:
        """Tell whether there is no blob at all."""

    @abstractmethod
    def drop_parts(self, spared_s: float = 0.0) -> None:
        """Drop what interrupted uploads left behind; without `spared_s`, call it while nothing writes.

        Args:
            spared_s: What was written to within so many seconds stays.
        """

    @abstractmethod
    def find_problem(self, needed_bytes: int) -> str | None:
        """Return why nothing can be stored now, None if it can.

        Args:
            needed_bytes: How much must be free.
        """

    def open_whole(
        self, scope: ProjectScope, name: str, accepted_bytes: int | None, param: str | None = None
    ) -> BlobReader:
        """Open a blob whose length must be what it was when it was accepted.

        Args:
            scope: Whose blob.
            name: Its name.
            accepted_bytes: That length; None: it was not recorded, and nothing is checked.
            param: The parameter that named the blob.

        Raises:
            DamagedFileError: The blob is shorter, longer or gone.
            FileNotFoundError: There is no such blob, and its length was not recorded.
        """
        try:
            blob = self.open(scope, name)
        except FileNotFoundError:
            if accepted_bytes is None:
                raise
            raise DamagedFileError(name, None, accepted_bytes, param) from None
        size_bytes = length_of(blob)
        if accepted_bytes is None or size_bytes == accepted_bytes:
            return blob
        blob.close()
        raise DamagedFileError(name, size_bytes, accepted_bytes, param)

    @contextlib.contextmanager
    def kept_on_success(self, scope: ProjectScope, name: str) -> Generator[None]:
        """Delete a committed blob again if the block, which stores the row that names it, fails."""
        try:
            yield
        # Not if the block is canceled or the answer to the commit was lost, as the row may be there then: the
        # blob stays marked, and the sweep at the next start decides.
        except Exception as error:
            if not may_be_committed(error):
                self.delete(scope, name)
                self.confirm(scope, name)
            raise
        self.confirm(scope, name)


def length_of(blob: BlobReader) -> int:
    """Return the length of an open blob, and move to its start."""
    size_bytes = blob.seek(0, os.SEEK_END)
    blob.seek(0)
    return size_bytes


def json_array_blocks(rows: BlobReader) -> Iterator[bytes]:
    """Yield the rows of a JSONL blob as one JSON array, block by block.

    No row contains a raw line feed: JSON strings cannot, and the writer of inline rows removes all others.

    Raises:
        EOFError: The blob ends earlier than it did at the start, and the array must not look complete.
    """
    left = length_of(rows)
    pending = b"["
    while left:
        block = rows.read(min(left, _COPY_BYTES))
        if not block:
            raise EOFError
        left -= len(block)
        yield pending + block[:-1].replace(b"\n", b",")
        pending = block[-1:].replace(b"\n", b",")
    yield (b"[" if pending == b"[" else b"" if pending == b"," else pending) + b"]"
