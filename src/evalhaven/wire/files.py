"""Files: the object, its lists, its deletion, and what an upload may say."""

from typing import Annotated, Literal

from pydantic import Field

from evalhaven.wire.contract import UnixTime, WireModel

FILE_PURPOSES_UPLOADABLE = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
"""The purposes an upload may name. Published schema CreateFileRequest."""

FilePurpose = Literal[
    "assistants",
    "assistants_output",
    "batch",
    "batch_output",
    "fine-tune",
    "fine-tune-results",
    "vision",
    "user_data",
    "evals",
]
"""What a file is for."""


class FileExpirationAfter(WireModel):
    """Say when an upload expires: 3600 to 2592000 seconds after creation.

    Published schema FileExpirationAfter. A form carries the seconds as text; whoever reads the form
    makes an integer of them first.
    """

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=2_592_000, json_schema_extra={"format": "int64"})]


class FileUploadFields(WireModel):
    """Hold the object among the fields of an upload. Published schema CreateFileRequest, without the file."""

    expires_after: FileExpirationAfter | None = None


class OpenAIFile(WireModel):
    """Show a file; times are Unix seconds, null when it never expires. Published schema OpenAIFile."""

    object: Literal["file"]
    id: str
    purpose: FilePurpose
    filename: str
    bytes: int
    created_at: UnixTime
    expires_at: UnixTime | None = None
    status: Literal["uploaded", "processed", "error"]
    status_details: str | None = None


class ListFilesResponse(WireModel):
    """Show a page of files; both ids are null on an empty page. Published schema ListFilesResponse."""

    object: Literal["list"]
    data: list[OpenAIFile]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeleteFileResponse(WireModel):
    """Confirm that a file is deleted. Published schema DeleteFileResponse."""

    object: Literal["file"]
    id: str
    deleted: bool
