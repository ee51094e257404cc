"""Sessions as the door knows them: read again within a second, and noted when they are used."""

import time
from dataclasses import dataclass

from evalhaven.access.callers import Caller, CallerKind
from evalhaven.access.keys import digest_of
from evalhaven.access.permissions import OF_ROLES
from evalhaven.access.sessions import IDLE_S, LIFETIME_S, SESSION_PREFIX, is_session_form
from evalhaven.domain.clock import Clock
from evalhaven.domain.errors import UnknownCallerError
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.members import Membership
from evalhaven.storage.access.people import Person
from evalhaven.storage.access.sessions import HeldSession, Session, find_held_session, note_seen
from evalhaven.storage.database import Database

READ_AGAIN_S = 0.9  # who is logged out, or is no member any more, is refused within a second by every server
_MOST_KNOWN = 4096
_NOTED_AGAIN_S = 60


@dataclass(frozen=True, slots=True)
class _Known:
    held: HeldSession
    read_at: float


class Sessions:
    """Finds the sessions whose tokens browsers send."""

    def __init__(self, database: Database, clock: Clock, admins: frozenset[str]) -> None:
        """Read nothing yet.

        Args:
            database: Where sessions are.
            clock: The time.
            admins: Who administers the organization, as `administers` takes them.
        """
        self._database = database
        self._clock = clock
        self._admins = admins
        self._known: dict[bytes, _Known] = {}
        self._noted: dict[bytes, float] = {}
        self._seen: dict[bytes, int] = {}

    async def get(self, token: bytes) -> HeldSession:
        """Return the session of a token.

        Raises:
            UnknownCallerError: There is none, or it has ended.
        """
        digest = digest_of(token)
        known = self._known.get(digest)
        if known is None or time.monotonic() - known.read_at >= READ_AGAIN_S:
            known = await self._read(token, digest)
        now = self._clock.now()
        if known is None or is_over(known.held.session, now):
            raise UnknownCallerError("Nobody is logged in here any more: log in again.", code="session_ended")
        return known.held

    def note(self, held: HeldSession) -> bool:
        """Note that a session is used; return whether that has to be stored."""
        now, digest = self._clock.now(), held.session.digest
        last = max(self._noted.get(digest, 0.0), held.session.last_seen_at)
        if now - last < _NOTED_AGAIN_S:
            return False
        self._noted[digest] = now
        self._seen[digest] = int(now)
        return True

    async def store_notes(self) -> None:
        """Store which sessions have been used since the last time."""
        seen, self._seen = self._seen, {}
        if not seen:
            return
        # They last at most so long, and one that is noted too often costs a statement.
        self._noted = {digest: at for digest, at in self._noted.items() if self._clock.now() - at < _NOTED_AGAIN_S}
        async with self._database.write() as tx:
            for digest, at in sorted(seen.items()):
                await note_seen(tx, OrganizationScope(), digest, at)

    def administers(self, person: Person) -> bool:
        """Tell whether a person administers the organization: at their login, and by the setting of this start."""
        return person.is_organization_admin and administers(self._admins, person.email, person.subject)

    def forget(self) -> None:
        """Read everything again, since this server has just changed it."""
        self._known.clear()

    async def _read(self, token: bytes, digest: bytes) -> _Known | None:
        if not is_session_form(token):
            return None
        now = time.monotonic()  # its age counts from before it was read
        held = await self._database.fetch(lambda tx: find_held_session(tx, OrganizationScope(), digest))
        if held is None:
            self._known.pop(digest, None)
            return None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[digest] = known = _Known(held, now)
        return known


def is_over(session: Session, now: float) -> bool:
    """Tell whether the time of a session is over."""
    return now >= session.expires_at or now >= session.last_seen_at + IDLE_S


def new_session(
    ids: IdFactory, now: int, scope: ProjectScope | None, *, key: int | None = None, person: int | None = None
) -> tuple[Session, str]:
    """Return a new session, and the token that the browser gets."""
    token = ids.new_secret(SESSION_PREFIX)
    return Session(digest_of(token.encode()), scope, now, now, now + LIFETIME_S, key, person), token


def administers(admins: frozenset[str], email: str | None, subject: str) -> bool:
    """Tell whether the setting names a person as one who administers the organization.

    Args:
        admins: Addresses in lower case, and subjects of the provider, which have no `@`: a subject with one could be an
            address that somebody chose for themselves.
        email: Their address, if the provider has verified it or had verified it at their login.
        subject: By what the provider knows them.
    """
    return (email is not None and email.lower() in admins) or ("@" not in subject and subject in admins)


def member_caller(person: Person, membership: Membership) -> Caller:
    """Return a person who acts in a project of theirs."""
    project = membership.project
    return Caller(CallerKind.PERSON, person.id, person.shown_name, project.scope, project.id, OF_ROLES[membership.role])


def stranger_caller(person: Person, scope: ProjectScope, project: str) -> Caller:
    """Return a person who looks at a project of which they are no member: they may do nothing there."""
    return Caller(CallerKind.PERSON, person.id, person.shown_name, scope, project, frozenset())
