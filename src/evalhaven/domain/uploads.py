"""Uploads: files that are sent in parts, each with a request of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from evalhaven.domain.errors import UploadEndedError
from evalhaven.domain.ids import FileId, PartId, UploadId

UPLOAD_BYTES = 8 * 1024**3
"""The largest file that can be sent in parts, unless the server takes smaller files only."""
PART_BYTES = 64 * 1024**2
UPLOAD_PARTS = 10_000
UPLOAD_LIFE_S = 3600


class UploadStatus(StrEnum):
    """The state of an upload; the values are the contract's."""

    PENDING = "pending"
    COMPLETED = "completed"
    CANCELED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is sent in parts.

    Attributes:
        created_at: Unix second.
        expires_at: Unix second from which on it takes nothing any more.
        size_bytes: Length that the file is to have.
        file_expires_after: Seconds after which the file expires; None: never.
        file_id: The file that it became.
        request_hash: `hash_request` of the request that completed it.
    """

    id: UploadId
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    size_bytes: int
    file_expires_after: int | None
    status: UploadStatus = UploadStatus.PENDING
    file_id: FileId | None = None
    request_hash: bytes | None = None
    key: int = 0

    def status_at(self, now: int) -> UploadStatus:
        """Return the status at a Unix second: the stored one follows the clock a little later."""
        is_over = self.status is UploadStatus.PENDING and now >= self.expires_at
        return UploadStatus.EXPIRED if is_over else self.status

    def require_pending(self, now: int) -> None:
        """Refuse what an upload takes only while it is pending.

        Raises:
            UploadEndedError: It is completed, canceled or expired.
        """
        status = self.status_at(now)
        if status is not UploadStatus.PENDING:
            raise UploadEndedError(self.id, status)


@dataclass(frozen=True, slots=True)
class UploadPart:
    """A part of an upload; its bytes are in the blob store under its id."""

    id: PartId
    created_at: int
    size_bytes: int


def hash_request(part_ids: Sequence[str], md5: str | None) -> bytes:
    """Return by what a request to complete an upload is known when it is repeated."""
    return sha256("\n".join((*part_ids, md5 or "")).encode("utf-8", "surrogatepass")).digest()
