"""Projects, service accounts and project keys as the published API shows them."""

from collections.abc import Sequence

from evalhaven.storage.access.keys import ApiKey
from evalhaven.storage.access.projects import Contents, Project
from evalhaven.storage.access.service_accounts import ServiceAccount
from evalhaven.wire import organization as wire


def shown_project(project: Project, contents: Contents) -> wire.Project:
    """Return a project with how much it has."""
    return wire.Project(
        object="organization.project",
        id=project.id,
        name=project.name,
        created_at=project.created_at,
        archived_at=project.archived_at,
        status="active" if project.archived_at is None else "archived",
        evalhaven=wire.ProjectExtension(evals=contents.evals, keys=contents.keys, members=contents.members),
    )


def shown_account(account: ServiceAccount) -> wire.ProjectServiceAccount:
    """Return a service account."""
    return wire.ProjectServiceAccount(
        object="organization.project.service_account",
        id=account.id,
        name=account.name,
        role=account.role,
        created_at=account.created_at,
    )


def shown_account_key(key: ApiKey, secret: str) -> wire.ServiceAccountApiKeyBody:
    """Return a new key of a service account with its secret."""
    return wire.ServiceAccountApiKeyBody(
        object="organization.project.service_account.api_key",
        id=key.id,
        value=secret,
        name=key.name,
        created_at=key.created_at,
    )


def shown_project_key(key: ApiKey, account: ServiceAccount | None) -> wire.ProjectApiKey:
    """Return a key of a project.

    Args:
        key: The key.
        account: Whose it is; None if it is nobody's.
    """
    owner = wire.ProjectApiKeyOwner()
    if account is not None:
        owner = wire.ProjectApiKeyOwner(
            type="service_account",
            service_account=wire.ProjectApiKeyOwnerServiceAccount(
                id=account.id, name=account.name, created_at=account.created_at, role=account.role
            ),
        )
    return wire.ProjectApiKey(
        object="organization.project.api_key",
        id=key.id,
        name=key.name,
        redacted_value=key.redacted,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        owner_project_access="active",
        owner=owner,
    )


def ends_of(ids: Sequence[str]) -> tuple[str | None, str | None]:
    """Return the first and the last id of a page."""
    return (ids[0], ids[-1]) if ids else (None, None)
