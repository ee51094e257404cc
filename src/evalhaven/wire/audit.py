"""What callers changed, as `/api/audit` shows it."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import JsonObject, OpenObject, UnixTime


class AuditCaller(OpenObject):
    """Show who did something, as they were called then."""

    kind: str = Field(
        description="`key`; `person`, who was logged in; `local` for commands on the server's own machine; `anyone` "
        "if there were no keys."
    )
    id: str = Field(description="Id of the key or the person; the kind itself if there is none.")
    name: str = Field(description="Name of the key or the person.")


class AuditTarget(OpenObject):
    """Name the object to which something was done."""

    kind: str = Field(description="What it is, such as `api_key` or `eval`.")
    id: str = Field(description="Its id.")


class AuditEntry(OpenObject):
    """Show something that was done."""

    object: Literal["audit_entry"]
    id: str = Field(description="By which a list goes on.")
    created_at: UnixTime = Field(description="When it was done.")
    project: str | None = Field(description="The project; null if it concerns the organization.")
    action: str = Field(description="What was done, such as `key.created` or `eval.deleted`.")
    caller: AuditCaller = Field(description="Who did it.")
    target: AuditTarget = Field(description="To what.")
    details: JsonObject = Field(description="What else there is to know of it, such as the name of a key.")
    request_id: str | None = Field(description="The request that did it, as the log has it.")
    address: str | None = Field(description="From where the request came.")


class AuditEntryList(OpenObject):
    """Show a page of what was done, newest first."""

    object: Literal["list"]
    data: list[AuditEntry] = Field(description="The entries.")
    has_more: bool = Field(description="Whether older entries follow.")
    next: str | None = Field(description="Pass it as `after` for the next page; null on the last one.")
