"""Uploaded files."""

from dataclasses import dataclass

from evalhaven.domain.ids import FileId
from evalhaven.domain.imports import ImportedDocument


@dataclass(frozen=True, slots=True)
class StoredFile:
    """An uploaded file; its bytes are in the blob store under its id.

    Attributes:
        created_at: Unix second.
        expires_at: Unix second after which it is gone, or None.
        size_bytes: Length of the content.
        imported: The file as its first server answered it; None for one uploaded here.
    """

    id: FileId
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str
    size_bytes: int
    imported: ImportedDocument | None = None
    key: int = 0
