"""Why the door does not let somebody in, in words that say what to do."""

from evalhaven.access.callers import Caller, CallerKind
from evalhaven.access.keys import day_of
from evalhaven.access.permissions import MEANINGS, Permission
from evalhaven.domain.errors import ForbiddenError, UnknownCallerError
from evalhaven.storage.access.keys import HeldKey

MAKE_ONE = "whoever runs the server makes one with `evalhaven keys create`"
"""Where a key comes from."""


def refuse_ended(held: HeldKey, now: float) -> None:
    """Refuse a key that was valid once: only whoever has all of it learns so.

    Raises:
        UnknownCallerError: It is revoked or expired, or its project is archived.
    """
    key = held.key
    named = f"The API key {key.name!r} ({key.redacted})"
    if key.revoked_at is not None:
        raise unauthorized(f"{named} was revoked on {day_of(key.revoked_at)}; {MAKE_ONE}.")
    if key.expires_at is not None and now >= key.expires_at:
        raise unauthorized(f"{named} expired on {day_of(key.expires_at)}; {MAKE_ONE}.")
    if held.is_archived:
        raise unauthorized(f"{named} belongs to project {held.project!r}, which is archived.")


def unauthorized(message: str) -> UnknownCallerError:
    """Return that a key is missing or not valid."""
    return UnknownCallerError(message, code="invalid_api_key")


def mismatched(caller: Caller, project: str) -> UnknownCallerError:
    """Return that a key does not open the project that a request names."""
    return UnknownCallerError(
        f"The API key belongs to project {caller.project!r}, and the header OpenAI-Project names {project!r}. Leave "
        "the header out, or send a key of that project.",
        param="OpenAI-Project",
        code="mismatched_project",
    )


def lacking(caller: Caller, permission: Permission) -> ForbiddenError:
    """Return that a caller lacks a permission."""
    if caller.kind is CallerKind.PERSON:
        return _lacking_role(caller, permission)
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


def _lacking_role(caller: Caller, permission: Permission) -> ForbiddenError:
    if not caller.permissions:
        what = f"{caller.name!r} is no member of this project any more. Choose another project, or ask"
    else:
        what = f"{caller.name!r} may not {MEANINGS[permission]}. Ask"
    whom = "whoever runs the server" if permission is Permission.OPERATE else "an administrator of the project"
    return ForbiddenError(f"{what} {whom}, if you need to.", scope=str(permission))
