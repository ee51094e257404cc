"""API keys below `/api/`: those of a project, and the admin keys of the organization."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from evalhaven.wire.contract import NonEmptyStr, OpenObject, UnixTime, WireModel, fault
from evalhaven.wire.limits import RequestsPerMinute

NAME_CHARS = 200


def _short(value: str) -> str:
    if len(value) > NAME_CHARS:
        raise fault(f"must have at most {NAME_CHARS} characters, but has {len(value)}")
    return value


KeyName = Annotated[
    NonEmptyStr,
    AfterValidator(_short),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": NAME_CHARS}),
]


class CreateAdminKeyRequest(WireModel):
    """Say what an admin key is for."""

    name: KeyName = Field(description="What lists call it.")
    expires_at: UnixTime | None = Field(default=None, description="From when on it is refused. Without it, never.")


class CreateKeyRequest(CreateAdminKeyRequest):
    """Say what a key of the project is for and what it allows: scopes, or the role that stands for them."""

    scopes: list[str] | None = Field(
        default=None,
        description="What it allows: of `read`, `write`, `models` and `manage`. Without it, what the role allows.",
    )
    role: Literal["viewer", "editor", "admin"] | None = Field(
        default=None,
        description="`viewer` stands for `read`, `editor` for `read`, `write` and `models`, `admin` for all four. "
        "Without either, `editor`.",
    )
    requests_per_minute: RequestsPerMinute | None = Field(
        default=None, description="Most requests in a minute. Without it, as many as the project may make."
    )


class ChangeKeyRequest(WireModel):
    """Say what of a key changes."""

    requests_per_minute: RequestsPerMinute | None = Field(
        description="Most requests in a minute; null for as many as the project may make."
    )


class ApiKey(OpenObject):
    """Show a key, but not its secret."""

    object: Literal["api_key"]
    id: str = Field(description="By which it is revoked.")
    name: str = Field(description="What it is called.")
    redacted_value: str = Field(description="How it begins, and its last four characters.")
    scopes: list[str] = Field(description="What it allows. An admin key allows everything, in every project.")
    project: str | None = Field(description="The project that it opens; null for an admin key.")
    created_at: UnixTime
    expires_at: UnixTime | None = Field(description="From when on it is refused; null if never.")
    last_used_at: UnixTime | None = Field(description="When it was used last, to the minute; null if never.")
    revoked_at: UnixTime | None = Field(description="Since when it is refused; null if it is not revoked.")
    requests_per_minute: int | None = Field(
        description="Most requests in a minute; null if only its project limits it."
    )


class NewApiKey(ApiKey):
    """Show a new key with its secret, which is never shown again."""

    value: str = Field(description="The key itself.")


class ApiKeyList(OpenObject):
    """List keys, newest first, revoked ones included."""

    object: Literal["list"]
    data: list[ApiKey] = Field(description="All of them.")
