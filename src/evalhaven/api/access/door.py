"""The one door: who sent a request, whether they may do what it asks for, and in which project they act."""

import time
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass, replace
from hmac import compare_digest
from typing import Any

import anyio
import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from evalhaven.access.callers import ANYONE, LOCAL_OPERATOR, Caller, CallerKind
from evalhaven.access.keys import day_of, digest_of, is_key_form
from evalhaven.access.permissions import MEANINGS, OF_PROJECTS, Permission
from evalhaven.api.access.allowances import RequestCounters
from evalhaven.domain.clock import Clock
from evalhaven.domain.errors import ForbiddenError, UnknownCallerError
from evalhaven.domain.scopes import OrganizationScope
from evalhaven.storage.access.keys import HeldKey, find_held_key, has_keys, note_uses
from evalhaven.storage.access.projects import Project, find_project
from evalhaven.storage.database import Database, is_unavailable

_READ_AGAIN_S = 0.9  # revoked keys are refused within a second, by every server
_MOST_UNKNOWN = 4096
_NOTED_AGAIN_S = 60
_BATCH_S = 1.0
_TELLS_WITHIN_S = 1.0
_MAKE_ONE = "whoever runs the server makes one with `evalhaven keys create`"


@dataclass(frozen=True, slots=True)
class _Credentials:
    """What a request says of its sender: a key, and a project."""

    key: bytes | None
    project: str | None


@dataclass(frozen=True, slots=True)
class _Known:
    """A key as it was read; None: there is no such key."""

    held: HeldKey | None
    caller: Caller | None
    read_at: float


