"""What a caller may do, and the roles that stand for several permissions."""

from collections.abc import Iterable
from enum import StrEnum


class Permission(StrEnum):
    """One thing that a caller may be allowed to do."""

    READ = "read"
    WRITE = "write"
    MODELS = "models"
    MANAGE = "manage"
    OPERATE = "operate"


class Role(StrEnum):
    """What a person is in a project, or what a key is made for."""

    VIEWER = "viewer"
    EDITOR = "editor"
    ADMIN = "admin"


ALL_PERMISSIONS = frozenset(Permission)
OF_PROJECTS = ALL_PERMISSIONS - {Permission.OPERATE}
"""What can be allowed within a project; the rest concerns the whole organization."""

OF_ROLES: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.EDITOR: frozenset({Permission.READ, Permission.WRITE, Permission.MODELS}),
    Role.ADMIN: OF_PROJECTS,
}

MEANINGS: dict[Permission, str] = {
    Permission.READ: "see evals, runs, files, logged calls and reports",
    Permission.WRITE: "create, change, execute and delete evals, runs and files",
    Permission.MODELS: "call models through the gateway",
    Permission.MANAGE: "manage the keys, members and webhooks of the project, and see its audit log",
    Permission.OPERATE: "operate the server: its projects, settings, endpoints and workers",
}
"""Each permission in words that follow "may"."""


class UnknownScopeError(ValueError):
    """A text names no permission; the message lists those that there are."""


def scopes_of(names: Iterable[str], allowed: frozenset[Permission] = OF_PROJECTS) -> frozenset[Permission]:
    """Return the permissions that are named.

    Args:
        names: Their names.
        allowed: Those that may be named.

    Raises:
        UnknownScopeError: One of the names is none of them, or there is no name.
    """
    known = {str(each): each for each in allowed}
    found = {known.get(name) for name in names}
    if None in found or not found:
        wrong = next((name for name in names if name not in known), None)
        what = "no scope is named" if wrong is None else f"{wrong!r} is no scope"
        raise UnknownScopeError(f"{what}; there are {', '.join(in_order(allowed))}")
    return frozenset(each for each in found if each is not None)


def in_order(permissions: Iterable[Permission]) -> list[str]:
    """Return the names of permissions, the smallest first."""
    given = set(permissions)
    return [str(each) for each in Permission if each in given]
