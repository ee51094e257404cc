"""`/v1/organization/projects/{project_id}/…`: the service accounts of a project, and its keys."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.keys import LATEST_EXPIRY
from evalhaven.access.permissions import OF_ROLES, Permission, Role, UnknownScopeError, in_order, scopes_of
from evalhaven.api.access.auditing import record_audit
from evalhaven.api.access.making import make_key
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import read_document
from evalhaven.api.lists import DEFAULT_LIMIT, After, Limit, page_request
from evalhaven.api.rendering.json_texts import model_response
from evalhaven.api.rendering.organization import ends_of, shown_account, shown_account_key, shown_project_key
from evalhaven.api.services import Services, ServicesOf
from evalhaven.domain.errors import InvalidRequestError, NotFoundError
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.scopes import OrganizationScope
from evalhaven.storage.access.keys import ApiKey, get_key, insert_key, list_valid_keys, revoke_key
from evalhaven.storage.access.projects import Project, get_project
from evalhaven.storage.access.service_accounts import (
    AccountRole,
    ServiceAccount,
    delete_account,
    get_account,
    insert_account,
    list_accounts,
    list_accounts_by_key,
    update_account,
)
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire import organization as wire
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/v1/organization/projects/{project_id}", tags=["Projects"], route_class=GuardedRoute)

ProjectId = Annotated[str, Path(description="Id of the project.")]
KeyId = Annotated[str, Path(description="Id of the key.")]
AccountId = Annotated[str, Path(description="Id of the service account.")]
_ORGANIZATION = OrganizationScope()
_SCOPES_OF: dict[AccountRole, frozenset[Permission]] = {"member": OF_ROLES[Role.EDITOR], "owner": OF_ROLES[Role.ADMIN]}


@router.get("/api_keys", operation_id="list-project-api-keys", response_model=wire.ProjectApiKeyListResponse)
async def list_keys(
    project_id: ProjectId, services: ServicesOf, *, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """List the keys of a project that are not revoked."""
    page = page_request(after, limit, None, services.config.list_order)

    async def read(tx: ReadTransaction) -> Response:
        project = await get_project(tx, _ORGANIZATION, project_id)
        keys, has_more = await list_valid_keys(tx, project.scope, page)
        rows = [each.service_account_key for each in keys if each.service_account_key is not None]
        accounts = await list_accounts_by_key(tx, project.scope, rows)
        data = [shown_project_key(each, accounts.get(each.service_account_key or 0)) for each in keys]
        first, last = ends_of([each.id for each in keys])
        return model_response(
            wire.ProjectApiKeyListResponse(object="list", data=data, first_id=first, last_id=last, has_more=has_more)
        )

    return await services.database.fetch(read)


@router.get("/api_keys/{api_key_id}", operation_id="retrieve-project-api-key", response_model=wire.ProjectApiKey)
async def retrieve_key(project_id: ProjectId, api_key_id: KeyId, services: ServicesOf) -> Response:
    """Get a key of a project."""

    async def read(tx: ReadTransaction) -> Response:
        project = await get_project(tx, _ORGANIZATION, project_id)
        key = await _valid_key(tx, project, api_key_id)
        accounts = await list_accounts_by_key(tx, project.scope, [key.service_account_key or 0])
        return model_response(shown_project_key(key, accounts.get(key.service_account_key or 0)))

    return await services.database.fetch(read)


@router.delete(
    "/api_keys/{api_key_id}",
    operation_id="delete-project-api-key",
    response_model=wire.ProjectApiKeyDeleteResponse,
)
async def delete_key(project_id: ProjectId, api_key_id: KeyId, request: Request, services: ServicesOf) -> Response:
    """Revoke a key of a project: every server refuses it within a second."""
    async with services.database.write() as tx:
        project = await get_project(tx, _ORGANIZATION, project_id)
        await _valid_key(tx, project, api_key_id)
        if await revoke_key(tx, project.scope, api_key_id, services.now()):
            await record_audit(tx, request, "key.revoked", ("api_key", api_key_id), scope=project.scope)
    services.door.forget()
    return model_response(
        wire.ProjectApiKeyDeleteResponse(object="organization.project.api_key.deleted", id=api_key_id, deleted=True)
    )


@router.get(
    "/service_accounts",
    operation_id="list-project-service-accounts",
    response_model=wire.ProjectServiceAccountListResponse,
)
async def list_service_accounts(
    project_id: ProjectId, services: ServicesOf, *, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """List the service accounts of a project."""
    page = page_request(after, limit, None, services.config.list_order)

    async def read(tx: ReadTransaction) -> Response:
        project = await get_project(tx, _ORGANIZATION, project_id)
        accounts, has_more = await list_accounts(tx, project.scope, page)
        data = [shown_account(each) for each in accounts]
        first, last = ends_of([each.id for each in accounts])
        return model_response(
            wire.ProjectServiceAccountListResponse(
                object="list", data=data, first_id=first, last_id=last, has_more=has_more
            )
        )

    return await services.database.fetch(read)


@router.post(
    "/service_accounts",
    operation_id="create-project-service-account",
    response_model=wire.ProjectServiceAccountCreateResponse,
)
async def create_service_account(project_id: ProjectId, request: Request, services: ServicesOf) -> Response:
    """Create a service account, with a key unless that is not wanted. The key is shown this once."""
    document = await read_document(request, services.config.max_body_bytes)
    body = parse_request(wire.ProjectServiceAccountCreateRequest, document).body
    now, after_s = services.now(), body.expires_in_seconds
    if after_s is not None and not 1 <= after_s <= LATEST_EXPIRY - now:
        raise InvalidRequestError(
            "'expires_in_seconds' must be at least 1, and end before the year 10000.",
            param="expires_in_seconds",
            code="invalid_value",
        )
    shown_key: wire.ServiceAccountApiKeyBody | None = None
    async with services.database.write() as tx:
        project = await _open_project(tx, project_id)
        new = ServiceAccount(services.ids.new_service_account_id(), body.name, "member", now)
        account = await insert_account(tx, project.scope, new)
        details = {"name": account.name}
        await record_audit(
            tx,
            request,
            "service_account.created",
            ("service_account", account.id),
            scope=project.scope,
            details={**details},
        )
        if not body.create_service_account_only:
            expires_at = None if after_s is None else now + after_s
            scopes = _SCOPES_OF[account.role]
            shown_key = await _add_key(tx, request, services, project, account, (account.name, scopes, expires_at))
    services.door.forget()
    shown = shown_account(account).model_dump()
    return model_response(wire.ProjectServiceAccountCreateResponse(**shown, api_key=shown_key))


@router.get(
    "/service_accounts/{service_account_id}",
    operation_id="retrieve-project-service-account",
    response_model=wire.ProjectServiceAccount,
)
async def get_service_account(project_id: ProjectId, service_account_id: AccountId, services: ServicesOf) -> Response:
    """Get a service account."""

    async def read(tx: ReadTransaction) -> Response:
        project = await get_project(tx, _ORGANIZATION, project_id)
        return model_response(shown_account(await get_account(tx, project.scope, service_account_id)))

    return await services.database.fetch(read)


@router.post(
    "/service_accounts/{service_account_id}",
    operation_id="update-project-service-account",
    response_model=wire.ProjectServiceAccount,
)
async def update_service_account(
    project_id: ProjectId, service_account_id: AccountId, request: Request, services: ServicesOf
) -> Response:
    """Change the name or the role of a service account. Its next keys follow the role; those it has stay."""
    document = await read_document(request, services.config.max_body_bytes)
    body = parse_request(wire.UpdateProjectServiceAccountBody, document).body
    async with services.database.write() as tx:
        project = await _open_project(tx, project_id)
        before = await get_account(tx, project.scope, service_account_id)
        account = replace(before, name=body.name or before.name, role=body.role or before.role)
        if account != before:
            await update_account(tx, project.scope, account)
            details = {"name": account.name, "role": account.role}
            await record_audit(
                tx,
                request,
                "service_account.changed",
                ("service_account", account.id),
                scope=project.scope,
                details={**details},
            )
    return model_response(shown_account(account))


@router.delete(
    "/service_accounts/{service_account_id}",
    operation_id="delete-project-service-account",
    response_model=wire.ProjectServiceAccountDeleteResponse,
)
async def delete_service_account(
    project_id: ProjectId, service_account_id: AccountId, request: Request, services: ServicesOf
) -> Response:
    """Delete a service account and revoke its keys."""
    async with services.database.write() as tx:
        project = await get_project(tx, _ORGANIZATION, project_id)
        account = await get_account(tx, project.scope, service_account_id)
        await delete_account(tx, project.scope, account, services.now())
        target = ("service_account", account.id)
        await record_audit(tx, request, "service_account.deleted", target, scope=project.scope)
    services.door.forget()
    return model_response(
        wire.ProjectServiceAccountDeleteResponse(
            object="organization.project.service_account.deleted", id=account.id, deleted=True
        )
    )


@router.post(
    "/service_accounts/{service_account_id}/api_keys",
    operation_id="CreateanAPIkeyforaserviceaccount",
    response_model=wire.ServiceAccountApiKeyBody,
)
async def create_account_key(
    project_id: ProjectId, service_account_id: AccountId, request: Request, services: ServicesOf
) -> Response:
    """Make a further key of a service account. It is shown this once."""
    document = await read_document(request, services.config.max_body_bytes)
    body = parse_request(wire.CreateProjectServiceAccountApiKeyBody, document).body
    async with services.database.write() as tx:
        project = await _open_project(tx, project_id)
        account = await get_account(tx, project.scope, service_account_id)
        scopes = _SCOPES_OF[account.role]
        if body.scopes is not None:
            try:
                scopes = scopes_of(body.scopes)
            except UnknownScopeError as error:
                raise InvalidRequestError(
                    f"Invalid 'scopes': {error}.", param="scopes", code="invalid_value"
                ) from error
        shown = await _add_key(tx, request, services, project, account, (body.name or account.name, scopes, None))
    services.door.forget()
    return model_response(shown)


async def _add_key(
    tx: AsyncConnection,
    request: Request,
    services: Services,
    project: Project,
    account: ServiceAccount,
    wanted: tuple[str, frozenset[Permission], int | None],
) -> wire.ServiceAccountApiKeyBody:
    """Store a new key of a service account.

    Args:
        tx: Open write transaction.
        request: Who asks for it.
        services: What the routes work with.
        project: Whose it is.
        account: Its owner.
        wanted: Its name, its scopes, and when it expires.
    """
    name, scopes, expires_at = wanted
    key, secret = make_key(
        services.ids, name, scopes, services.now(), expires_at=expires_at, service_account_key=account.key
    )
    await insert_key(tx, project.scope, key)
    details: JsonObject = {"name": name, "scopes": [*in_order(scopes)], "service_account": account.id}
    await record_audit(tx, request, "key.created", ("api_key", key.id), scope=project.scope, details=details)
    return shown_account_key(key, secret)


async def _open_project(tx: AsyncConnection, project_id: str) -> Project:
    """Return a project that is not archived.

    Raises:
        InvalidRequestError: It is.
        NotFoundError: There is none.
    """
    project = await get_project(tx, _ORGANIZATION, project_id)
    if project.archived_at is not None:
        raise InvalidRequestError(
            f"Project {project_id!r} is archived, and takes no service accounts and no keys.",
            param="project_id",
            code="project_archived",
        )
    return project


async def _valid_key(tx: ReadTransaction, project: Project, key_id: str) -> ApiKey:
    """Return a key that is not revoked.

    Raises:
        NotFoundError: There is none.
    """
    key = await get_key(tx, project.scope, key_id)
    if key.revoked_at is not None:
        raise NotFoundError("Key", key_id, "api_key_id")
    return key
