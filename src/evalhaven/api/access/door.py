"""The one door: who sent a request, whether they may do what it asks for, and in which project they act."""

import math
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from hmac import compare_digest
from typing import Any

import anyio
import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from evalhaven.access.callers import ANYONE, LOCAL_OPERATOR, Caller, CallerKind
from evalhaven.access.keys import digest_of, is_key_form
from evalhaven.access.permissions import OF_PROJECTS, Permission
from evalhaven.access.sessions import NAMELESS, CookieNames, may_act_by_cookie
from evalhaven.api.access.allowances import RequestCounters
from evalhaven.api.access.credentials import credentials_of
from evalhaven.api.access.refusals import MAKE_ONE, lacking, mismatched, refuse_ended, unauthorized
from evalhaven.api.access.sessions import Sessions, member_caller, stranger_caller
from evalhaven.domain.clock import Clock
from evalhaven.domain.errors import ForbiddenError, UnknownCallerError
from evalhaven.domain.scopes import OrganizationScope
from evalhaven.storage.access.keys import HeldKey, find_held_key, has_keys, note_uses
from evalhaven.storage.access.people import Person
from evalhaven.storage.access.projects import Project, find_project
from evalhaven.storage.access.request_counts import WHOLE_PROJECT
from evalhaven.storage.access.sessions import HeldSession
from evalhaven.storage.database import Database, is_unavailable

_READ_AGAIN_S = 0.9  # revoked keys are refused within a second, by every server
_MOST_UNKNOWN = 4096
_NOTED_AGAIN_S = 60
_BATCH_S = 1.0
_TELLS_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class LoginPolicy:
    """Who may log in to the dashboard, and from where.

    Attributes:
        own_origins: Under which the dashboard is reached, as browsers write them.
        has_provider: Whether people can log in with OpenID Connect: then keys are needed from the start.
        admins: Which of them administer the organization, as the setting names them.
        cookies: What the server's cookies are called.
    """

    own_origins: frozenset[str] = frozenset()
    has_provider: bool = False
    admins: frozenset[str] = frozenset()
    cookies: CookieNames = NAMELESS


@dataclass(frozen=True, slots=True)
class _Known:
    """A key as it was read; None: there is no such key."""

    held: HeldKey | None
    caller: Caller | None
    read_at: float


