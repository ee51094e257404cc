"""The archive of an export in progress: what it already holds, what is being written, what failed.

A unit is journalled before it gets its name, and counts only if the file is there with the journalled bytes. So a kill
at any moment leaves complete units, and parts that can be continued.
An archive keeps what it holds: an object that is no longer listed, or no longer wanted, stays in it.
"""

import contextlib
import fcntl
import os
import threading
from collections.abc import Collection, Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from evalhaven.domain.clock import Clock
from evalhaven.domain.wording import counted
from evalhaven.importers.archive import (
    MANIFEST,
    ArchiveError,
    Asked,
    Finding,
    Manifest,
    Unit,
    UnitKind,
    file_sha256,
    read_manifest,
    read_objects,
    read_unit,
    sync_directory,
    unit_file,
    write_manifest,
)
from evalhaven.importers.hosted.parts import DRAFT, PartWriter, id_hash
from evalhaven.importers.pages import object_id

_JOURNAL = "journal.jsonl"
_LOCK = ".lock"
_FOLDERS = ("runs", "output_items", "files", "logs")
_COUNTED: dict[UnitKind, str] = {
    "evals": "evals",
    "runs": "runs",
    "output_items": "output_items",
    "file": "files",
    "stored_completions": "stored_completions",
    "responses": "responses",
}


