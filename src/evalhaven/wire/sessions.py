"""Sessions of the dashboard below `/api/`: who is logged in, and how somebody can be."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import NonEmptyStr, OpenObject, UnixTime, WireModel


class LogInRequest(WireModel):
    """Log in with a key, or look at another project: the dashboard sends either."""

    key: NonEmptyStr | None = Field(default=None, description="An API key: the session allows what it allows.")
    project: NonEmptyStr | None = Field(
        default=None, description="Id of the project to look at. Without a key, the session goes on to look at it."
    )


class SessionCaller(OpenObject):
    """Show who sends requests."""

    kind: Literal["key", "person", "local", "anyone"] = Field(
        description="By what they are known. `local`: a command on the server's machine. `anyone`: the server has no "
        "keys."
    )
    id: str = Field(description="Id of the key or person.")
    name: str = Field(description="Name of the key or person.")
    email: str | None = Field(description="Address of the person; null if there is none.")
    role: Literal["viewer", "editor", "admin"] | None = Field(
        description="The largest role whose permissions they have in the project; null if it is none."
    )
    permissions: list[str] = Field(
        description="What they may do in the project: `read`, `write`, `models` and `manage`, and `operate` for "
        "whoever administers the organization."
    )


class SessionProject(OpenObject):
    """Show a project that they can look at."""

    id: str = Field(description="Id of the project.")
    name: str = Field(description="What it is called.")


class WaysToLogIn(OpenObject):
    """Show how somebody can log in."""

    key: bool = Field(description="Whether an API key is taken; not if none was ever made.")
    provider: str | None = Field(
        description="What the provider of OpenID Connect is called; null if there is none. `/api/login/oidc` leads "
        "there."
    )


class Session(OpenObject):
    """Show who sends requests, and how somebody can log in."""

    object: Literal["session"]
    access: Literal["keys", "open"] = Field(
        description="`keys`: everybody has to log in. `open`: whoever reaches the server may do everything."
    )
    caller: SessionCaller | None = Field(description="Who sends requests; null if nobody is logged in.")
    project: SessionProject | None = Field(description="The project that they look at.")
    projects: list[SessionProject] = Field(description="All projects that they can look at.")
    expires_at: UnixTime | None = Field(
        description="When the session ends at the latest; null without one. It also ends after 12 hours without use."
    )
    ways_to_log_in: WaysToLogIn = Field(description="How somebody can log in.")


class SessionDeleted(OpenObject):
    """Show that somebody is logged out."""

    object: Literal["session.deleted"]
    deleted: bool = Field(description="Whether they were logged in.")
    logout_url: str | None = Field(
        description="Where a browser logs out of the provider of OpenID Connect, too; null if it has no such place."
    )
