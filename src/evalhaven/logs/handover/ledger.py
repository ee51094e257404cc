"""The ledger: which calls were given to the storing process, and which of them it acknowledged.

It is a mapped file: what was written is there after the process was killed, and writing costs no system call. The next
server reads from it which calls may be lost, and asks the store. Its figures are in two slots, written in turn and each
with a checksum, so that a kill within a write leaves the figures before it.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

import msgspec
import structlog

_MAGIC = b"EVHVNLG1"
_HEAD = struct.Struct("<8s16sII")  # magic, sender, places of the ring, bytes of the open questions
_FIGURES = struct.Struct("<8Q")
_CHECK = struct.Struct("<I")
_SLOT_BYTES = _FIGURES.size + _CHECK.size
_SECOND = struct.Struct("<I")
_LATEST_SECOND = 2**32 - 1


class GivenCall(NamedTuple):
    """A call that was given to the storing process: when it was created, and its `origin`."""

    created_at: int
    origin: str


@dataclass(frozen=True, slots=True)
class Losses:
    """How many calls were not stored since the ledger was made, by reason.

    Attributes:
        overflow: The queue was full.
        killed: The server ended before they were stored.
        unreadable: Their request or reply is not what its API says, or not complete.
        failed: The store refused them.
    """

    overflow: int = 0
    killed: int = 0
    unreadable: int = 0
    failed: int = 0


@dataclass(slots=True)
class _Figures:
    """What a slot holds; changed in place, since that costs a fraction of what a copy costs, and each call needs two.

    Attributes:
        turn: Counts the writes; the slot of the later one is valid.
        given: The last number given.
        acknowledged: The last number acknowledged.
        is_recounted: Whether the questions about earlier servers are answered.
    """

    turn: int = 0
    given: int = 0
    acknowledged: int = 0
    overflow: int = 0
    killed: int = 0
    unreadable: int = 0
    failed: int = 0
    is_recounted: bool = True

    @classmethod
    def after(cls, losses: Losses, *, is_recounted: bool) -> "_Figures":
        """Return the figures with which a ledger begins."""
        return cls(
            overflow=losses.overflow,
            killed=losses.killed,
            unreadable=losses.unreadable,
            failed=losses.failed,
            is_recounted=is_recounted,
        )

    @property
    def losses(self) -> Losses:
        """Return what was not stored."""
        return Losses(self.overflow, self.killed, self.unreadable, self.failed)

    def pack(self) -> bytes:
        """Return the bytes of a slot."""
        packed = _FIGURES.pack(
            self.turn,
            self.given,
            self.acknowledged,
            self.overflow,
            self.killed,
            self.unreadable,
            self.failed,
            self.is_recounted,
        )
        return packed + _CHECK.pack(zlib.crc32(packed))

    @classmethod
    def find(cls, raw: bytes) -> "_Figures | None":
        """Return the figures of a slot; None if it was not written wholly."""
        packed = raw[: _FIGURES.size]
        if len(raw) < _SLOT_BYTES or _CHECK.pack(zlib.crc32(packed)) != raw[_FIGURES.size : _SLOT_BYTES]:
            return None
        *figures, is_recounted = _FIGURES.unpack(packed)
        return cls(*figures, is_recounted=bool(is_recounted))


@dataclass(frozen=True, slots=True)
class _Question:
    """Numbers of a server that has ended, of which nobody knows whether they were stored."""

    sender: str
    first: int
    seconds: Sequence[int]

    def calls(self) -> Iterator[GivenCall]:
        """Yield the calls that are asked for."""
        for number, second in enumerate(self.seconds, self.first):
            yield GivenCall(second, f"{self.sender}-{number}")


class Ledger:
    """The ledger of a server that runs; only its event loop's thread uses it."""

    def __init__(
        self, mapped: mmap.mmap, sender: str, places: int, questions: Sequence[_Question], losses: Losses
    ) -> None:
        self.sender = sender
        self._mapped = mapped
        self._places = places
        self._questions = questions
        self._ring = len(mapped) - places * _SECOND.size
        self._figures = _Figures.after(losses, is_recounted=not questions)
        self._write()

    @classmethod
    def open(cls, path: Path, sender: str, places: int) -> "Ledger":
        """Take over what the ledger of the server before says, in a new file that replaces it.

        If that fails, say on a full disk, the ledger is in memory only: a kill is then not counted.

        Args:
            path: The file; it may not exist.
            sender: A name that no server had before.
            places: Most calls that are given and not acknowledged.
        """
        try:
            questions, losses = _read(path)
            known = msgspec.json.encode([(each.sender, each.first, each.seconds) for each in questions])
            head = _HEAD.pack(_MAGIC, sender.encode(), places, len(known))
            size = len(head) + 2 * _SLOT_BYTES + len(known) + places * _SECOND.size
            mapped = _new_file(path, head + bytes(2 * _SLOT_BYTES) + known, size, losses, is_recounted=not questions)
        except OSError as error:
            structlog.get_logger("evalhaven.logs").error("ledger_unavailable", reason=str(error))
            return cls.in_memory(sender, places)
        return cls(mapped, sender, places, questions, losses)

    @classmethod
    def in_memory(cls, sender: str, places: int, after: Path | None = None) -> "Ledger":
        """Return a ledger that ends with its process.

        Args:
            sender: A name that no server had before.
            places: Most calls that are given and not acknowledged.
            after: The ledger of a server that has ended, to be shown; it stays as it is.
        """
        questions, losses = ([], Losses()) if after is None else _read(after)
        size = _HEAD.size + 2 * _SLOT_BYTES + places * _SECOND.size
        return cls(mmap.mmap(-1, size), sender, places, questions, losses)

    @property
    def given(self) -> int:
        """Return the last number given."""
        return self._figures.given

    @property
    def acknowledged(self) -> int:
        """Return the last number acknowledged."""
        return self._figures.acknowledged

    @property
    def losses(self) -> Losses:
        """Return what was not stored."""
        return self._figures.losses

    def in_question(self) -> list[GivenCall]:
        """Return the calls of earlier servers that may be lost; none once they are recounted."""
        if self._figures.is_recounted:
            return []
        return [call for question in self._questions for call in question.calls()]

    def give(self, created_at: int) -> int | None:
        """Return the number of a new call; None if too many are not acknowledged."""
        figures = self._figures
        if figures.given - figures.acknowledged >= self._places:
            return None
        number = figures.given + 1
        at = self._ring + number % self._places * _SECOND.size
        self._mapped[at : at + _SECOND.size] = _SECOND.pack(min(max(created_at, 0), _LATEST_SECOND))
        figures.given = number
        self._write()
        return number

    def note_acknowledged(self, number: int, *, unreadable: int = 0, failed: int = 0) -> None:
        """Note that all numbers up to this one are done with: stored, but for those that could not be."""
        self._figures.acknowledged = number
        self._figures.unreadable += unreadable
        self._figures.failed += failed
        self._write()

    def note_overflow(self) -> None:
        """Note that a call was not given a number, because the queue is full."""
        self._figures.overflow += 1
        self._write()

    def note_recounted(self, lost: int) -> None:
        """Note how many of the calls in question were lost."""
        self._figures.killed += lost
        self._figures.is_recounted = True
        self._write()

    def close(self) -> None:
        """Unmap the file."""
        self._mapped.close()

    def _write(self) -> None:
        self._figures.turn += 1
        at = _HEAD.size + self._figures.turn % 2 * _SLOT_BYTES
        self._mapped[at : at + _SLOT_BYTES] = self._figures.pack()


