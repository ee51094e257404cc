"""What callers changed of access and of the organization: written with the change, read by who manages it."""

from dataclasses import dataclass, field

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.callers import Caller
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.tables import audit


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that a caller did.

    Attributes:
        caller: Who did it.
        action: What was done, such as `key.created`.
        target_kind: To what kind of object.
        target_id: Its public id.
        at: Unix second.
        details: What a reader wants to know of it; never a secret.
        request_id: The request that did it.
        address: From where it came.
    """

    caller: Caller
    action: str
    target_kind: str
    target_id: str
    at: int
    details: JsonObject = field(default_factory=dict[str, JsonValue])
    request_id: str | None = None
    address: str | None = None


async def insert_deed(tx: AsyncConnection, scope: ProjectScope | OrganizationScope, deed: Deed) -> None:
    """Store what was done, in a project or to the organization."""
    await tx.execute(
        insert(audit).values(
            project_id=scope.project_id if isinstance(scope, ProjectScope) else None,
            created_at=deed.at,
            caller_kind=deed.caller.kind,
            caller_id=deed.caller.id,
            caller_name=deed.caller.name,
            action=deed.action,
            target_kind=deed.target_kind,
            target_id=deed.target_id,
            details=deed.details,
            request_id=deed.request_id,
            address=deed.address,
        )
    )
