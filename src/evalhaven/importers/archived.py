"""Import of an archive that `evalhaven export-hosted` made."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from evalhaven.importers.archive import (
    LOG_KINDS,
    Archive,
    ArchiveError,
    LogKind,
    Unit,
    UnitKind,
    file_sha256,
    read_objects,
    read_unit,
    unit_file,
)
from evalhaven.importers.hosted.parts import PART
from evalhaven.importers.source import Damage, SourceError, SourceFile

_AGAIN = "Copy the archive again, or delete this file of it and start the export again; then import again."


class ArchiveSource:
    """Objects of an archive."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._damage = Damage()
        self._damaged: set[str] = set()

    @classmethod
    def open(cls, directory: Path) -> "ArchiveSource":
        """Open the archive of a directory.

        Raises:
            SourceError: There is no archive that can be read.
        """
        try:
            archive = Archive.open(directory)
        except ArchiveError as error:
            raise SourceError(str(error)) from error
        root = directory.resolve()
        for unit in archive.manifest.units:
            if not (root / unit.file).resolve().is_relative_to(root):
                raise SourceError(f"The archive names a file outside of it: {unit.file!r}.")
        return cls(archive)

    @property
    def origin(self) -> str:
        """Return the base URL of the API that was exported."""
        return self._archive.manifest.base_url

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to import."""
        units = [unit for unit in self._archive.manifest.units if unit.kind not in LOG_KINDS]
        return not any(unit.objects for unit in units) and not any(self._archive.directory.rglob(f"*{PART}"))

    def logs(self) -> dict[str, int]:
        """Return how many stored completions and responses the archive holds."""
        counts = self._archive.manifest.counts
        return {kind: counts[kind] for kind in ("stored_completions", "responses") if counts.get(kind)}

    def logged(self, kind: LogKind) -> Iterator[bytes]:
        """Yield what the archive holds of logged calls."""
        return self._objects(kind, None)

    def cautions(self) -> Iterator[str]:
        """Yield why this archive is not the whole account."""
        manifest = self._archive.manifest
        if manifest.finished_at is None:
            yield "the export has not ended: start it again with the same directory, then import again"
        for finding in manifest.failures:
            name = f"{finding.kind} of {finding.id}" if finding.id else finding.kind
            yield f"{name} could not be exported: {finding.message}"

    @property
    def damage(self) -> Damage:
        """Return the units that could not be read completely."""
        return self._damage

    def find_damage(self) -> Iterator[str]:
        """Yield damage beyond what was found so far; this reads every byte."""
        for found in self._archive.verify():
            if not found.startswith("the export has not ended") and found.partition(" ")[0] not in self._damaged:
                yield found

    def evals(self) -> Iterator[bytes]:
        """Yield the documents of the evals."""
        return self._objects("evals", None)

    def runs(self, eval_id: str) -> Iterator[bytes]:
        """Yield the documents of an eval's runs."""
        return self._objects("runs", eval_id)

    def output_items(self, run_id: str) -> Iterator[bytes]:
        """Yield the documents of a run's output items; those fetched so far if the export was cut short."""
        unit = self._archive.find_unit("output_items", run_id)
        path = self._archive.directory / unit_file("output_items", run_id)
        part = path.with_name(path.name + PART)
        if (unit is None or not unit.final) and part.is_file():
            fetched = 0 if unit is None else unit.objects
            if unit is None or sum(1 for _ in _objects_of_part(part)) > fetched:
                return _objects_of_part(part)
        return self._objects("output_items", run_id)

    def files(self) -> Iterator[SourceFile]:
        """Yield the files whose content was exported, after checking their bytes."""
        for unit in self._archive.manifest.units:
            if unit.kind == "file" and unit.id is not None:
                content = self._archive.find_unit("file_content", unit.id)
                if content is not None and self._is_whole(unit) and self._is_whole(content):
                    yield SourceFile(self._path(unit).read_bytes(), self._path(content))

    def file_record(self, file_id: str) -> bytes | None:
        """Return the document of a file whose content was not exported."""
        unit = self._archive.find_unit("file", file_id)
        return self._path(unit).read_bytes() if unit is not None and self._is_whole(unit) else None

    def _objects(self, kind: UnitKind, owner_id: str | None) -> Iterator[bytes]:
        unit = self._archive.find_unit(kind, owner_id)
        if unit is None:
            return
        found = 0
        try:
            for raw in read_unit(self._archive.directory, unit):
                found += 1
                yield raw
        except (ArchiveError, OSError):
            self._note(unit, f"is damaged, and {found:,} of its {unit.objects:,} objects could be read")
        else:
            if found != unit.objects:
                self._note(unit, f"holds {found:,} objects, its manifest says {unit.objects:,}")

    def _is_whole(self, unit: Unit) -> bool:
        """Tell whether the bytes of a unit are those that were exported; if not, note it."""
        path = self._path(unit)
        try:
            is_whole = path.stat().st_size == unit.bytes and file_sha256(path) == unit.sha256
        except OSError as error:
            self._note(unit, f"cannot be read: {error.strerror}")
            return False
        if not is_whole:
            self._note(unit, "is not what was exported")
        return is_whole

    def _path(self, unit: Unit) -> Path:
        return self._archive.directory / unit.file

    def _note(self, unit: Unit, what: str) -> None:
        self._damaged.add(unit.file)
        self._damage.add(f"{unit.file} {what}. {_AGAIN}")


def _objects_of_part(path: Path) -> Iterator[bytes]:
    """Yield the raw objects of an unfinished unit, up to its last whole line."""
    with contextlib.suppress(ArchiveError):
        yield from read_objects(path)
