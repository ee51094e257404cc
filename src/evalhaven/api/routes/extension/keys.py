"""`/api/keys` and `/api/admin_keys`: the keys of the caller's project, and those of the organization."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from evalhaven.access.callers import Caller
from evalhaven.access.keys import LATEST_EXPIRY
from evalhaven.access.permissions import OF_ROLES, Permission, Role, UnknownScopeError, in_order, scopes_of
from evalhaven.api.access.auditing import record_audit
from evalhaven.api.access.making import make_admin_key, make_key
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import read_document
from evalhaven.api.rendering.json_texts import model_response
from evalhaven.api.rendering.keys import shown_key, shown_new_key
from evalhaven.api.services import CallerOf, Services, ServicesOf
from evalhaven.domain.errors import ForbiddenError, InvalidRequestError
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.scopes import OrganizationScope, ProjectScope
from evalhaven.storage.access.keys import ApiKey, get_key, insert_key, list_keys, revoke_key
from evalhaven.storage.access.limits import save_key_limit
from evalhaven.wire import keys as wire
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/api", tags=["Access"], route_class=GuardedRoute)

KeyId = Annotated[str, Path(description="Id of the key.")]
_ORGANIZATION = OrganizationScope()


@router.get("/keys", operation_id="listKeys", response_model=wire.ApiKeyList, response_description="The keys.")
async def list_project_keys(services: ServicesOf, caller: CallerOf) -> Response:
    """List the keys of the project, without their secrets."""
    return await _listed(services, caller.scope, caller.project)


@router.post("/keys", operation_id="createKey", response_model=wire.NewApiKey, response_description="The new key.")
async def create_project_key(request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """Make a key of the project. Its secret is in this answer and is never shown again.

    As soon as a first key has been made, every request needs one.
    """
    body = parse_request(wire.CreateKeyRequest, await read_document(request, services.config.max_body_bytes)).body
    scopes = _scopes_of(body, caller)
    _check_expiry(body.expires_at, services.now())
    key, secret = make_key(services.ids, body.name, scopes, services.now(), expires_at=body.expires_at)
    key = replace(key, requests_per_minute=body.requests_per_minute)
    await _store(request, services, caller.scope, key)
    return model_response(shown_new_key(key, caller.project, secret))


@router.post(
    "/keys/{key_id}", operation_id="changeKey", response_model=wire.ApiKey, response_description="The changed key."
)
async def change_project_key(key_id: KeyId, request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """Change how many requests a minute a key of the project may make; every server heeds it within a second."""
    body = parse_request(wire.ChangeKeyRequest, await read_document(request, services.config.max_body_bytes)).body
    async with services.database.write() as tx:
        await get_key(tx, caller.scope, key_id)
        await save_key_limit(tx, caller.scope, key_id, body.requests_per_minute)
        details: JsonObject = {"requests_per_minute": body.requests_per_minute}
        await record_audit(tx, request, "key.changed", ("api_key", key_id), details=details)
        key = await get_key(tx, caller.scope, key_id)
    services.door.forget()
    return model_response(shown_key(key, caller.project))


@router.delete(
    "/keys/{key_id}", operation_id="revokeKey", response_model=wire.ApiKey, response_description="The revoked key."
)
async def revoke_project_key(key_id: KeyId, request: Request, services: ServicesOf, caller: CallerOf) -> Response:
    """Revoke a key of the project: every server refuses it within a second."""
    return await _revoke(request, services, caller.scope, caller.project, key_id)


@router.get(
    "/admin_keys", operation_id="listAdminKeys", response_model=wire.ApiKeyList, response_description="The keys."
)
async def list_admin_keys(services: ServicesOf) -> Response:
    """List the admin keys, which allow everything in every project."""
    return await _listed(services, _ORGANIZATION, None)


@router.post(
    "/admin_keys", operation_id="createAdminKey", response_model=wire.NewApiKey, response_description="The new key."
)
async def create_admin_key(request: Request, services: ServicesOf) -> Response:
    """Make an admin key. Its secret is in this answer and is never shown again."""
    body = parse_request(wire.CreateAdminKeyRequest, await read_document(request, services.config.max_body_bytes)).body
    _check_expiry(body.expires_at, services.now())
    key, secret = make_admin_key(services.ids, body.name, services.now(), expires_at=body.expires_at)
    await _store(request, services, _ORGANIZATION, key)
    return model_response(shown_new_key(key, None, secret))


@router.delete(
    "/admin_keys/{key_id}",
    operation_id="revokeAdminKey",
    response_model=wire.ApiKey,
    response_description="The revoked key.",
)
async def revoke_admin_key(key_id: KeyId, request: Request, services: ServicesOf) -> Response:
    """Revoke an admin key: every server refuses it within a second."""
    return await _revoke(request, services, _ORGANIZATION, None, key_id)


async def _listed(services: Services, scope: ProjectScope | OrganizationScope, project: str | None) -> Response:
    keys = await services.database.fetch(lambda tx: list_keys(tx, scope))
    return model_response(wire.ApiKeyList(object="list", data=[shown_key(each, project) for each in keys]))


async def _store(request: Request, services: Services, scope: ProjectScope | OrganizationScope, key: ApiKey) -> None:
    async with services.database.write() as tx:
        await insert_key(tx, scope, key)
        if isinstance(scope, ProjectScope) and key.requests_per_minute is not None:
            await save_key_limit(tx, scope, key.id, key.requests_per_minute)
        details: JsonObject = {"name": key.name, "scopes": [*in_order(key.scopes)], "expires_at": key.expires_at}
        await record_audit(tx, request, "key.created", ("api_key", key.id), scope=scope, details=details)
    services.door.forget()


async def _revoke(
    request: Request,
    services: Services,
    scope: ProjectScope | OrganizationScope,
    project: str | None,
    key_id: str,
) -> Response:
    async with services.database.write() as tx:
        is_new = await revoke_key(tx, scope, key_id, services.now())
        key = await get_key(tx, scope, key_id)
        if is_new:
            details: JsonObject = {"name": key.name}
            await record_audit(tx, request, "key.revoked", ("api_key", key_id), scope=scope, details=details)
    services.door.forget()
    return model_response(shown_key(key, project))


def _scopes_of(body: wire.CreateKeyRequest, caller: Caller) -> frozenset[Permission]:
    """Return what a key is to allow.

    Raises:
        InvalidRequestError: A scope is unknown, or scopes and a role are given.
        ForbiddenError: It would allow more than its maker may do.
    """
    if body.scopes is None:
        scopes = OF_ROLES[Role(body.role or "editor")]
    elif body.role is not None:
        raise InvalidRequestError("Send either 'scopes' or 'role'.", param="role", code="invalid_value")
    else:
        try:
            scopes = scopes_of(body.scopes)
        except UnknownScopeError as error:
            raise InvalidRequestError(f"Invalid 'scopes': {error}.", param="scopes", code="invalid_value") from error
    if missing := in_order(scopes - caller.permissions):
        raise ForbiddenError(
            f"A key cannot make one that allows more than itself: it lacks {', '.join(missing)}. Ask for fewer scopes, "
            "or use a key that has them.",
            param="scopes",
        )
    return scopes


def _check_expiry(expires_at: int | None, now: int) -> None:
    if expires_at is not None and not now < expires_at <= LATEST_EXPIRY:
        raise InvalidRequestError(
            f"'expires_at' must be in the future, a Unix time above {now}, and before the year 10000.",
            param="expires_at",
            code="invalid_value",
        )
