"""`/api/audit`: what keys and people changed."""

from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from starlette.responses import StreamingResponse

from evalhaven.access.callers import Caller
from evalhaven.access.permissions import Permission
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.lists import DEFAULT_LIMIT, MAX_LIMIT, Limit, NextOf
from evalhaven.api.rendering.audit import row_before, shown_entry
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.api.services import CallerOf, Services, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.errors import ForbiddenError
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.audit import AuditEntry, AuditFilter, list_deeds
from evalhaven.wire.audit import AuditEntryList

router = APIRouter(prefix="/api/audit", tags=["Access"], route_class=GuardedRoute)

_EXPORTED_AT_ONCE = 1000
_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request cannot be accepted: `invalid_value`, `invalid_cursor`."},
}
_LINES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "An entry a line, newest first, each as the list has it.",
        "content": {"application/x-ndjson": {"schema": {"type": "object"}}},
    }
}

Of = Annotated[
    Literal["project", "organization"],
    Query(
        description="`project`: what was done in the caller's project. `organization`: everything, in every project "
        "and to the organization itself, which needs the permission `operate`."
    ),
]


async def audit_filter(
    action: Annotated[
        str | None, Query(description="What was done: `key.revoked`, or `key` for everything that is done to keys.")
    ] = None,
    caller: Annotated[str | None, Query(description="Id, name or kind of who did it.")] = None,
    target: Annotated[str | None, Query(description="Id or kind of what it was done to.")] = None,
) -> AuditFilter:
    """Return which entries a request asks for."""
    return AuditFilter(action or None, caller or None, target or None)


Wanted = Annotated[AuditFilter, Depends(audit_filter)]


@router.get(
    "",
    operation_id="listAuditEntries",
    response_model=AuditEntryList,
    responses=_REFUSALS,
    response_description="A page of entries.",
)
async def list_audit_entries(
    services: ServicesOf,
    caller: CallerOf,
    wanted: Wanted,
    *,
    of: Of = "project",
    after: NextOf = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Response:
    """List what keys and people changed, newest first: keys, projects, members, logins, imports and deletions."""
    scope, before = _scope_of(of, caller), row_before(after)
    limit = min(limit, MAX_LIMIT)
    found = await _read(services, scope, wanted, before, limit + 1)
    shown = [shown_entry(each) for each in found[:limit]]
    has_more = len(found) > limit
    page = AuditEntryList(object="list", data=shown, has_more=has_more, next=shown[-1].id if has_more else None)
    # Not with pydantic's own writer: a name may hold lone surrogates.
    return json_response(jsontext.render(page.model_dump()))


@router.get("/export", operation_id="exportAuditEntries", response_class=Response, responses=_LINES)
async def export_audit_entries(
    services: ServicesOf, caller: CallerOf, wanted: Wanted, *, of: Of = "project"
) -> Response:
    """Export what keys and people changed as JSON lines: all of it, or what is asked for."""
    scope = _scope_of(of, caller)
    # What is wrong is told before anything is sent.
    first = await _read(services, scope, wanted, None, _EXPORTED_AT_ONCE)
    headers = {"content-disposition": 'attachment; filename="audit.jsonl"', "x-content-type-options": "nosniff"}
    lines = _lines(services, scope, wanted, first)
    return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)


def _scope_of(of: str, caller: Caller) -> ProjectScope | OrganizationScope:
    """Return what a request asks about.

    Raises:
        ForbiddenError: It asks about more than the caller's project.
    """
    if of == "project":
        return caller.scope
    if not caller.may(Permission.OPERATE):
        raise ForbiddenError(
            f"{caller.name!r} may see what was done in its own project only. Leave out 'of', or use an admin key.",
            scope=str(Permission.OPERATE),
            param="of",
        )
    return OrganizationScope()


async def _read(
    services: Services,
    scope: ProjectScope | OrganizationScope,
    wanted: AuditFilter,
    before: int | None,
    limit: int,
) -> Sequence[AuditEntry]:
    return await services.database.fetch(lambda tx: list_deeds(tx, scope, wanted, before, limit))


async def _lines(
    services: Services, scope: ProjectScope | OrganizationScope, wanted: AuditFilter, entries: Sequence[AuditEntry]
) -> AsyncGenerator[bytes]:
    while entries:
        yield b"".join(jsontext.render(shown_entry(each).model_dump()).encode() + b"\n" for each in entries)
        if len(entries) < _EXPORTED_AT_ONCE:
            return
        entries = await _read(services, scope, wanted, entries[-1].key, _EXPORTED_AT_ONCE)
