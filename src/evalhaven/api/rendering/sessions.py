"""Who is logged in, as it is shown."""

from collections.abc import Sequence
from typing import Literal

from evalhaven.access.callers import Caller
from evalhaven.access.permissions import OF_ROLES, Permission, in_order
from evalhaven.storage.access.projects import Project
from evalhaven.storage.access.sessions import HeldSession
from evalhaven.wire import sessions as wire

_Role = Literal["viewer", "editor", "admin"]


def shown_session(
    access: Literal["keys", "open"],
    caller: Caller | None,
    held: HeldSession | None,
    projects: Sequence[Project],
    provider: str | None,
) -> wire.Session:
    """Return who sends requests, and how somebody can log in.

    Args:
        access: Whether anybody has to.
        caller: Who sends them.
        held: The session by whose cookie they are known.
        projects: Those that the caller can look at.
        provider: What the provider of OpenID Connect is called.
    """
    looked_at = None
    if caller is not None:
        of_session = [] if held is None or held.project is None else [held.project]
        looked_at = next((each for each in (*projects, *of_session) if each.id == caller.project), None)
    return wire.Session(
        object="session",
        access=access,
        caller=None if caller is None else _shown_caller(caller, held),
        project=None if looked_at is None else _shown_project(looked_at),
        projects=[_shown_project(each) for each in projects],
        expires_at=None if held is None else held.session.expires_at,
        ways_to_log_in=wire.WaysToLogIn(key=access == "keys", provider=provider),
    )


def _shown_caller(caller: Caller, held: HeldSession | None) -> wire.SessionCaller:
    person = None if held is None else held.person
    return wire.SessionCaller(
        kind=caller.kind.value,
        id=caller.id,
        name=caller.name,
        email=None if person is None else person.email,
        role=_role_of(caller.permissions),
        permissions=in_order(caller.permissions),
    )


def _role_of(permissions: frozenset[Permission]) -> _Role | None:
    held = [role for role, needed in OF_ROLES.items() if needed <= permissions]
    return held[-1].value if held else None


def _shown_project(project: Project) -> wire.SessionProject:
    return wire.SessionProject(id=project.id, name=project.name)
