"""The archive of a hosted account: its layout, its reader, and the writing of its manifest.

A unit is one file of the archive. A list unit (`*.jsonl.gz`) has a line for the raw response body of each list page, or
for a single raw object; a line of messages or responses is an object that holds an id and raw bodies. Every line is a
gzip member of its own, so a unit that is cut off is intact up to its last whole member. While a unit is being written
it is called `.part`, or `.draft` if a later export starts it again; it gets its name once it is complete and durable.
"""

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Literal
from urllib.parse import quote

import msgspec

from evalhaven.domain.jsontext import InvalidJsonError
from evalhaven.importers.pages import object_id, split_page

FORMAT = "evalhaven-archive"
VERSION = 1
MANIFEST = "manifest.json"
_HASH_BYTES = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS
_BLOCK_BYTES = 1 << 15  # What follows a member in its block is copied, and members may be small

LogKind = Literal["stored_completions", "completion_messages", "responses"]
UnitKind = Literal["evals", "runs", "output_items", "file", "file_content"] | LogKind
LOG_KINDS = ("stored_completions", "completion_messages", "responses")
_LIST_KINDS = ("evals", "runs", "output_items", *LOG_KINDS)


class ArchiveError(Exception):
    """The directory does not hold a readable archive; the message says why."""


class Unit(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file of the archive.

    Attributes:
        file: Its path below the archive, with `/`.
        id: What it belongs to: the eval of `runs`, the run of `output_items`, the file; None for `evals`.
        objects: How many objects it holds, not counting excluded ones.
        final: False if a later export fetches it again: its run had not ended, or items were missing.
        excluded: Objects on its pages that the export's filters leave out; readers skip them.
    """

    file: str
    kind: UnitKind
    sha256: str
    bytes: int
    objects: int
    id: str | None = None
    final: bool = True
    excluded: list[str] = []


class Finding(msgspec.Struct, frozen=True):
    """Something that could not be fetched, or that differs from what was announced."""

    kind: UnitKind
    id: str | None
    status: int | None
    message: str


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an export was asked for besides its address and filters; never a key.

    Attributes:
        api_version: Azure's `api-version`.
        owner: Environment variables that named the organisation and the project.
        concurrency: Like `tries` and `timeout_s`, how the server was asked; None is the default.
    """

    api_version: str | None = None
    owner: dict[str, str] = {}
    all_files: bool = False
    logs: bool = True
    concurrency: int | None = None
    tries: int | None = None
    timeout_s: float | None = None


class Manifest(msgspec.Struct):
    """What an archive holds and how it came about; times are Unix seconds.

    Attributes:
        asked: None in archives of releases that did not keep it.
        finished_at: None while an export is in progress, and after one that was interrupted.
        lacking: Whether something is known to be missing although nothing failed.
        failures: What could not be fetched.
        notes: What was fetched but may still change, or differs from what the API announced.
    """

    base_url: str
    started_at: float
    finished_at: float | None = None
    filters: dict[str, object] = {}
    asked: Asked | None = None
    lacking: bool = False
    counts: dict[str, int] = {}
    failures: list[Finding] = []
    notes: list[Finding] = []
    units: list[Unit] = []
    format: str = FORMAT
    version: int = VERSION

    @property
    def is_whole(self) -> bool:
        """Tell whether the export ended with everything that it was asked for."""
        return self.finished_at is not None and not self.failures and not self.lacking


@dataclass(frozen=True, slots=True)
class ArchivedFile:
    """A file of the archive: the raw file object, and the path of its content (None: not fetched)."""

    id: str
    document: bytes
    content: Path | None


class Archive:
    """An archive for reading; objects come as raw JSON text, one page in memory at a time."""

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self.directory = directory
        self.manifest = manifest
        self._units = {(unit.kind, unit.id): unit for unit in manifest.units}

    @classmethod
    def open(cls, directory: Path) -> "Archive":
        """Open an archive.

        Raises:
            ArchiveError: There is no archive, its manifest is damaged, or it is of another version.
        """
        return cls(directory, read_manifest(directory))

    def find_unit(self, kind: UnitKind, owner_id: str | None = None) -> Unit | None:
        """Return a unit; None if the archive does not have it."""
        return self._units.get((kind, owner_id))

    def evals(self) -> Iterator[bytes]:
        """Yield every eval.

        Raises:
            ArchiveError: The unit is damaged (so for every iterator of this class).
        """
        return self._objects("evals", None)

    def runs(self, eval_id: str) -> Iterator[bytes]:
        """Yield the runs of an eval; nothing if the archive has none."""
        return self._objects("runs", eval_id)

    def output_items(self, run_id: str) -> Iterator[bytes]:
        """Yield the output items of a run; nothing if the archive has none."""
        return self._objects("output_items", run_id)

    def files(self) -> Iterator[ArchivedFile]:
        """Yield every file."""
        for unit in self.manifest.units:
            if unit.kind == "file" and unit.id is not None and (found := self.find_file(unit.id)):
                yield found

    def find_file(self, file_id: str) -> ArchivedFile | None:
        """Return a file; None if the archive does not have it."""
        unit, content = self.find_unit("file", file_id), self.find_unit("file_content", file_id)
        if unit is None:
            return None
        document = (self.directory / unit.file).read_bytes()
        return ArchivedFile(file_id, document, self.directory / content.file if content else None)

    def verify(self) -> Iterator[str]:
        """Yield what is wrong: missing or altered files, and counts that do not match."""
        totals: dict[str, int] = {}
        for unit in self.manifest.units:
            totals[unit.kind] = totals.get(unit.kind, 0) + unit.objects
            path = self.directory / unit.file
            try:
                if path.stat().st_size != unit.bytes or file_sha256(path) != unit.sha256:
                    yield f"{unit.file} is not what was exported: its hash differs"
                elif unit.kind in _LIST_KINDS and (found := self._count(unit)) != unit.objects:
                    yield f"{unit.file} holds {found} objects, the manifest says {unit.objects}"
            except (OSError, ArchiveError) as error:
                yield f"{unit.file} cannot be read: {error}"
        for kind, count in self.manifest.counts.items():
            found = totals.get("file" if kind == "files" else kind, 0)
            if count != found:
                yield f"the manifest counts {count} {kind}, its units {found}"
        if self.manifest.finished_at is None:
            yield "the export has not ended; start it again with the same directory"

    def _count(self, unit: Unit) -> int:
        return sum(1 for _ in self._objects(unit.kind, unit.id))

    def _objects(self, kind: UnitKind, owner_id: str | None) -> Iterator[bytes]:
        unit = self.find_unit(kind, owner_id)
        return iter(()) if unit is None else read_unit(self.directory, unit)


def unit_file(kind: UnitKind, owner_id: str | None) -> str:
    """Return the path of a unit below the archive; ids are escaped where they could not be file names."""
    name = quote(owner_id or "", safe="")
    match kind:
        case "evals":
            return "evals.jsonl.gz"
        case "stored_completions" | "completion_messages" | "responses":
            return f"logs/{kind}.jsonl.gz"
        case "runs" | "output_items":
            return f"{kind}/{name}.jsonl.gz"
        case "file":
            return f"files/{name}.json"
        case "file_content":
            return f"files/{name}.content"


def read_manifest(directory: Path) -> Manifest:
    """Return the manifest of an archive.

    Raises:
        ArchiveError: The manifest is missing, damaged, or of another version.
    """
    path = directory / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError as error:
        raise ArchiveError(f"{str(directory)!r} does not hold an archive: it has no {MANIFEST}.") from error
    except (OSError, msgspec.DecodeError) as error:
        raise ArchiveError(f"{str(path)!r} cannot be read: {error}.") from error
    if manifest.format != FORMAT or manifest.version != VERSION:
        raise ArchiveError(f"{str(path)!r} is {manifest.format} {manifest.version}; this release reads {FORMAT} 1.")
    return manifest


def write_manifest(directory: Path, manifest: Manifest) -> None:
    """Replace the manifest atomically."""
    # Format and version come first, for people who look into the file.
    document = {"format": manifest.format, "version": manifest.version, **msgspec.structs.asdict(manifest)}
    part = directory / f"{MANIFEST}.part"
    with part.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.rename(directory / MANIFEST)
    sync_directory(directory)


def read_unit(directory: Path, unit: Unit) -> Iterator[bytes]:
    """Yield the raw objects of a list unit, without excluded ones.

    Raises:
        ArchiveError: The unit is damaged.
    """
    excluded = frozenset(unit.excluded)
    for raw in read_objects(directory / unit.file):
        if not excluded or object_id(raw) not in excluded:
            yield raw


def read_objects(path: Path) -> Iterator[bytes]:
    """Yield the raw objects of a list unit, as far as it is intact.

    Raises:
        ArchiveError: The unit is damaged from there on.
    """
    end = 0
    try:
        with path.open("rb") as file:
            for text, member_end in whole_members(file):
                for line in text.splitlines():
                    yield from split_page(line).objects
                end = member_end
            size_bytes = os.fstat(file.fileno()).st_size
    except (OSError, InvalidJsonError) as error:
        raise ArchiveError(f"{str(path)!r} is damaged: {error}.") from error
    if end != size_bytes:
        raise ArchiveError(f"{str(path)!r} is damaged after {end} bytes.")


def whole_members(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield the text and the end of each gzip member, up to the first that is cut off or damaged."""
    decompressor, text = zlib.decompressobj(_GZIP), bytearray()
    while block := file.read(_BLOCK_BYTES):
        read_to = file.tell()
        while block:
            try:
                text += decompressor.decompress(block)
            except zlib.error:
                return
            if not decompressor.eof:
                break
            block = decompressor.unused_data
            yield bytes(text), read_to - len(block)
            decompressor, text = zlib.decompressobj(_GZIP), bytearray()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal digits."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BYTES):
            digest.update(block)
    return digest.hexdigest()


def sync_directory(directory: Path) -> None:
    """Make additions and removals in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
