"""Putting the parts of an upload together: read and written block by block, however large the file is."""

from collections import Counter
from collections.abc import Sequence
from hashlib import md5

import anyio.to_thread

from evalhaven.domain.errors import DamagedFileError, InvalidRequestError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.uploads import Upload, UploadPart
from evalhaven.storage.blobs import BlobStore, BlobWriter

_BLOCK_BYTES = 1 << 20
_SHOWN_IDS = 10


def choose_parts(found: Upload, parts: Sequence[UploadPart], part_ids: Sequence[str]) -> list[UploadPart]:
    """Return the parts with these ids, in this order.

    Raises:
        InvalidRequestError: A part is unknown or named twice, or together they have another length than was said.
    """
    by_id: dict[str, UploadPart] = {part.id: part for part in parts}
    if unknown := [each for each in part_ids if each not in by_id]:
        shown = ", ".join(map(repr, unknown[:_SHOWN_IDS])) + (", …" if len(unknown) > _SHOWN_IDS else "")
        raise InvalidRequestError(
            f"Upload {found.id!r} has no part {shown}. Send its bytes again and name the new part.",
            param="part_ids",
            code="part_not_found",
        )
    if repeated := next((each for each, count in Counter(part_ids).items() if count > 1), None):
        raise InvalidRequestError(
            f"'part_ids' names {repeated!r} twice; name each part once, in the order of its bytes in the file.",
            param="part_ids",
            code="part_repeated",
        )
    chosen = [by_id[each] for each in part_ids]
    size_bytes = sum(part.size_bytes for part in chosen)
    if size_bytes != found.size_bytes:
        raise InvalidRequestError(
            f"The parts have {size_bytes} bytes together, but the upload was created for {found.size_bytes}. Add what "
            "is missing or leave out what is too much, and complete it again.",
            param="part_ids",
            code="upload_size_mismatch",
        )
    return chosen


async def write_parts(blobs: BlobStore, scope: ProjectScope, parts: Sequence[UploadPart], writer: BlobWriter) -> str:
    """Write parts one after another and return the MD5 checksum of all, in hexadecimal digits.

    Raises:
        DamagedFileError: The blob of a part is gone, or has not the length it was accepted with.
    """
    checksum = md5(usedforsecurity=False)

    def write_part(part: UploadPart) -> None:
        left = part.size_bytes
        with blobs.open_whole(scope, part.id, part.size_bytes) as blob:
            while block := blob.read(_BLOCK_BYTES):
                checksum.update(block)
                writer.write(block)
                left -= len(block)
        if left:
            raise DamagedFileError(part.id, part.size_bytes - left, part.size_bytes)

    for part in parts:
        # In a thread, as copying takes a while, but not all at once, so that the server can stop in between.
        await anyio.to_thread.run_sync(write_part, part)
    return checksum.hexdigest()
