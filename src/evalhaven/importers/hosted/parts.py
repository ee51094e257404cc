"""Writing one list unit of an archive so that a kill at any moment costs at most one page."""

import gzip
import os
from array import array
from pathlib import Path

from evalhaven.domain.jsontext import InvalidJsonError
from evalhaven.importers.archive import file_sha256, sync_directory, whole_members
from evalhaven.importers.pages import Page, as_line, object_id, split_page

PART = ".part"
DRAFT = ".draft"
_HASH_MASK = (1 << 64) - 1


class PartWriter:
    """A list unit being written page by page; a page survives a kill once `append` returns."""

    def __init__(self, path: Path, *, resume: bool) -> None:
        """Open the file beside the unit's path.

        Args:
            path: Where the finished unit will be.
            resume: Whether to continue after the whole pages that an interrupted export wrote (`.part`), or to start
            empty (`.draft`, since what was written before may be out of date).
        """
        self._path = path
        self.part = path.with_name(path.name + (PART if resume else DRAFT))
        self.part.parent.mkdir(parents=True, exist_ok=True)
        self.objects = 0
        self.last_id: str | None = None
        self.is_ended = False
        # Eight bytes an object: a run may have millions.
        self._ids = array("Q")
        self._file = self.part.open("r+b" if resume and self.part.exists() else "w+b")
        self._recover()

    def append(self, raw: bytes, page: Page | None = None) -> None:
        """Append a page's body, or one object.

        Args:
            raw: The body.
            page: The objects of the body, if it has been split already.
        """
        self._file.write(gzip.compress(as_line(raw), mtime=0))
        self._file.flush()
        self._count(page or split_page(raw))

    def listed(self) -> frozenset[int]:
        """Return the `id_hash` of every object, to find out which others are missing."""
        return frozenset(self._ids)

    def count_distinct(self, at_once: int = 250_000) -> int:
        """Return how many different objects there are; about so many are compared at once."""
        rounds = 1 + len(self._ids) // at_once
        return sum(len({each for each in self._ids if each % rounds == n}) for n in range(rounds))

    def seal(self) -> tuple[str, int]:
        """Make the bytes durable and return their hash and count; nothing can be appended afterwards."""
        os.fsync(self._file.fileno())
        self._file.close()
        return file_sha256(self.part), self.part.stat().st_size

    def commit(self) -> None:
        """Give the sealed unit its name."""
        self.part.rename(self._path)
        sync_directory(self._path.parent)

    def __enter__(self) -> "PartWriter":
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the file, which stays for a later export."""
        self._file.close()

    def discard(self) -> None:
        """Delete the part."""
        self._file.close()
        self.part.unlink(missing_ok=True)

    def restart(self) -> None:
        """Drop what was written and begin again."""
        self._file.seek(0)
        self._file.truncate()
        self.objects, self.last_id, self.is_ended = 0, None, False
        self._ids = array("Q")

    def _count(self, page: Page) -> None:
        ids = [object_id(raw) for raw in page.objects]
        self._ids.extend(map(id_hash, ids))
        self.objects += len(ids)
        self.last_id = ids[-1] if ids else self.last_id
        self.is_ended = page.has_more is False or not page.objects

    def _recover(self) -> None:
        """Keep the whole pages and cut off what follows them."""
        end = 0
        for text, member_end in whole_members(self._file):
            try:
                if text.find(b"\n") != len(text) - 1:
                    break
                self._count(split_page(text))
            except InvalidJsonError:
                break
            end = member_end
        self._file.seek(end)
        self._file.truncate()


def id_hash(public_id: str) -> int:
    """Return a hash of an id, which is stable within this process."""
    return hash(public_id) & _HASH_MASK
