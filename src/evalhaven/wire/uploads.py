"""Uploads: files that are sent in parts."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from evalhaven.wire.contract import NonEmptyStr, UnixTime, WireModel, fault
from evalhaven.wire.files import FileExpirationAfter, OpenAIFile

_FILENAME_CHARS = 8_000  # what fits into the header of a form, too
_MD5_DIGITS = 32


def _require_name(value: str) -> str:
    if len(value) > _FILENAME_CHARS:
        raise fault(f"must have at most {_FILENAME_CHARS} characters, but has {len(value)}")
    return value


def _require_md5(value: str) -> str:
    digits = value.lower()
    if len(digits) != _MD5_DIGITS or digits.strip("0123456789abcdef"):
        raise fault("must be the file's MD5 checksum in 32 hexadecimal digits")
    return digits


class CreateUploadRequest(WireModel):
    """Say which file is going to be sent in parts. Published schema CreateUploadRequest."""

    filename: Annotated[NonEmptyStr, AfterValidator(_require_name)]
    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
    bytes: Annotated[int, Field(ge=0)]
    mime_type: str
    expires_after: FileExpirationAfter | None = None


class CompleteUploadRequest(WireModel):
    """Say in which order the parts make the file. Published schema CompleteUploadRequest."""

    part_ids: Annotated[list[str], Field(fail_fast=True)]
    md5: Annotated[str, AfterValidator(_require_md5)] | None = None


class Upload(WireModel):
    """Show an upload; the file is null until it is completed. Published schema Upload."""

    object: Literal["upload"]
    id: str
    bytes: int
    created_at: UnixTime
    expires_at: UnixTime
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled", "expired"]
    file: OpenAIFile | None = None


class UploadPart(WireModel):
    """Show a part of an upload. Published schema UploadPart."""

    object: Literal["upload.part"]
    id: str
    created_at: UnixTime
    upload_id: str
