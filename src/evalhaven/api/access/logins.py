"""Logging somebody in and out: the session, its cookie, and what the audit log says of it."""

from dataclasses import dataclass

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.callers import ANYONE, Caller
from evalhaven.access.sessions import LIFETIME_S, NAMELESS, CookieNames
from evalhaven.api.access.attempts import Attempts
from evalhaven.api.access.auditing import record_audit
from evalhaven.api.access.openid.login import OpenIdLogin
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.scopes import OrganizationScope
from evalhaven.storage.access.sessions import (
    HeldSession,
    Session,
    delete_ended_sessions,
    delete_session,
    delete_sessions_of_others,
    has_sessions_of_others,
    insert_session,
)
from evalhaven.storage.database import Database

_ORGANIZATION = OrganizationScope()
_LONGEST_REASON = 500  # a provider may say anything


@dataclass(frozen=True, slots=True)
class Logins:
    """How somebody can log in.

    Attributes:
        attempts: Counts those with a key that fail.
        openid: Logins with OpenID Connect; None if no provider is set up.
        is_secure: Whether browsers reach the server over TLS only.
        cookies: What the server's cookies are called.
    """

    attempts: Attempts
    openid: OpenIdLogin | None
    is_secure: bool
    cookies: CookieNames = NAMELESS

    def set_cookie(self, response: Response, token: str) -> None:
        """Give a browser the token of its session; no script can read it, and no other site's page sends it along."""
        self._set(response, self.cookies.session, token, LIFETIME_S)

    def set_login(self, response: Response, sealed: str, patience_s: int) -> None:
        """Have a browser carry a login on its way to the provider."""
        self._set(response, self.cookies.login, sealed, patience_s)

    def remove_cookie(self, response: Response, name: str) -> None:
        """Have a browser forget a cookie."""
        response.delete_cookie(name, httponly=True, samesite="lax", secure=self.is_secure)

    def _set(self, response: Response, name: str, value: str, max_age_s: int) -> None:
        response.set_cookie(name, value, max_age=max_age_s, httponly=True, samesite="lax", secure=self.is_secure)


async def log_in(
    tx: AsyncConnection, request: Request, session: Session, caller: Caller, before: HeldSession | None
) -> None:
    """Store a session in place of the one that the browser had, and note who has logged in.

    Args:
        tx: Open write transaction.
        request: The request that logs them in.
        session: The new session.
        caller: Who has logged in.
        before: The session that the browser had.
    """
    if before is not None:
        await delete_session(tx, _ORGANIZATION, before.session.digest)
    await delete_ended_sessions(tx, _ORGANIZATION, session.created_at)
    await insert_session(tx, _ORGANIZATION, session)
    request.scope.setdefault("state", {})["caller"] = caller
    await record_audit(tx, request, "session.created", (_kind(session), caller.id))


async def log_out(tx: AsyncConnection, request: Request, session: Session, caller: Caller | None) -> None:
    """End a session, and note who has logged out."""
    await delete_session(tx, _ORGANIZATION, session.digest)
    if caller is not None:
        request.scope.setdefault("state", {})["caller"] = caller
        await record_audit(tx, request, "session.ended", (_kind(session), caller.id))


async def log_out_others(database: Database, issuer: str | None) -> None:
    """End the sessions of all people for whom another provider vouched than the one that there is now, if any."""
    # To write would keep a start waiting for as long as others keep the database locked.
    if await database.fetch(lambda tx: has_sessions_of_others(tx, _ORGANIZATION, issuer)):
        async with database.write() as tx:
            await delete_sessions_of_others(tx, _ORGANIZATION, issuer)


async def note_refused_login(tx: AsyncConnection, request: Request, reason: str) -> None:
    """Note that somebody could not log in; the reason holds no key."""
    request.scope.setdefault("state", {}).setdefault("caller", ANYONE)  # a person may be known, and be no member
    target = ("address", address_of(request))
    details: JsonObject = {"reason": reason[:_LONGEST_REASON]}
    await record_audit(tx, request, "session.refused", target, scope=_ORGANIZATION, details=details)


def address_of(request: Request) -> str:
    """Return from where somebody logs in."""
    return "" if request.client is None else request.client.host


def _kind(session: Session) -> str:
    return "person" if session.person is not None else "api_key"
