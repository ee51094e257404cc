"""Import of an archive that `evalhaven export-hosted` made."""

from collections.abc import Iterator
from pathlib import Path

from evalhaven.importers.archive import Archive, ArchiveError
from evalhaven.importers.source import SourceError, SourceFile


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
        return _readable(self._archive.evals())

    def runs(self, eval_id: str) -> Iterator[bytes]:
        """Yield the documents of an eval's runs."""
        return _readable(self._archive.runs(eval_id))

    def output_items(self, run_id: str) -> Iterator[bytes]:
        """Yield the documents of a run's output items."""
        return _readable(self._archive.output_items(run_id))

    def files(self) -> Iterator[SourceFile]:
        """Yield the files whose content was exported."""
        try:
            for file in self._archive.files():
                if file.content is not None:
                    yield SourceFile(file.document, file.content)
        except (ArchiveError, OSError) as error:
            raise SourceError(f"The archive cannot be read: {error}") from error


def _readable(objects: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from objects
    except (ArchiveError, OSError) as error:
        raise SourceError(f"The archive cannot be read: {error}") from error
