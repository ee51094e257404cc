"""What every source of an import offers: the objects of another server, one raw JSON text at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

_KEPT_MESSAGES = 1000


class SourceError(Exception):
    """The source of an import cannot be read; the message says where and why."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to import: its document (JSON text) and the path of its content."""

    document: bytes
    content: Path


@dataclass(slots=True)
class Damage:
    """The parts of a source that cannot be read, while the rest comes over.

    Attributes:
        count: How many parts cannot be read.
        messages: Where and why; the first thousand.
    """

    count: int = 0
    messages: list[str] = field(default_factory=list[str])

    def add(self, message: str) -> None:
        """Keep each message once: a source may be read several times."""
        if len(self.messages) < _KEPT_MESSAGES:
            if message in self.messages:
                return
            self.messages.append(message)
        self.count += 1


class ImportSource(Protocol):
    """Objects to import; each call may be repeated and then starts again, and none holds more than a page.

    What cannot be read is skipped and reported by `damage`. If nothing can be read, iterators may raise `SourceError`.
    """

    @property
    def origin(self) -> str:
        """Return where the objects come from, for people: a base URL, or kind and name of a file."""
        ...

    @property
    def damage(self) -> Damage:
        """Return what could not be read so far."""
        ...

    def evals(self) -> Iterator[bytes]:
        """Yield the documents of the evals."""
        ...

    def runs(self, eval_id: str) -> Iterator[bytes]:
        """Yield the documents of an eval's runs."""
        ...

    def output_items(self, run_id: str) -> Iterator[bytes]:
        """Yield the documents of a run's output items."""
        ...

    def files(self) -> Iterator[SourceFile]:
        """Yield the files whose content is available."""
        ...

    def file_record(self, file_id: str) -> bytes | None:
        """Return the document of a file whose content is not available; None if that is missing too."""
        ...
