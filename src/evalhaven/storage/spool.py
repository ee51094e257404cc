"""The spool: request bytes that are too many for memory, kept on this machine's disk while they are processed."""

import contextlib
import mmap
import tempfile
from collections.abc import Generator
from pathlib import Path


class Spool:
    """Bytes that are written once, then read from any offset."""

    def __init__(self, directory: Path) -> None:
        # The file has no name, so it disappears with the process, however that ends.
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - closed by `close`
        self.size_bytes = 0

    def write(self, block: bytes | bytearray) -> None:
        """Append bytes."""
        self._file.write(block)
        self.size_bytes += len(block)

    def mapped(self) -> mmap.mmap:
        """Map what was written so far (at least 1 byte) for reading; the map stays valid once the bytes are dropped."""
        self._file.flush()
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def close(self) -> None:
        """Drop the bytes."""
        # On a full disk closing fails, as it writes what is buffered; the space is freed even so.
        with contextlib.suppress(OSError):
            self._file.close()


@contextlib.contextmanager
def open_spool(directory: Path) -> Generator[Spool]:
    """Open a spool for the duration of a block.

    Args:
        directory: A directory on the disk that is to hold the bytes.
    """
    spool = Spool(directory)
    try:
        yield spool
    finally:
        spool.close()
