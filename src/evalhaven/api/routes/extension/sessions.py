"""`/api/session`: who sends requests, and logging in and out of the dashboard."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from evalhaven.access.callers import Caller
from evalhaven.access.permissions import Permission
from evalhaven.api.access.logins import address_of, log_in, log_out, note_refused_login
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.access.sessions import new_session
from evalhaven.api.bodies import read_document
from evalhaven.api.rendering.json_texts import model_response
from evalhaven.api.rendering.sessions import shown_session
from evalhaven.api.services import Services, ServicesOf
from evalhaven.domain.errors import InvalidRequestError, NotFoundError, UnknownCallerError
from evalhaven.domain.scopes import OrganizationScope
from evalhaven.storage.access.projects import Project, find_project, list_open_projects
from evalhaven.storage.access.sessions import HeldSession, move_session
from evalhaven.wire import sessions as wire
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/api", tags=["Access"], route_class=GuardedRoute)

_ORGANIZATION = OrganizationScope()


@router.get(
    "/session",
    operation_id="getSession",
    response_model=wire.Session,
    response_description="Who sends requests, and how somebody can log in.",
)
async def get_session(request: Request, services: ServicesOf) -> Response:
    """Get who sends this request, by a key or by the cookie of a session. It needs neither."""
    return await _shown(request, services)


@router.post(
    "/session",
    operation_id="logIn",
    response_model=wire.Session,
    response_description="Who is logged in. A header sets the session's cookie.",
)
async def create_session(request: Request, services: ServicesOf) -> Response:
    """Log a browser in with an API key, or let its session look at another project.

    Only requests of the dashboard itself are accepted: a program sends its key with every request instead.
    """
    body = parse_request(wire.LogInRequest, await read_document(request, services.config.max_body_bytes)).body
    if body.key is None and body.project is None:
        raise InvalidRequestError("Send 'key' to log in, or 'project' to look at another one.", param="key")
    services.door.refuse_other_pages(request.scope)
    if body.key is not None:
        return await _log_in(request, services, body.key, body.project)
    held = await services.door.session_of(request.scope)
    if held is None:
        raise UnknownCallerError("Nobody is logged in here any more: log in again.", code="session_ended")
    try:
        caller = await services.door.caller_in_session(held, body.project)
    except UnknownCallerError as error:
        if error.param is None:
            raise
        raise NotFoundError("Project", body.project or "", "project") from error
    async with services.database.write() as tx:
        await move_session(tx, _ORGANIZATION, held.session.digest, caller.scope)
    services.door.forget()
    return await _shown(request, services)


@router.delete(
    "/session",
    operation_id="logOut",
    response_model=wire.SessionDeleted,
    response_description="That nobody is logged in any more. A header removes the session's cookie.",
)
async def delete_session(request: Request, services: ServicesOf) -> Response:
    """Log a browser out: every server refuses its cookie within a second."""
    held = await services.door.session_of(request.scope)
    address = None
    if held is not None:
        services.door.refuse_other_pages(request.scope)
        caller = await _caller_or_none(request, services)
        async with services.database.write() as tx:
            await log_out(tx, request, held.session, caller)
        services.door.forget()
        openid = services.logins.openid
        if held.person is not None and openid is not None:
            address = await openid.provider.logout_address()
    told = wire.SessionDeleted(object="session.deleted", deleted=held is not None, logout_url=address)
    response = model_response(told)
    services.logins.remove_cookie(response, services.logins.cookies.session)
    return response


async def _log_in(request: Request, services: Services, key: str, project: str | None) -> Response:
    door = services.door
    if not await door.needs_keys():
        raise InvalidRequestError(
            "This server has no API keys, so nobody has to log in. `evalhaven keys create` makes the first one.",
            param="key",
            code="no_keys",
        )
    address = address_of(request)
    services.logins.attempts.refuse_if_many(address)
    try:
        sent = key.strip().encode(errors="replace")  # no key holds what cannot be encoded
        held = await door.held_key(sent, request.scope)
        caller = await door.identify(sent, project)
    except UnknownCallerError as error:
        if error.param is not None:
            raise NotFoundError("Project", project or "", "project") from error
        if services.logins.attempts.note_failed(address):
            async with services.database.write() as tx:
                await note_refused_login(tx, request, str(error))
        raise
    session, token = new_session(services.ids, services.now(), caller.scope, key=held.key.key)
    before = await door.session_of(request.scope)
    async with services.database.write() as tx:
        await log_in(tx, request, session, caller, before)
    door.forget()
    response = await _told(services, caller, await door.session_by(token))
    services.logins.set_cookie(response, token)
    return response


async def _shown(request: Request, services: Services) -> Response:
    caller = await _caller_or_none(request, services)
    return await _told(services, caller, None if caller is None else await services.door.session_of(request.scope))


async def _told(services: Services, caller: Caller | None, held: HeldSession | None) -> Response:
    access = "keys" if await services.door.needs_keys() else "open"
    projects = () if caller is None else await _projects_of(services, caller, held)
    openid = services.logins.openid
    provider = None if openid is None else openid.config.name
    return model_response(shown_session(access, caller, held, projects, provider))


async def _caller_or_none(request: Request, services: Services) -> Caller | None:
    try:
        return await services.door.caller_of(request.scope)
    except UnknownCallerError:
        return None


async def _projects_of(services: Services, caller: Caller, held: HeldSession | None) -> Sequence[Project]:
    """Return the projects that a caller can look at."""
    if Permission.OPERATE in caller.permissions:
        return await services.database.fetch(lambda tx: list_open_projects(tx, _ORGANIZATION))
    if held is not None and held.person is not None:
        return [each.project for each in held.memberships]
    found = await services.database.fetch(lambda tx: find_project(tx, _ORGANIZATION, caller.project))
    return [] if found is None else [found]
