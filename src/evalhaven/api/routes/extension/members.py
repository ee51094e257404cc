"""`/api/members` and `/api/people`: who is what in the caller's project, and who could be."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.permissions import Role
from evalhaven.api.access.auditing import record_audit
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import read_document
from evalhaven.api.rendering.json_texts import model_response
from evalhaven.api.rendering.members import shown_member, shown_person
from evalhaven.api.services import ScopeOf, Services, ServicesOf
from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.members import (
    Member,
    count_admins,
    delete_member,
    find_member,
    insert_member,
    list_members,
    lock_members,
    update_member,
)
from evalhaven.storage.access.people import Person, find_people_by_email, get_person, list_people
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire import members as wire
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/api", tags=["Access"], route_class=GuardedRoute)

PersonId = Annotated[str, Path(description="Id of the person.")]
_ORGANIZATION = OrganizationScope()
_MOST_PEOPLE = 1000
_MOST_CLAIMANTS = 3


@router.get(
    "/people", operation_id="listPeople", response_model=wire.PersonList, response_description="Those who are found."
)
async def list_known_people(
    services: ServicesOf,
    search: Annotated[str | None, Query(description="Text in their name, address or subject.")] = None,
    limit: Annotated[int, Query(ge=1, le=_MOST_PEOPLE, description="Most to return.")] = 100,
) -> Response:
    """List everybody who has logged in to this server, whatever projects they are in; the last ones come first."""
    found = await services.database.fetch(lambda tx: list_people(tx, _ORGANIZATION, search, limit + 1))
    data = [shown_person(each, is_organization_admin=services.door.administers(each)) for each in found[:limit]]
    return model_response(wire.PersonList(object="list", data=data, has_more=len(found) > limit))


@router.get("/members", operation_id="listMembers", response_model=wire.MemberList, response_description="The members.")
async def list_project_members(services: ServicesOf, scope: ScopeOf) -> Response:
    """List the members of the project."""
    found = await services.database.fetch(lambda tx: list_members(tx, scope))
    return model_response(wire.MemberList(object="list", data=[_shown(services, each) for each in found]))


@router.post("/members", operation_id="addMember", response_model=wire.Member, response_description="The new member.")
async def add_member(request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Make somebody a member of the project who has logged in to this server before."""
    body = parse_request(wire.AddMemberRequest, await read_document(request, services.config.max_body_bytes)).body
    role = Role(body.role)
    async with services.database.write() as tx:
        await lock_members(tx, scope)
        person = await _find(tx, body.person)
        if (known := await find_member(tx, scope, person.id)) is not None:
            raise InvalidRequestError(
                f"{person.shown_name!r} is a member of the project already, as {known.role}. "
                f"`POST /api/members/{person.id}` changes that.",
                param="person",
                code="already_member",
            )
        await insert_member(tx, scope, person.key, role, services.now())
        await record_audit(tx, request, "member.added", ("person", person.id), details={"role": role.value})
        member = await _get(tx, scope, person.id)
    services.door.forget()
    return model_response(_shown(services, member))


@router.post(
    "/members/{person_id}",
    operation_id="changeMember",
    response_model=wire.Member,
    response_description="The member.",
)
async def change_member(person_id: PersonId, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Give a member another role: it holds on every server within a second."""
    body = parse_request(wire.ChangeMemberRequest, await read_document(request, services.config.max_body_bytes)).body
    role = Role(body.role)
    async with services.database.write() as tx:
        await lock_members(tx, scope)
        before = await _get(tx, scope, person_id)
        if before.role is not role:
            await _keep_an_admin(tx, scope, before, role)
            await update_member(tx, scope, before.person.key, role)
            details: JsonObject = {"role": role.value, "before": before.role.value}
            await record_audit(tx, request, "member.changed", ("person", person_id), details=details)
        member = await _get(tx, scope, person_id)
    services.door.forget()
    return model_response(_shown(services, member))


@router.delete(
    "/members/{person_id}",
    operation_id="removeMember",
    response_model=wire.MemberRemoved,
    response_description="That they are no member any more.",
)
async def remove_member(person_id: PersonId, request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Remove a member from the project: every server refuses them there within a second."""
    async with services.database.write() as tx:
        await lock_members(tx, scope)
        before = await _get(tx, scope, person_id)
        await _keep_an_admin(tx, scope, before, None)
        await delete_member(tx, scope, before.person.key)
        details: JsonObject = {"role": before.role.value}
        await record_audit(tx, request, "member.removed", ("person", person_id), details=details)
    services.door.forget()
    return model_response(wire.MemberRemoved(object="member.deleted", id=person_id, deleted=True))


async def _find(tx: ReadTransaction, named: str) -> Person:
    """Return the person with this id or address.

    Raises:
        NotFoundError: There is none.
        InvalidRequestError: Several have this address, or somebody who may only say so.
    """
    if "@" not in named:
        return await get_person(tx, _ORGANIZATION, named)
    having = await find_people_by_email(tx, _ORGANIZATION, named)
    found = [each for each in having if each.is_email_verified]
    if having and not found:
        claimants = ", ".join(f"{each.id} ({each.shown_name!r} of {each.issuer})" for each in having[:_MOST_CLAIMANTS])
        raise InvalidRequestError(
            f"No provider has verified that the address {named[:100]!r} is that of whoever logged in with it: "
            f"{claimants}. Ask the person in question; then send that id.",
            param="person",
            code="unverified_address",
        )
    if not found:
        raise InvalidRequestError(
            f"Nobody with the address {named[:100]!r} has logged in to this server. Ask them to log in once: they are "
            "known from then on.",
            param="person",
            code="unknown_person",
        )
    if len(found) > 1:
        raise InvalidRequestError(
            f"{len(found)} people have the address {named[:100]!r}. Send the id of one of them: whoever administers "
            "the organization finds it with `GET /api/people`.",
            param="person",
            code="ambiguous_person",
        )
    return found[0]


async def _get(tx: ReadTransaction, scope: ProjectScope, person_id: str) -> Member:
    member = await find_member(tx, scope, person_id)
    if member is None:
        raise NotFoundError("Member", person_id, "person_id")
    return member


async def _keep_an_admin(tx: AsyncConnection, scope: ProjectScope, member: Member, role: Role | None) -> None:
    """Refuse to leave a project without an administrator.

    Raises:
        InvalidRequestError: The member is the only one left.
    """
    if member.role is Role.ADMIN and role is not Role.ADMIN and await count_admins(tx, scope) == 1:
        raise InvalidRequestError(
            f"{member.person.shown_name!r} is the last administrator of the project. Make another member one first.",
            param="person_id" if role is None else "role",
            code="last_admin",
        )


def _shown(services: Services, member: Member) -> wire.Member:
    return shown_member(member, is_organization_admin=services.door.administers(member.person))
