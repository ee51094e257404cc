"""What callers changed of access and of the organization: written with the change, read by whoever manages it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.callers import Caller
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.tables import audit
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import projects


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


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which deeds are wanted: those for which everything that is given holds.

    Attributes:
        action: What was done, or its part before the dot, which stands for all that is done to such objects.
        caller: Public id, name or kind of who did it.
        target: Public id or kind of the object.
    """

    action: str | None = None
    caller: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """A deed as it is read: whoever did it may be gone.

    Attributes:
        key: Its row; later deeds have larger ones.
        project: Public id of the project; None if it concerns the organization.
        at: Unix second.
        caller: Kind, public id and name of who did it.
        action: What was done.
        target: Kind and public id of the object.
        details: What a reader wants to know of it.
        request_id: The request that did it.
        address: From where it came.
    """

    key: int
    project: str | None
    at: int
    caller: tuple[str, str, str]
    action: str
    target: tuple[str, str]
    details: JsonObject
    request_id: str | None
    address: str | None


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
            target_id=_storable(deed.target_id),
            details=deed.details,
            request_id=deed.request_id,
            address=deed.address,
        )
    )


async def list_deeds(
    tx: ReadTransaction, scope: ProjectScope | OrganizationScope, wanted: AuditFilter, before: int | None, limit: int
) -> Sequence[AuditEntry]:
    """Return what was done in a project, or everywhere, newest first.

    Args:
        tx: Open transaction.
        scope: The project; the organization stands for itself and all projects.
        wanted: Which deeds.
        before: Row of the last deed of the page before; None for the newest.
        limit: Most deeds.
    """
    query = (
        select(audit, projects.c.public_id.label("project"))
        .join(projects, projects.c.id == audit.c.project_id, isouter=True)
        .where(*_conditions(wanted))
        .order_by(audit.c.key.desc())
        .limit(limit)
    )
    if isinstance(scope, ProjectScope):
        query = query.where(audit.c.project_id == scope.project_id)
    if before is not None:
        query = query.where(audit.c.key < before)
    return [
        AuditEntry(
            key=row.key,
            project=row.project,
            at=row.created_at,
            caller=(row.caller_kind, row.caller_id, row.caller_name),
            action=row.action,
            target=(row.target_kind, row.target_id),
            details=row.details,
            request_id=row.request_id,
            address=row.address,
        )
        for row in (await tx.execute(query)).all()
    ]


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.action is not None:
        action = _storable(wanted.action)
        found.append(or_(audit.c.action == action, audit.c.action.startswith(f"{action}.", autoescape=True)))
    if wanted.caller is not None:
        caller = _storable(wanted.caller)
        is_named = audit.c.caller_name == wanted.caller
        found.append(or_(is_named, audit.c.caller_id == caller, audit.c.caller_kind == caller))
    if wanted.target is not None:
        target = _storable(wanted.target)
        found.append(or_(audit.c.target_id == target, audit.c.target_kind == target))
    return found


def _storable(text: str) -> str:
    """Return a text as databases can keep it: the origin of an import is anybody's, and so are filters.

    U+0000, which PostgreSQL does not take, and halves of surrogate pairs become U+FFFD.
    """
    return text.replace("\0", "\ufffd").encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
