"""What a grader prints, kept in memory up to a limit."""

import io

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Buffer


_STANDARD_OUTPUT = 1  # the process's own: nobody reads it, but some libraries ask for its number


class BoundedOutput(io.BufferedIOBase):
    """A file that keeps the beginning of what is written to it, and drops the rest.

    Graders wrap it in files of their own, as they may with the real standard output; it outlives each of them.
    """

    name = "<output>"

    def __init__(self, limit_bytes: int) -> None:
        """Keep nothing yet.

        Args:
            limit_bytes: How much is kept between two calls of `take`.
        """
        self.limit_bytes = limit_bytes
        self._kept = bytearray()

    def close(self) -> None:
        """Stay open: the files that wrap this are closed when a grader drops them."""

    def fileno(self) -> int:
        """Return the descriptor of the process's own standard output."""
        return _STANDARD_OUTPUT

    def writable(self) -> bool:
        """Return True."""
        return True

    def write(self, text: "Buffer", /) -> int:
        """Keep as much as there is room for, and report that all was written."""
        view = memoryview(text)
        self._kept += view[: self.limit_bytes - len(self._kept)]
        return len(view)

    def has_text(self) -> bool:
        """Tell whether anything was printed since the last `take`."""
        return bool(self._kept)

    def take(self) -> str:
        """Return what was printed, and clear it."""
        text = self._kept.decode("utf-8", "replace")
        self._kept.clear()
        return text


def is_detached(text: io.TextIOWrapper) -> bool:
    """Tell whether a text file was detached from its output, and is of no more use."""
    try:
        return text.closed
    except ValueError:
        return True


def open_text(output: BoundedOutput) -> io.TextIOWrapper:
    """Return the text file that prints to an output, as `sys.stdout` must be."""
    return io.TextIOWrapper(output, encoding="utf-8", errors="backslashreplace", write_through=True)
