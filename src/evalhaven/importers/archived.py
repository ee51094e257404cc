"""Import of an archive that `evalhaven export-hosted` made."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from evalhaven.domain.jsontext import InvalidJsonError
from evalhaven.importers.archive import Archive, ArchiveError, Unit, UnitKind, file_sha256, read_unit, unit_file
from evalhaven.importers.hosted.parts import PART
from evalhaven.importers.pages import split_page
from evalhaven.importers.source import SourceError, SourceFile

_AGAIN = "Start the export again with the same directory, then import again."


class ArchiveSource:
    """Objects of an archive."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    @classmethod
    def open(cls, directory: Path) -> "ArchiveSource":
        """Open the archive of a directory.

        Raises:
            SourceError: There is none that can be read.
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
        units = self._archive.manifest.units
        return not any(unit.objects for unit in units) and not any(self._archive.directory.rglob(f"*{PART}"))

    def cautions(self) -> Iterator[str]:
        """Yield what keeps this archive from being the whole account."""
        manifest = self._archive.manifest
        if manifest.finished_at is None:
            yield "the export has not ended: start it again with the same directory, then import again"
        for finding in manifest.failures:
            name = f"{finding.kind} of {finding.id}" if finding.id else finding.kind
            yield f"{name} could not be exported: {finding.message}"

    def damages(self) -> Iterator[str]:
        """Yield what is damaged; every byte is read for it."""
        for found in self._archive.verify():
            if not found.startswith("the export has not ended"):
                yield found

    def evals(self) -> Iterator[bytes]:
        """Yield the documents of the evals."""
        return self._objects("evals", None)

    def runs(self, eval_id: str) -> Iterator[bytes]:
        """Yield the documents of an eval's runs."""
        return self._objects("runs", eval_id)

    def output_items(self, run_id: str) -> Iterator[bytes]:
        """Yield the documents of a run's output items; of an export that was cut short, those it had fetched."""
        unit = self._archive.find_unit("output_items", run_id)
        path = self._archive.directory / unit_file("output_items", run_id)
        part = path.with_name(path.name + PART)
        if (unit is None or not unit.final) and part.is_file():
            fetched = 0 if unit is None else unit.objects
            if unit is None or sum(1 for _ in _objects_of_part(part)) > fetched:
                return _objects_of_part(part)
        return self._objects("output_items", run_id)

    def files(self) -> Iterator[SourceFile]:
        """Yield the files whose content was exported, once their bytes are known to be those."""
        for unit in self._archive.manifest.units:
            if unit.kind == "file" and unit.id is not None:
                content = self._archive.find_unit("file_content", unit.id)
                if content is not None:
                    yield SourceFile(self._checked(unit).read_bytes(), self._checked(content))

    def file_record(self, file_id: str) -> bytes | None:
        """Return the document of a file of which only that was exported."""
        unit = self._archive.find_unit("file", file_id)
        return None if unit is None else self._checked(unit).read_bytes()

    def _objects(self, kind: UnitKind, owner_id: str | None) -> Iterator[bytes]:
        unit = self._archive.find_unit(kind, owner_id)
        if unit is None:
            return
        found = 0
        try:
            for raw in read_unit(self._archive.directory, unit):
                found += 1
                yield raw
        except (ArchiveError, OSError) as error:
            raise SourceError(f"The archive cannot be read: {error}") from error
        if found != unit.objects:
            raise SourceError(
                f"The archive is damaged: {unit.file} holds {found:,} objects, its manifest says {unit.objects:,}. "
                + _AGAIN
            )

    def _checked(self, unit: Unit) -> Path:
        """Return where a unit stands, its bytes being those that were exported."""
        path = self._archive.directory / unit.file
        try:
            is_whole = path.stat().st_size == unit.bytes and file_sha256(path) == unit.sha256
        except OSError as error:
            raise SourceError(f"The archive is damaged: {unit.file} cannot be read: {error}. {_AGAIN}") from error
        if not is_whole:
            raise SourceError(f"The archive is damaged: {unit.file} is not what was exported. {_AGAIN}")
        return path


def _objects_of_part(path: Path) -> Iterator[bytes]:
    """Yield the raw objects of a unit being written, up to its last whole member; each is a page on one line."""
    held: list[bytes] = []  # of the line before: its member is known to be whole when the next line could be read
    try:
        with gzip.open(path, "rb") as lines:
            for line in lines:
                yield from held
                held = []
                if not line.endswith(b"\n"):
                    return
                held = split_page(line).objects
        yield from held
    except (OSError, EOFError, zlib.error, InvalidJsonError):
        return