class Door:
    """Knows callers by the keys that they send.

    As long as no key was ever made, everybody is let in, and may do everything in the default project.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        """Read nothing yet.

        Args:
            database: Where keys are.
            clock: The time.
        """
        self._database = database
        self._clock = clock
        self._local_digest: bytes | None = None
        self._is_in_process = False
        self._needs_keys = False
        self._looked_at = float("-inf")
        self._known: dict[bytes, _Known] = {}
        self._unknown: dict[bytes, float] = {}
        self._projects: dict[str, tuple[Project | None, float]] = {}
        self._reading: dict[bytes, anyio.Event] = {}
        self._noted: dict[int, float] = {}
        self._used: dict[int, int] = {}
        self._is_used = anyio.Event()
        self._counters = RequestCounters()
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
        credentials = _credentials(scope["headers"])
        caller = await self.identify(credentials.key, credentials.project)
        state = scope.setdefault("state", {})
        self._count(credentials.key, caller, state)
        if permission not in caller.permissions:
            raise _lacking(caller, permission)
        state["caller"] = caller

    async def is_known(self, scope: Scope) -> bool:
        """Tell whether a request comes from somebody who may do anything at all, if that can be told soon."""
        credentials = _credentials(scope["headers"])
        if not self._needs_keys and self._looked_at > 0:
            return True  # also while the database does not answer, which is then what this is about
        with anyio.move_on_after(_TELLS_WITHIN_S):
            try:
                return bool((await self.identify(credentials.key, credentials.project)).permissions)
            except (UnknownCallerError, SQLAlchemyError):
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
            raise _unauthorized(f"This server needs an API key: send `Authorization: Bearer sk-…`; {_MAKE_ONE}.")
        return await self._holder(key, digest, project)

    async def needs_keys(self) -> bool:
        """Tell whether callers need keys: as soon as one was made, and from then on."""
        now = time.monotonic()
        if not self._needs_keys and now - self._looked_at >= _READ_AGAIN_S:
            try:
                self._needs_keys = await self._database.fetch(lambda tx: has_keys(tx, OrganizationScope()))
            except Exception as error:
                # Nobody can make the first key meanwhile. Before the first look, nobody knows.
                if self._looked_at < 0 or not is_unavailable(error):
                    raise
            self._looked_at = now
        return self._needs_keys

    def now(self) -> int:
        """Return the Unix second."""
        return int(self._clock.now())

    def forget(self) -> None:
        """Read everything again, since this server has just changed it."""
        self._looked_at = min(self._looked_at, 0.0)
        self._known.clear()
        self._unknown.clear()
        self._projects.clear()

    async def serve(self) -> None:
        """Note when keys were used, in batches, until canceled."""
        while True:
            await self._is_used.wait()
            self._is_used = anyio.Event()
            await anyio.sleep(_BATCH_S)
            await self.note_uses()

    async def note_uses(self) -> None:
        """Store when keys were used that have been used since the last time."""
        used, self._used = self._used, {}
        if not used:
            return
        try:
            async with self._database.write() as tx:
                await note_uses(tx, OrganizationScope(), used)
        except Exception as error:
            if not is_unavailable(error):
                raise
            # Noted again at their next use.
            for key in used:
                self._noted.pop(key, None)

    async def _holder(self, key: bytes, digest: bytes, project: str | None) -> Caller:
        known = self._known.get(digest)
        if known is None or time.monotonic() - known.read_at >= _READ_AGAIN_S:
            known = await self._look_up(key, digest)
        if known.held is None or known.caller is None:
            raise _unauthorized(
                "The API key is not one of this server's. Check that all of it is sent, and that it was made here; "
                f"{_MAKE_ONE}."
            )
        held, now = known.held, self._clock.now()
        _refuse_ended(held, now)
        if now - self._noted.get(held.key.key, 0.0) >= _NOTED_AGAIN_S:
            self._noted[held.key.key] = now
            self._used[held.key.key] = int(now)
            self._is_used.set()
        if project is None or project == known.caller.project:
            return known.caller
        if held.scope is not None:
            raise UnknownCallerError(
                f"The API key belongs to project {known.caller.project!r}, and the header OpenAI-Project names "
                f"{project!r}. Leave the header out, or send a key of that project.",
                param="OpenAI-Project",
                code="mismatched_project",
            )
        return await self._in_project(known.caller, project)

    def _count(self, key: bytes | None, caller: Caller, state: MutableMapping[str, Any]) -> None:
        """Count a request against the limits of its key and of that key's project.

        Raises:
            LimitExceededError: One of them is used up.
        """
        if key is None or caller.kind is not CallerKind.KEY:
            return
        known = self._known.get(digest_of(key))
        if known is None or known.held is None or known.held.scope is None:
            return
        held = known.held
        limits = [
            ("key", held.key.key, held.key.requests_per_minute),
            ("project", caller.scope.project_id, held.requests_per_minute),
        ]
        self._counters.count(state, limits)

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


def _refuse_ended(held: HeldKey, now: float) -> None:
    """Refuse a key that was valid once: only whoever has all of it learns so.

    Raises:
        UnknownCallerError: It is revoked or expired, or its project is archived.
    """
    key = held.key
    named = f"The API key {key.name!r} ({key.redacted})"
    if key.revoked_at is not None:
        raise _unauthorized(f"{named} was revoked on {day_of(key.revoked_at)}; {_MAKE_ONE}.")
    if key.expires_at is not None and now >= key.expires_at:
        raise _unauthorized(f"{named} expired on {day_of(key.expires_at)}; {_MAKE_ONE}.")
    if held.is_archived:
        raise _unauthorized(f"{named} belongs to project {held.project!r}, which is archived.")


def _unauthorized(message: str) -> UnknownCallerError:
    return UnknownCallerError(message, code="invalid_api_key")


def _lacking(caller: Caller, permission: Permission) -> ForbiddenError:
    whose = f"The API key {caller.name!r}" if caller.kind is CallerKind.KEY else f"{caller.name!r}"
    cure = (
        "use an admin key (`evalhaven keys create --admin`)"
        if permission is Permission.OPERATE
        else f"use a key that has it (`evalhaven keys create --scopes {permission},…`)"
    )
    return ForbiddenError(
        f"{whose} may not {MEANINGS[permission]}: it lacks the scope {str(permission)!r}. To do this, {cure}.",
        scope=str(permission),
    )


def _credentials(headers: Iterable[tuple[bytes, bytes]]) -> _Credentials:
    """Return what the head of a request says of its sender."""
    bearer: bytes | None = None
    plain: bytes | None = None
    project: str | None = None
    for name, value in headers:
        if name == b"authorization":
            scheme, _, rest = value.partition(b" ")
            if scheme.lower() == b"bearer" and bearer is None:
                bearer = rest.strip()
        elif name == b"api-key" and plain is None:
            plain = value.strip()
        elif name == b"openai-project" and project is None:
            project = value.decode("latin-1").strip() or None
    return _Credentials(bearer or plain or None, project)
