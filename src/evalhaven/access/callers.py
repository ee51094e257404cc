"""Who sent a request, in which project it acts, and what it may do there."""

from dataclasses import dataclass
from enum import StrEnum

from evalhaven.access.permissions import ALL_PERMISSIONS, Permission
from evalhaven.domain.scopes import DEFAULT_PROJECT, ProjectScope

DEFAULT_PROJECT_ID = "proj_default"
"""Public id of the project that every database has from the start."""


class CallerKind(StrEnum):
    """By what a caller is known."""

    KEY = "key"
    PERSON = "person"
    LOCAL = "local"
    ANYONE = "anyone"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    Attributes:
        kind: By what it is known.
        id: Public id of the key or person; the kind itself where there is none.
        name: Name of the key or person.
        scope: The project in which it acts.
        project: That project's public id.
        permissions: What it may do there.
    """

    kind: CallerKind
    id: str
    name: str
    scope: ProjectScope
    project: str
    permissions: frozenset[Permission]

    def may(self, permission: Permission) -> bool:
        """Tell whether the caller has a permission."""
        return permission in self.permissions


ANYONE = Caller(CallerKind.ANYONE, "anyone", "anyone", DEFAULT_PROJECT, DEFAULT_PROJECT_ID, ALL_PERMISSIONS)
"""Whoever reaches a server without keys."""

LOCAL_OPERATOR = Caller(
    CallerKind.LOCAL, "local", "local operator", DEFAULT_PROJECT, DEFAULT_PROJECT_ID, ALL_PERMISSIONS
)
"""Whoever can read the data directory, and could read the database anyway."""


def newcomer(person_id: str, name: str, scope: ProjectScope | None) -> Caller:
    """Return a person who is just logging in, as the audit log names them; they may do nothing yet."""
    return Caller(CallerKind.PERSON, person_id, name, scope or DEFAULT_PROJECT, "", frozenset())