def _read(path: Path) -> tuple[list[_Question], Losses]:
    """Return what the ledger of an ended server leaves: the open questions, and what was lost so far."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return [], Losses()
    start = _HEAD.size + 2 * _SLOT_BYTES
    slots = [_Figures.find(raw[at : at + _SLOT_BYTES]) for at in (_HEAD.size, _HEAD.size + _SLOT_BYTES)]
    figures = max((each for each in slots if each is not None), key=lambda each: each.turn, default=None)
    if len(raw) < start or figures is None or not raw.startswith(_MAGIC):
        structlog.get_logger("evalhaven.logs").error("ledger_damaged", effect="what was lost so far is not known")
        return [], Losses()
    _, sender, places, known_bytes = _HEAD.unpack_from(raw)
    questions: list[_Question] = []
    if not figures.is_recounted:
        known = msgspec.json.decode(raw[start : start + known_bytes], type=list[tuple[str, int, list[int]]])
        questions = [_Question(*each) for each in known]
    numbers = range(figures.acknowledged + 1, figures.given + 1)
    ring = start + known_bytes
    seconds = [
        cast("tuple[int]", _SECOND.unpack_from(raw, ring + number % places * _SECOND.size))[0] for number in numbers
    ]
    if seconds:
        questions.append(_Question(sender.rstrip(b"\0").decode(), numbers.start, seconds))
    return questions, figures.losses


def _new_file(path: Path, beginning: bytes, size: int, losses: Losses, *, is_recounted: bool) -> mmap.mmap:
    """Put a new ledger in the place of the one before and return it mapped."""
    part = path.with_name(f"{path.name}.part")
    figures = _Figures.after(losses, is_recounted=is_recounted).pack()
    try:
        with open(part, "w+b", opener=_open_for_owner) as file:
            file.write(beginning)
            # A mapped write to a place without a block of the disk would end the process if the disk were full.
            file.write(bytes(size - len(beginning)))
            file.seek(_HEAD.size)
            file.write(figures)
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
            return mmap.mmap(file.fileno(), size)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