class Workspace:
    """An archive open for writing; one process at a time."""

    def __init__(
        self, directory: Path, base_url: str, filters: dict[str, object], clock: Clock, asked: Asked | None = None
    ) -> None:
        """Open or create the archive and continue what an interrupted export left.

        Raises:
            ArchiveError: The archive is another account's, in use, damaged, or of another version.
        """
        # Evals hold what users wrote: other users must not read it.
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory = directory
        self.failures: list[Finding] = []
        self.notes: list[Finding] = []
        self.is_lacking = False
        self._settled: set[tuple[UnitKind, str | None]] = set()
        self._clock = clock
        self._manifest = Manifest(base_url=base_url, started_at=clock.now(), filters=filters, asked=asked)
        self._earlier_failures: list[Finding] = []
        self._units: dict[tuple[UnitKind, str | None], Unit] = {}
        self._lock = _lock(directory)
        self._turn = threading.Lock()
        self._take_up()
        self._save(finished_at=None)
        # Its content is in the manifest now.
        self._journal = (directory / _JOURNAL).open("wb")

    def find_unit(self, kind: UnitKind, owner_id: str | None = None) -> Unit | None:
        """Return a unit that the archive holds."""
        return self._units.get((kind, owner_id))

    def has_final(self, kind: UnitKind, owner_id: str | None = None) -> bool:
        """Tell whether a unit is there and need not be fetched again."""
        unit = self.find_unit(kind, owner_id)
        return unit is not None and unit.final

    def objects(self, kind: UnitKind, owner_id: str | None = None) -> Iterator[bytes]:
        """Yield the raw objects of a list unit, without excluded ones; nothing if there is no unit."""
        unit = self.find_unit(kind, owner_id)
        return iter(()) if unit is None else read_unit(self.directory, unit)

    def all_objects(self, kind: UnitKind) -> Iterator[bytes]:
        """Yield the raw objects of all list units of a kind, without excluded ones."""
        for unit in [unit for unit in self._units.values() if unit.kind == kind]:
            yield from read_unit(self.directory, unit)

    def open_part(self, kind: UnitKind, owner_id: str | None = None, *, resume: bool = False) -> PartWriter:
        """Open a list unit for writing."""
        return PartWriter(self.directory / unit_file(kind, owner_id), resume=resume)

    def finish_list(self, part: PartWriter, kind: UnitKind, owner_id: str | None, unwanted: Iterable[str] = ()) -> None:
        """Adopt a written list of evals or runs into the archive; what it held of the list before is kept.

        Args:
            part: The written unit.
            kind: `evals` or `runs`.
            owner_id: The eval of runs.
            unwanted: Objects that the filters leave out, unless the archive already held them.
        """
        excluded = set(unwanted)
        if before := self.find_unit(kind, owner_id):
            held = {object_id(raw) for raw in self.objects(kind, owner_id)}
            listed = {object_id(raw) for raw in read_objects(part.part)}
            excluded = (excluded | (set(before.excluded) - listed)) - held
            for raw in read_objects(self.directory / before.file):
                if object_id(raw) not in listed:
                    part.append(raw)
        self._replace(part, kind, owner_id, excluded)

    def finish_items(
        self,
        part: PartWriter,
        run_id: str | None,
        *,
        kind: UnitKind = "output_items",
        final: bool,
        total: int = 0,
    ) -> int:
        """Adopt the written output items of a run into the archive; older ones that are no longer listed are kept.

        Args:
            part: The written unit.
            run_id: Whose items they are.
            kind: The kind of the unit, for other long lists.
            final: Whether the run will never change again.
            total: How many items the run counts; a unit with fewer is fetched again.

        Returns:
            How many different items there are now.
        """
        if before := self.find_unit(kind, run_id):
            listed, kept = part.listed(), 0
            for raw in read_objects(self.directory / before.file):
                if id_hash(object_id(raw)) not in listed:
                    part.append(raw)
                    kept += 1
            if kept:
                self.note(kind, run_id, f"{counted(kept, 'item is', 'items are')} no longer listed, and kept")
        distinct = part.count_distinct()
        self._replace(part, kind, run_id, (), final=final and distinct >= total)
        return distinct

    def finish_collection(self, part: PartWriter, kind: UnitKind) -> None:
        """Add the written part to what the archive holds of a kind."""
        if not part.objects:
            part.discard()
            return
        listed = part.listed()
        for raw in self.objects(kind):
            if id_hash(object_id(raw)) not in listed:
                part.append(raw)
        self._replace(part, kind, None, ())

    def exclude(self, kind: UnitKind, owner_id: str | None, ids: Iterable[str]) -> None:
        """Exclude more objects from a list that is already finished."""
        if unit := self.find_unit(kind, owner_id):
            self._record(_excluding(unit, {*unit.excluded, *ids}))

    def store_file(self, kind: UnitKind, file_id: str, part: Path, *, final: bool = True) -> None:
        """Adopt a written file (its object or its content) into the archive."""
        with part.open("rb") as file:
            os.fsync(file.fileno())
        name, digest = unit_file(kind, file_id), file_sha256(part)
        before = self.find_unit(kind, file_id)
        self._record(Unit(name, kind, digest, part.stat().st_size, 1, file_id, final))
        if before is not None and before.sha256 == digest:
            part.unlink()
        else:
            part.rename(self.directory / name)
            sync_directory((self.directory / name).parent)

    def fail(self, kind: UnitKind, owner_id: str | None, status: int | None, message: str) -> None:
        """Record what could not be fetched."""
        self.failures.append(Finding(kind, owner_id, status, message))

    def settle(self, kind: UnitKind, owner_id: str | None) -> None:
        """Record that something was fetched, so that an earlier failure no longer counts."""
        self._settled.add((kind, owner_id))

    def note(self, kind: UnitKind, owner_id: str | None, message: str, *, is_lacking: bool = False) -> None:
        """Record what was fetched but may still change, or differs from what was announced.

        Args:
            kind: Of the unit.
            owner_id: What the unit belongs to.
            message: What to know about it.
            is_lacking: Whether something is missing from the archive, so that the export is not complete.
        """
        self.is_lacking = self.is_lacking or is_lacking
        self.notes.append(Finding(kind, owner_id, None, message))

    def count(self) -> dict[str, int]:
        """Return how many objects the archive holds, by kind."""
        counts = dict.fromkeys(_COUNTED.values(), 0)
        for unit in self._units.values():
            if unit.kind in _COUNTED:
                counts[_COUNTED[unit.kind]] += unit.objects
        return counts

    def close(self, *, is_ended: bool) -> Manifest:
        """Write the manifest and release the archive; `is_ended` is False if the export was interrupted."""
        self._journal.close()
        self._save(self._clock.now() if is_ended else None)
        (self.directory / _JOURNAL).unlink()
        os.close(self._lock)
        return self._manifest

    def _take_up(self) -> None:
        """Read what is there; a file that is missing, or not of the recorded size, counts as absent."""
        if (self.directory / MANIFEST).exists():
            earlier = read_manifest(self.directory)
            if earlier.base_url != self._manifest.base_url:
                raise ArchiveError(
                    f"{str(self.directory)!r} holds an archive of {earlier.base_url}: choose another directory."
                )
            self._earlier_failures = earlier.failures
            for draft in (path for kind in _FOLDERS for path in (self.directory / kind).glob(f"*{DRAFT}")):
                draft.unlink()
            for unit in earlier.units:
                path = self.directory / unit.file
                if path.is_file() and path.stat().st_size == unit.bytes:
                    self._units[unit.kind, unit.id] = unit
        for unit in self._journalled():
            path = self.directory / unit.file
            if path.is_file() and path.stat().st_size == unit.bytes and file_sha256(path) == unit.sha256:
                self._units[unit.kind, unit.id] = unit

    def _journalled(self) -> Iterator[Unit]:
        path = self.directory / _JOURNAL
        for line in path.read_bytes().splitlines() if path.exists() else ():
            # The last line may be cut off.
            with contextlib.suppress(msgspec.DecodeError):
                yield msgspec.json.decode(line, type=Unit)

    def _replace(
        self, part: PartWriter, kind: UnitKind, owner_id: str | None, excluded: Collection[str], *, final: bool = True
    ) -> None:
        """Put a part in its unit's place, unless the file there has exactly the same objects."""
        before = self.find_unit(kind, owner_id)
        if before is not None and _digest(part.part) == _digest(self.directory / before.file):
            part.discard()
            self._record(_excluding(msgspec.structs.replace(before, final=final), excluded))
            return
        sha, size = part.seal()
        unit = Unit(unit_file(kind, owner_id), kind, sha, size, part.objects, owner_id, final)
        self._record(_excluding(unit, excluded))
        part.commit()

    def _record(self, unit: Unit) -> None:
        with self._turn:
            self._journal.write(msgspec.json.encode(unit) + b"\n")
            self._journal.flush()
            os.fsync(self._journal.fileno())
            self._units[unit.kind, unit.id] = unit

    def _save(self, finished_at: float | None) -> None:
        failures = {(each.kind, each.id): each for each in self.failures}
        for each in self._earlier_failures:
            if not self._is_settled(each):
                failures.setdefault((each.kind, each.id), each)
        self._manifest.finished_at = finished_at
        self._manifest.lacking = self.is_lacking
        self._manifest.counts = self.count()
        self._manifest.failures = list(failures.values())
        self._manifest.notes = self.notes
        self._manifest.units = sorted(self._units.values(), key=lambda unit: unit.file)
        write_manifest(self.directory, self._manifest)

    def _is_settled(self, failure: Finding) -> bool:
        """Tell whether what could not be fetched earlier is there now; lists may always have grown."""
        if failure.kind not in ("evals", "runs") and self.has_final(failure.kind, failure.id):
            return True
        # The complete list of evals settles every eval that was asked for by its id.
        owner_id = None if failure.kind == "evals" else failure.id
        return not {(failure.kind, failure.id), (failure.kind, owner_id)}.isdisjoint(self._settled)


def _excluding(unit: Unit, excluded: Collection[str]) -> Unit:
    objects = unit.objects + len(unit.excluded) - len(excluded)
    return msgspec.structs.replace(unit, objects=objects, excluded=sorted(excluded))


def _digest(path: Path) -> bytes:
    """Return a hash over the objects of a list unit, regardless of how pages split them."""
    digest = sha256()
    for raw in read_objects(path):
        digest.update(raw + b"\n")
    return digest.digest()


def _lock(directory: Path) -> int:
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ArchiveError(f"Another export is writing to {str(directory)!r}.") from error
    return descriptor
