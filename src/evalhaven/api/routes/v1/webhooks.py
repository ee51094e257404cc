"""`/v1/webhook_endpoints`: who is told of events, as the hosted API has it; and `/v1/webhook_event_types`."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.api.access.auditing import record_audit
from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.bodies import parse_body, read_body, read_document
from evalhaven.api.lists import DEFAULT_LIMIT, After, Limit, page_request
from evalhaven.api.rendering.json_texts import json_response, list_text
from evalhaven.api.rendering.webhooks import webhook_text
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.webhooks import SENT_EVENT_TYPES, Webhook
from evalhaven.storage import webhooks as store
from evalhaven.webhooks.endpoints import Note
from evalhaven.wire import webhooks as wire
from evalhaven.wire.requests import parse_request

router = APIRouter(prefix="/v1", tags=["Webhooks"], route_class=GuardedRoute)

WebhookIdOf = Annotated[str, Path(description="Id of the webhook endpoint.")]


@router.post(
    "/webhook_endpoints", operation_id="createWebhookEndpoint", response_model=wire.WebhookEndpointWithSecretResource
)
async def create_webhook_endpoint(request: Request, services: ServicesOf, scope: ScopeOf) -> Response:
    """Create a webhook endpoint: an address that is told when runs end. Its secret is shown this once."""
    document = await read_document(request, services.config.max_body_bytes)
    body = parse_request(wire.PublicCreateEndpointBody, document).body
    new, secret = await services.webhooks.create(scope, body, _noted(request, "created"))
    return json_response(webhook_text(new, services.now(), secret))


@router.get("/webhook_endpoints", operation_id="listWebhookEndpoints", response_model=wire.WebhookEndpointListResource)
async def list_webhook_endpoints(
    services: ServicesOf, scope: ScopeOf, after: After = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """List the webhook endpoints of the project, newest first."""
    page = page_request(after, limit, "desc", "desc")
    found = await services.database.fetch(lambda tx: store.list_webhooks(tx, scope, page))
    now = services.now()
    texts = [webhook_text(each, now) for each in found.objects]
    return json_response(list_text(texts, [each.id for each in found.objects], has_more=found.has_more))


@router.get(
    "/webhook_endpoints/{webhook_endpoint_id}",
    operation_id="getWebhookEndpoint",
    response_model=wire.WebhookEndpointBody,
)
async def get_webhook_endpoint(webhook_endpoint_id: WebhookIdOf, services: ServicesOf, scope: ScopeOf) -> Response:
    """Get a webhook endpoint; its secret is not shown again."""
    found = await services.database.fetch(lambda tx: store.get_webhook(tx, scope, webhook_endpoint_id))
    return json_response(webhook_text(found, services.now()))


@router.post(
    "/webhook_endpoints/{webhook_endpoint_id}",
    operation_id="updateWebhookEndpoint",
    response_model=wire.WebhookEndpointBody,
)
async def update_webhook_endpoint(
    webhook_endpoint_id: WebhookIdOf, request: Request, services: ServicesOf, scope: ScopeOf
) -> Response:
    """Change a webhook endpoint's name, URL, types of events or format, or turn it on or off."""
    document = await read_document(request, services.config.max_body_bytes)
    body = parse_request(wire.PublicUpdateEndpointBody, document).body
    # Which parts, and not how: a URL may hold a secret.
    note = _noted(request, "changed", changed=[*sorted(body.model_fields_set)])
    changed = await services.webhooks.update(scope, webhook_endpoint_id, body, note)
    return json_response(webhook_text(changed, services.now()))


@router.delete(
    "/webhook_endpoints/{webhook_endpoint_id}",
    operation_id="deleteWebhookEndpoint",
    response_model=wire.DeletedWebhookEndpointResource,
)
async def delete_webhook_endpoint(
    webhook_endpoint_id: WebhookIdOf, request: Request, services: ServicesOf, scope: ScopeOf
) -> Response:
    """Delete a webhook endpoint with its log; what is still to be delivered to it is not."""
    gone = await services.webhooks.delete(scope, webhook_endpoint_id, _noted(request, "deleted"))
    return json_response(jsontext.render({"id": gone.id, "object": "webhook_endpoint.deleted", "deleted": True}))


@router.post(
    "/webhook_endpoints/{webhook_endpoint_id}/rotate_secret",
    operation_id="rotateWebhookEndpointSecret",
    response_model=wire.WebhookEndpointWithSecretResource,
)
async def rotate_webhook_endpoint_secret(
    webhook_endpoint_id: WebhookIdOf, request: Request, services: ServicesOf, scope: ScopeOf
) -> Response:
    """Replace the secret of a webhook endpoint; the old one can go on signing beside the new one for 24 hours."""
    raw = await read_body(request, services.config.max_body_bytes)
    document = parse_body(raw) if raw else {}
    keeps_old = parse_request(wire.RotateSecretBody, document).body.keep_old_secret_active_for_24_hours
    note = _noted(request, "rotated")
    changed, secret = await services.webhooks.rotate_secret(scope, webhook_endpoint_id, note, keeps_old=keeps_old)
    return json_response(webhook_text(changed, services.now(), secret))


@router.post(
    "/webhook_endpoints/{webhook_endpoint_id}/test",
    operation_id="testWebhookEndpoint",
    response_model=wire.WebhookEndpointTestResultResource,
)
async def test_webhook_endpoint(
    webhook_endpoint_id: WebhookIdOf, request: Request, services: ServicesOf, scope: ScopeOf
) -> Response:
    """Send a webhook endpoint an event that did not happen, and tell what it answered."""
    document = await read_document(request, services.config.max_body_bytes)
    event_type = parse_request(wire.TestEndpointBody, document).body.event_type
    found, attempt = await services.webhooks.test(scope, webhook_endpoint_id, event_type)
    return json_response(
        jsontext.render(
            {
                "object": "webhook_endpoint.test",
                "webhook_endpoint_id": found.id,
                "event_type": event_type,
                "status_code": attempt.status_code,
                "success": True,
            }
        )
    )


@router.get(
    "/webhook_event_types", operation_id="listWebhookEventTypes", response_model=wire.WebhookEventTypeListResource
)
async def list_webhook_event_types() -> Response:
    """List the types of the events that happen here."""
    return json_response(jsontext.render({"object": "list", "data": list(SENT_EVENT_TYPES)}))


def _noted(request: Request, what: str, **details: JsonValue) -> Note:
    """Return what writes a change of a webhook into the audit log; without its URL, which may hold a secret."""

    async def note(tx: AsyncConnection, webhook: Webhook) -> None:
        await record_audit(
            tx, request, f"webhook.{what}", ("webhook", webhook.id), details={"name": webhook.name, **details}
        )

    return note
