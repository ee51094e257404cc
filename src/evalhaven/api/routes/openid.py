"""`/api/login/oidc`: the way to the provider of OpenID Connect, and back from it."""

from typing import Annotated
from urllib.parse import urlencode

import structlog
from fastapi import APIRouter, Query, Request, Response
from starlette.responses import RedirectResponse

from evalhaven.access.callers import newcomer
from evalhaven.api.access.auditing import record_audit
from evalhaven.api.access.logins import address_of, log_in, note_refused_login
from evalhaven.api.access.openid.errors import LoginError, Problem
from evalhaven.api.access.openid.login import PATIENCE_S, Arrival, OpenIdLogin
from evalhaven.api.access.openid.people import welcome
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.access.sessions import new_session
from evalhaven.api.services import Services, ServicesOf
from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.scopes import OrganizationScope
from evalhaven.storage.database import is_unavailable

router = APIRouter(include_in_schema=False, route_class=GuardedRoute)

_SEE_OTHER = 303
_ORGANIZATION = OrganizationScope()
# Relative, since a proxy that strips a prefix does not say which.
_PAGES_FROM_START = "../../ui"
_PAGES_FROM_CALLBACK = "../../../ui"


@router.get("/api/login/oidc")
async def begin_login(request: Request, services: ServicesOf, to: Annotated[str | None, Query()] = None) -> Response:
    """Send a browser to the provider."""
    openid = _openid(services)
    try:
        begun = await openid.begin(to)
    except LoginError as error:
        return await _failed(request, services, error, _PAGES_FROM_START, to or "/")
    response = _redirect(begun.address)
    services.logins.set_login(response, begun.cookie, PATIENCE_S)
    return response


@router.get("/api/login/oidc/callback")
async def finish_login(request: Request, services: ServicesOf) -> Response:
    """Take a browser back from the provider: log it in, or say why not."""
    openid, name = _openid(services), services.logins.cookies.login
    cookie = request.cookies.get(name)
    try:
        arrival = await openid.finish(request.query_params, cookie)
        response = await _welcome(request, services, openid, arrival)
    except LoginError as error:
        response = await _failed(request, services, error, _PAGES_FROM_CALLBACK, openid.way_back(cookie))
    if openid.has_ended(request.query_params, cookie):
        services.logins.remove_cookie(response, name)
    return response


async def _welcome(request: Request, services: Services, openid: OpenIdLogin, arrival: Arrival) -> Response:
    """Log a person in who has come back.

    Raises:
        LoginError: They are a member of no project.
    """
    before = await services.door.session_of(request.scope)
    token = ""
    async with services.database.write() as tx:
        now = services.now()
        come = await welcome(tx, openid.config, arrival.identity, services.ids, now)
        caller = newcomer(come.person.id, come.person.shown_name, come.scope)
        request.scope.setdefault("state", {})["caller"] = caller
        target = ("person", come.person.id)
        if come.is_new:
            details: JsonObject = {"email": come.person.email, "issuer": come.person.issuer}
            await record_audit(tx, request, "person.created", target, scope=_ORGANIZATION, details=details)
        if come.joined is not None:
            await record_audit(tx, request, "member.added", target, scope=come.joined, details={"role": come.role})
        if come.scope is not None:
            session, token = new_session(services.ids, now, come.scope, person=come.person.key)
            await log_in(tx, request, session, caller, before)
    services.door.forget()
    if not token:
        raise LoginError(Problem.NO_ROLE, f"{come.person.id} is a member of no project")
    response = _redirect(f"{_PAGES_FROM_CALLBACK}{arrival.way_back}")
    services.logins.set_cookie(response, token)
    return response


async def _failed(request: Request, services: Services, error: LoginError, to_pages: str, wanted: str) -> Response:
    structlog.get_logger("evalhaven.access").warning("login_failed", problem=error.problem, reason=str(error))
    if _openid(services).attempts.note_failed(address_of(request)):
        await _audit(request, services, str(error))
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    asked = {"problem": error.problem.value, "request": request_id, "to": wanted}
    return _redirect(f"{to_pages}/login?{urlencode({name: value for name, value in asked.items() if value})}")


async def _audit(request: Request, services: Services, reason: str) -> None:
    try:
        async with services.database.write() as tx:
            await note_refused_login(tx, request, reason)
    except Exception as error:
        # The page says why the login failed all the same, and the log has it.
        if not is_unavailable(error):
            raise


def _openid(services: Services) -> OpenIdLogin:
    if services.logins.openid is None:
        raise NotFoundError("Provider of OpenID Connect", "oidc", "path")
    return services.logins.openid


def _redirect(address: str) -> RedirectResponse:
    # What is answered once must not be answered again by a cache.
    return RedirectResponse(address, _SEE_OTHER, {"cache-control": "no-store"})
