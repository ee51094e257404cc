"""The spool: bytes of a request that are too many for memory, on this machine's disk while they are looked at."""

import contextlib
import mmap
import tempfile
from collections.abc import Generator
from pathlib import Path


class Spool:
    """Bytes that are written once, then read from any place."""

    def __init__(self, directory: Path) -> None:
        # Without a name: it is gone with the process, however that ends.
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - closed by `close`
        self.size_bytes = 0

    def write(self, block: bytes | bytearray) -> None:
        """Append bytes."""
        self._file.write(block)
        self.size_bytes += len(block)

    def mapped(self) -> mmap.mmap:
        """Map what was written so far (at least a byte) for reading; it stays valid after the bytes are dropped."""
        self._file.flush()
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)

    def close(self) -> None:
        """Drop the bytes."""
        # On a full disk closing fails, as it writes what is buffered; the space is given back all the same.
        with contextlib.suppress(OSError):
            self._file.close()


@contextlib.contextmanager
def open_spool(directory: Path) -> Generator[Spool]:
    """Open a spool for a block.

    Args:
        directory: On the disk that is to hold the bytes.
    """
    spool = Spool(directory)
    try:
        yield spool
    finally:
        spool.close()
