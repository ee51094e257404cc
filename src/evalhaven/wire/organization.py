"""The organization's projects, service accounts and project keys, named like the published schemas."""

from typing import Literal

from pydantic import Field

from evalhaven.wire.contract import OpenObject, UnixTime, WireModel
from evalhaven.wire.keys import KeyName


class ProjectCreateRequest(WireModel):
    """Say what a project is called."""

    name: KeyName
    external_key_id: None = None
    residency: Literal["GLOBAL"] | None = None


class ProjectUpdateRequest(WireModel):
    """Say what a project is called from now on."""

    name: KeyName | None = None
    external_key_id: None = None


class ProjectExtension(OpenObject):
    """Show how much a project has."""

    evals: int = Field(description="How many evals it has.")
    keys: int = Field(description="How many of its keys are valid.")
    members: int = Field(description="How many people are its members.")


class Project(OpenObject):
    """Show a project."""

    object: Literal["organization.project"]
    id: str
    name: str | None
    created_at: UnixTime
    archived_at: UnixTime | None
    status: Literal["active", "archived"]
    evalhaven: ProjectExtension


class ProjectListResponse(OpenObject):
    """List projects."""

    object: Literal["list"]
    data: list[Project]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ProjectApiKeyOwnerServiceAccount(OpenObject):
    """Show the service account of a key."""

    id: str
    name: str
    created_at: UnixTime
    role: Literal["member", "owner"]


class ProjectApiKeyOwner(OpenObject):
    """Show whose a key is; a key that is nobody's has neither."""

    type: Literal["service_account"] | None = None
    service_account: ProjectApiKeyOwnerServiceAccount | None = None


class ProjectApiKey(OpenObject):
    """Show a key of a project, but not its secret."""

    object: Literal["organization.project.api_key"]
    id: str
    name: str
    redacted_value: str
    created_at: UnixTime
    last_used_at: UnixTime | None
    owner_project_access: Literal["active", "inactive"]
    owner: ProjectApiKeyOwner


class ProjectApiKeyListResponse(OpenObject):
    """List the keys of a project that are not revoked."""

    object: Literal["list"]
    data: list[ProjectApiKey]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ProjectApiKeyDeleteResponse(OpenObject):
    """Say that a key is revoked."""

    object: Literal["organization.project.api_key.deleted"]
    id: str
    deleted: bool


class ProjectServiceAccountCreateRequest(WireModel):
    """Say what a service account is called, and whether it gets a key at once."""

    name: KeyName
    create_service_account_only: bool | None = None
    expires_in_seconds: int | None = None


class UpdateProjectServiceAccountBody(WireModel):
    """Say what a service account is from now on."""

    name: KeyName | None = None
    role: Literal["member", "owner"] | None = None


class CreateProjectServiceAccountApiKeyBody(WireModel):
    """Say what a further key of a service account is called, and what it allows."""

    name: KeyName | None = None
    scopes: list[str] | None = None


class ServiceAccountApiKeyBody(OpenObject):
    """Show a new key of a service account with its secret, which is never shown again."""

    object: Literal["organization.project.service_account.api_key"]
    id: str
    value: str
    name: str
    created_at: UnixTime


class ProjectServiceAccount(OpenObject):
    """Show a service account."""

    object: Literal["organization.project.service_account"]
    id: str
    name: str
    role: Literal["member", "owner"]
    created_at: UnixTime


class ProjectServiceAccountCreateResponse(ProjectServiceAccount):
    """Show a new service account with its first key."""

    api_key: ServiceAccountApiKeyBody | None


class ProjectServiceAccountListResponse(OpenObject):
    """List the service accounts of a project."""

    object: Literal["list"]
    data: list[ProjectServiceAccount]
    first_id: str | None
    last_id: str | None
    has_more: bool


class ProjectServiceAccountDeleteResponse(OpenObject):
    """Say that a service account is gone, and its keys with it."""

    object: Literal["organization.project.service_account.deleted"]
    id: str
    deleted: bool