class Door:
    """Knows callers by the keys that they send, and browsers by the cookies of their sessions.

    As long as no key was ever made and nobody can log in otherwise, everybody is let in, and may do everything in the
    default project.
    """

    def __init__(self, database: Database, clock: Clock, policy: LoginPolicy = LoginPolicy()) -> None:
        """Read nothing yet.

        Args:
            database: Where keys are.
            clock: The time.
            policy: Who may log in.
        """
        self._database = database
        self._clock = clock
        self._policy = policy
        self._cookie = policy.cookies.session.encode()
        self._sessions = Sessions(database, clock, policy.admins)
        self._local_digest: bytes | None = None
        self._is_in_process = False
        self._needs_keys = policy.has_provider
        self._looked_at = float("-inf")
        self._looking: anyio.Event | None = None
        self._known: dict[bytes, _Known] = {}
        self._unknown: dict[bytes, float] = {}
        self._projects: dict[str, tuple[Project | None, float]] = {}
        self._reading: dict[bytes, anyio.Event] = {}
        self._noted: dict[int, float] = {}
        self._used: dict[int, int] = {}
        self._is_used = anyio.Event()
        self._counters = RequestCounters(database)
        self._log = structlog.get_logger("evalhaven.access")

    def trust_token(self, token: str) -> None:
        """Take whoever sends this token for the operator on the server's own machine."""
        self._local_digest = digest_of(token.encode())

    def trust_everybody(self) -> None:
        """Take everybody for that operator: all requests come from a command within this process."""
        self._is_in_process = True

    async def admit(self, scope: Scope, permission: Permission | None) -> None:
        """Let a request in, and note in its state who sent it, unless nobody has to say so.

        Args:
            scope: The request's.
            permission: What its route asks for; None if that is nothing.

        Raises:
            UnknownCallerError: It carries no valid key.
            LimitExceededError: The key or its project has made as many requests as it may.
            ForbiddenError: Whoever sent it lacks the permission.
        """
        if permission is None:
            return
        caller, held = await self._who(scope)
        state = scope.setdefault("state", {})
        await self._count(held, state)
        if permission not in caller.permissions:
            raise lacking(caller, permission)
        state["caller"] = caller

    async def still_admits(self, scope: Scope, permission: Permission) -> bool:
        """Tell whether a request that was let in would be let in again: an answer may go on."""
        try:
            await self.admit_again(scope, permission)
        except (UnknownCallerError, ForbiddenError):
            return False
        return True

    async def admit_again(self, scope: Scope, permission: Permission) -> None:
        """Let a request go on that was let in, if it would be let in again, to the same project.

        While that cannot be looked up, nothing can be read or changed, either.

        Raises:
            UnknownCallerError: What it carries is not valid any more.
            ForbiddenError: Whoever sent it lacks the permission now.
        """
        admitted: Caller = scope["state"]["caller"]
        try:
            caller, _ = await self._who(scope, admitted.project)
        except Exception as error:
            if not is_unavailable(error):
                raise
            return
        if permission not in caller.permissions:
            raise lacking(caller, permission)

    async def caller_of(self, scope: Scope) -> Caller:
        """Return who sent a request: by the key in it, else by the cookie of a session.

        Raises:
            UnknownCallerError: It carries neither, or one that is not valid.
            ForbiddenError: It carries the cookie, but does not come from the dashboard.
        """
        return (await self._who(scope))[0]

    async def _who(self, scope: Scope, admitted_to: str | None = None) -> tuple[Caller, HeldKey | None]:
        """Return who sent a request, and the key by which they are known; in the project that it was admitted to."""
        credentials = credentials_of(scope["headers"], self._cookie)
        project = admitted_to or credentials.project
        if credentials.key is None and credentials.token is not None and not self._is_in_process:
            if not await self.needs_keys():
                return ANYONE, None
            held = await self._sessions.get(credentials.token)
            self.refuse_other_pages(scope)
            return await self.caller_in_session(held, project), held.key
        caller = await self.identify(credentials.key, project)
        if credentials.key is None or caller.kind is not CallerKind.KEY:
            return caller, None
        known = self._known.get(digest_of(credentials.key))
        return caller, None if known is None else known.held

    async def session_of(self, scope: Scope) -> HeldSession | None:
        """Return the session whose cookie a request carries; None if it carries none, or one that has ended."""
        token = credentials_of(scope["headers"], self._cookie).token
        if token is None:
            return None
        try:
            return await self._sessions.get(token)
        except UnknownCallerError:
            return None

    async def session_by(self, token: str) -> HeldSession:
        """Return the session of a token that was just given out."""
        return await self._sessions.get(token.encode())

    def refuse_other_pages(self, scope: Scope) -> None:
        """Refuse what another page has somebody's browser send, with the cookie in it.

        Raises:
            ForbiddenError: The request does not come from the dashboard.
        """
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not may_act_by_cookie(scope["method"], headers, self._policy.own_origins):
            raise ForbiddenError(
                "A login to the dashboard counts only for requests of the dashboard itself, and this one comes from "
                "elsewhere. A program sends a key of its own: `Authorization: Bearer sk-…`.",
                param="Origin",
                code="foreign_origin",
            )

    async def caller_in_session(self, held: HeldSession, project: str | None) -> Caller:
        """Return who is logged in, acting in a project.

        Args:
            held: Their session.
            project: The project; None for the one that the session looks at.

        Raises:
            UnknownCallerError: The key by which they logged in is not valid any more, or the project is not theirs.
        """
        if self._sessions.note(held):
            self._is_used.set()
        if held.key is not None:
            refuse_ended(held.key, self._clock.now())
            self._note_use(held.key)
            return await self._within(_caller(held.key), held, project)
        if held.person is None:
            raise unauthorized("Nobody is logged in here any more: log in again.")
        person = held.person
        if self._sessions.administers(person):
            caller = replace(LOCAL_OPERATOR, kind=CallerKind.PERSON, id=person.id, name=person.shown_name)
            return await self._within(caller, held, project)
        return self._member(person, held, project)

    async def _within(self, caller: Caller, held: HeldSession, project: str | None) -> Caller:
        """Return a caller of the organization, or with a key of one project, in the project that is meant."""
        if held.key is not None and held.key.scope is not None:
            if project is not None and project != caller.project:
                raise mismatched(caller, project)
            return caller
        looked_at = None if held.project is None or held.project.archived_at is not None else held.project.id
        return await self._in_project(caller, project or looked_at)

    def _member(self, person: Person, held: HeldSession, project: str | None) -> Caller:
        """Return a person as the member that they are of a project.

        Raises:
            UnknownCallerError: They are no member of the project that they name.
        """
        meant = project or (None if held.project is None else held.project.id)
        for membership in held.memberships:
            if membership.project.id == meant:
                return member_caller(person, membership)
        if project is not None and (held.project is None or project != held.project.id):
            raise UnknownCallerError(
                f"The header OpenAI-Project names {project!r}, and you are no member of such a project.",
                param="OpenAI-Project",
                code="mismatched_project",
            )
        if held.project is None:
            raise UnknownCallerError(
                "You are a member of no project yet. An administrator can make you one.", code="session_ended"
            )
        return stranger_caller(person, held.project.scope, held.project.id)

    async def is_known(self, scope: Scope) -> bool:
        """Tell whether a request comes from somebody who may do anything at all, if that can be told soon."""
        if not self._needs_keys and self._looked_at > 0:
            return True  # also while the database does not answer, which is then what this is about
        with anyio.move_on_after(_TELLS_WITHIN_S):
            try:
                return bool((await self.caller_of(scope)).permissions)
            except (UnknownCallerError, ForbiddenError, SQLAlchemyError):
                return False
        return False

    async def identify(self, key: bytes | None, project: str | None) -> Caller:
        """Return who sends a key, acting in the project that it opens.

        Args:
            key: What the request carries.
            project: The project that it names.

        Raises:
            UnknownCallerError: The key is missing or not valid, or does not open that project.
        """
        if self._is_in_process:
            return await self._in_project(LOCAL_OPERATOR, project)
        digest = None if key is None else digest_of(key)
        if digest is not None and self._local_digest is not None and compare_digest(digest, self._local_digest):
            return await self._in_project(LOCAL_OPERATOR, project)
        if not self._needs_keys and not await self.needs_keys():
            return ANYONE
        if key is None or digest is None:
            raise unauthorized(f"This server needs an API key: send `Authorization: Bearer sk-…`; {MAKE_ONE}.")
        return await self._holder(key, digest, project)

    async def needs_keys(self) -> bool:
        """Tell whether callers need keys: as soon as one was made, and from then on.

        A database that stands still holds nobody up for longer than a second: the answer is then the one before.
        """
        while not self._needs_keys and time.monotonic() - self._looked_at >= _READ_AGAIN_S:
            # Nobody can make the first key meanwhile. Before the first look, nobody knows.
            with anyio.move_on_after(_TELLS_WITHIN_S if self._looked_at >= 0 else math.inf) as waiting:
                if await self._look():
                    break
            if waiting.cancelled_caught:
                self._looked_at = time.monotonic()
                break
        return self._needs_keys

    async def _look(self) -> bool:
        """Read whether there are keys; return False if somebody else was doing so, which has ended."""
        if self._looking is not None:
            await self._looking.wait()
            return False
        now = time.monotonic()
        self._looking = done = anyio.Event()
        try:
            found = await self._database.fetch(lambda tx: has_keys(tx, OrganizationScope()))
            if found and not self._needs_keys and self._looked_at >= 0:
                self._log.info("access", needs="an API key for every request, since there is one now")
            self._needs_keys = self._needs_keys or found
        except Exception as error:
            if self._looked_at < 0 or not is_unavailable(error):
                raise
        finally:
            done.set()
            is_of_now = self._looking is done
            if is_of_now:
                self._looking = None
        if is_of_now:
            self._looked_at = now
        return is_of_now

    def administers(self, person: Person) -> bool:
        """Tell whether a person administers the organization."""
        return self._sessions.administers(person)

    def now(self) -> int:
        """Return the Unix second."""
        return int(self._clock.now())

    def forget(self) -> None:
        """Read everything again, since this server has just changed it."""
        self._looked_at = min(self._looked_at, 0.0)
        self._looking = None
        self._known.clear()
        self._unknown.clear()
        self._projects.clear()
        self._sessions.forget()

    async def serve(self) -> None:
        """Note when keys and sessions were used, in batches, until canceled."""
        while True:
            await self._is_used.wait()
            self._is_used = anyio.Event()
            await anyio.sleep(_BATCH_S)
            await self.note_uses()

    async def note_uses(self) -> None:
        """Store when keys and sessions were used that have been used since the last time; forget old counts."""
        used, self._used = self._used, {}
        try:
            if used:
                async with self._database.write() as tx:
                    await note_uses(tx, OrganizationScope(), used)
            await self._sessions.store_notes()
            await self._counters.purge(OrganizationScope())
        except Exception as error:
            if not is_unavailable(error):
                raise
            # Noted again at their next use.
            for key in used:
                self._noted.pop(key, None)

    async def held_key(self, key: bytes, scope: Scope) -> HeldKey:
        """Return the key with which somebody logs in: that counts as a request with it.

        Args:
            key: The key.
            scope: The request's.

        Raises:
            UnknownCallerError: It is not valid.
            LimitExceededError: The key or its project has made as many requests as it may.
        """
        held, _ = await self._valid(key, digest_of(key))
        await self._count(held, scope.setdefault("state", {}))
        return held

    async def _holder(self, key: bytes, digest: bytes, project: str | None) -> Caller:
        held, caller = await self._valid(key, digest)
        self._note_use(held)
        if project is None or project == caller.project:
            return caller
        if held.scope is not None:
            raise mismatched(caller, project)
        return await self._in_project(caller, project)

    async def _valid(self, key: bytes, digest: bytes) -> tuple[HeldKey, Caller]:
        known = self._known.get(digest)
        if known is None or time.monotonic() - known.read_at >= _READ_AGAIN_S:
            known = await self._look_up(key, digest)
        if known.held is None or known.caller is None:
            raise unauthorized(
                "The API key is not one of this server's. Check that all of it is sent, and that it was made here; "
                f"{MAKE_ONE}."
            )
        refuse_ended(known.held, self._clock.now())
        return known.held, known.caller

    def _note_use(self, held: HeldKey) -> None:
        now = self._clock.now()
        if now - self._noted.get(held.key.key, 0.0) >= _NOTED_AGAIN_S:
            self._noted[held.key.key] = now
            self._used[held.key.key] = int(now)
            self._is_used.set()

    async def _count(self, held: HeldKey | None, state: MutableMapping[str, Any]) -> None:
        """Count a request against the limits of its key and of that key's project.

        Raises:
            LimitExceededError: One of them is used up.
        """
        if held is None or held.scope is None:
            return
        limits = {held.key.key: held.key.requests_per_minute, WHOLE_PROJECT: held.requests_per_minute}
        if given := {row: limit for row, limit in limits.items() if limit is not None}:
            await self._counters.count(state, held.scope, given)

    async def _look_up(self, key: bytes, digest: bytes) -> _Known:
        """Read a key; those who ask meanwhile get the same answer."""
        while True:
            now = time.monotonic()
            known = self._known.get(digest)
            if known is not None and now - known.read_at < _READ_AGAIN_S:
                return known
            if not is_key_form(key) or now - self._unknown.get(digest, float("-inf")) < _READ_AGAIN_S:
                return _Known(None, None, now)
            if digest not in self._reading:
                break
            await self._reading[digest].wait()
        self._reading[digest] = done = anyio.Event()
        try:
            held = await self._database.fetch(lambda tx: find_held_key(tx, OrganizationScope(), digest))
        finally:
            del self._reading[digest]
            done.set()
        # Its age counts from before it was read.
        if held is None:
            self._known.pop(digest, None)
            if len(self._unknown) >= _MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[digest] = now
            return _Known(None, None, now)
        self._known[digest] = known = _Known(held, _caller(held), now)
        return known

    async def _in_project(self, caller: Caller, project: str | None) -> Caller:
        """Return a caller of the organization as acting in a project.

        Raises:
            UnknownCallerError: There is no such project, or it is archived.
        """
        if project is None or project == caller.project:
            return caller
        found, read_at = self._projects.get(project, (None, float("-inf")))
        now = time.monotonic()
        if now - read_at >= _READ_AGAIN_S:
            found = await self._database.fetch(lambda tx: find_project(tx, OrganizationScope(), project))
            if len(self._projects) >= _MOST_UNKNOWN:
                self._projects.clear()
            self._projects[project] = (found, now)
        if found is None or found.archived_at is not None:
            what = "there is no such project" if found is None else "that project is archived"
            raise UnknownCallerError(
                f"The header OpenAI-Project names {project!r}, and {what}. `evalhaven projects list` lists them.",
                param="OpenAI-Project",
                code="mismatched_project",
            )
        return replace(caller, scope=found.scope, project=found.id)


def _caller(held: HeldKey) -> Caller:
    key = held.key
    if held.scope is None or held.project is None:
        return replace(LOCAL_OPERATOR, kind=CallerKind.KEY, id=key.id, name=key.name)
    return Caller(CallerKind.KEY, key.id, key.name, held.scope, held.project, key.scopes & OF_PROJECTS)
