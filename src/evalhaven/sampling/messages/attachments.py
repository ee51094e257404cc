"""Uploaded files within requests: media types and data URLs."""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import PurePath
from typing import Protocol

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.samples import ItemError
from evalhaven.sampling.messages.making import FileContents, RequestError

MAX_INLINE_BYTES = 32 * 1024 * 1024
SHOWN_CHARS = 4096
_SHOWN_HEAD_CHARS = 200
_KEPT_CHARS = 32 * 1024 * 1024

_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
)
_CONTAINERS = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}  # named at byte 8 of a RIFF file
# The machine's own table of types would make requests differ between machines.
_SUFFIXES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".csv": "text/csv",
    ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".htm": "text/html",
    ".html": "text/html",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".md": "text/markdown",
    ".mp3": "audio/mpeg",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".rtf": "application/rtf",
    ".svg": "image/svg+xml",
    ".tiff": "image/tiff",
    ".txt": "text/plain",
    ".wav": "audio/wav",
    ".webp": "image/webp",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".xml": "application/xml",
}


def media_type(filename: str, content: bytes) -> str:
    """Return the media type of a file by its first bytes, else by its name."""
    for start, found in _STARTS:
        if content.startswith(start):
            return found
    if content.startswith(b"RIFF") and content[8:12] in _CONTAINERS:
        return _CONTAINERS[content[8:12]]
    return _SUFFIXES.get(PurePath(filename).suffix.lower(), "application/octet-stream")


class FileLookup(Protocol):
    """Files by id, as data URLs."""

    def find(self, file_id: JsonValue) -> tuple[str, str] | None:
        """Return name and data URL of a file that was uploaded here; None for an id that only the endpoint may know.

        Raises:
            RequestError: The file is too large for a request.
        """
        ...


class KeptUrls:
    """The latest data URLs: a file that every item shows is encoded once."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, str]] = {}
        self._chars = 0

    def find(self, file_id: str) -> tuple[str, str] | None:
        """Return name and data URL, None for one that is not kept."""
        return self._kept.get(file_id)

    def keep(self, file_id: str, named_url: tuple[str, str]) -> None:
        """Keep name and data URL of a file, and forget the oldest ones if there are too many."""
        self._kept[file_id] = named_url
        self._chars += len(named_url[1])
        while self._chars > _KEPT_CHARS:
            oldest = next(iter(self._kept))
            self._chars -= len(self._kept.pop(oldest)[1])


@dataclass(frozen=True, slots=True)
class FileUrls:
    """The files that were uploaded here, as data URLs."""

    files: FileContents
    kept: KeptUrls

    def find(self, file_id: JsonValue) -> tuple[str, str] | None:
        """Return name and data URL of a file that was uploaded here."""
        if not isinstance(file_id, str):
            return None
        found = self.kept.find(file_id)
        if found is None:
            file = self.files.find(file_id)
            if file is None:
                return None
            found = file[0], _data_url(file_id, *file)
            self.kept.keep(file_id, found)
        return found


class _NoFiles:
    def find(self, file_id: JsonValue) -> None:
        """Return nothing: whoever asks knows no files yet."""


NO_FILES: FileLookup = _NoFiles()


def _data_url(file_id: str, filename: str, content: bytes) -> str:
    if len(content) > MAX_INLINE_BYTES:
        message = f"The file {file_id!r} has {len(content)} bytes; a request takes {MAX_INLINE_BYTES} at most."
        raise RequestError(ItemError("file_too_large", message, "data_source"))
    return f"data:{media_type(filename, content)};base64,{b64encode(content).decode()}"


def shown_address(address: str) -> str:
    """Return an address as it is shown: most of a long one, such as a large data URL, is left out."""
    if len(address) <= SHOWN_CHARS:
        return address
    head = address[:_SHOWN_HEAD_CHARS]
    return f"{head.partition(',')[0] if head.startswith('data:') else head},… ({len(address)} characters)"
