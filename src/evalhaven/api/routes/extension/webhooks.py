"""`/api/webhook_endpoints/…`: what became of deliveries, and how to have them made again."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from evalhaven.api.access.routes import GuardedRoute
from evalhaven.api.lists import DEFAULT_LIMIT, After, Limit
from evalhaven.api.rendering.json_texts import json_response, list_text
from evalhaven.api.rendering.webhooks import delivery_text
from evalhaven.api.services import ScopeOf, ServicesOf
from evalhaven.domain import jsontext
from evalhaven.domain.webhooks import Attempt, Delivery
from evalhaven.storage.deliveries import DeliveryStatus, get_delivery, list_attempts, list_deliveries
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.webhooks import get_webhook
from evalhaven.wire.webhooks import ResentDeliveries, WebhookDelivery, WebhookDeliveryList

router = APIRouter(prefix="/api/webhook_endpoints/{webhook_endpoint_id}", tags=["Webhooks"], route_class=GuardedRoute)

_MOST = 100

WebhookIdOf = Annotated[str, Path(description="Id of the webhook endpoint.")]
DeliveryIdOf = Annotated[str, Path(description="Id of the delivery: the header `webhook-id` of its attempts.")]
StatusOf = Annotated[DeliveryStatus | None, Query(description="List only deliveries with this status.")]


@router.get(
    "/deliveries",
    operation_id="listWebhookDeliveries",
    response_model=WebhookDeliveryList,
    response_description="A page of deliveries.",
)
async def list_webhook_deliveries(
    webhook_endpoint_id: WebhookIdOf,
    services: ServicesOf,
    scope: ScopeOf,
    *,
    after: After = None,
    limit: Limit = DEFAULT_LIMIT,
    status: StatusOf = None,
) -> Response:
    """List the deliveries to a webhook endpoint of the last 30 days, newest event first; a page has 100 at most."""
    most = min(limit, _MOST)

    async def read(tx: ReadTransaction) -> tuple[list[Delivery], dict[int, list[Attempt]]]:
        webhook = await get_webhook(tx, scope, webhook_endpoint_id)
        before = None
        if after:
            before = (await get_delivery(tx, scope, webhook.key, after, is_cursor=True)).event.key
        found = await list_deliveries(tx, scope, webhook.key, most + 1, before, status)
        return found, await list_attempts(tx, scope, webhook.key, [each.event.key for each in found[:most]])

    found, attempts = await services.database.fetch(read)
    shown = found[:most]
    texts = [delivery_text(each, attempts[each.event.key]) for each in shown]
    return json_response(list_text(texts, [each.id for each in shown], has_more=len(found) > most))


@router.get(
    "/deliveries/{delivery_id}",
    operation_id="getWebhookDelivery",
    response_model=WebhookDelivery,
    response_description="The delivery.",
)
async def get_webhook_delivery(
    webhook_endpoint_id: WebhookIdOf, delivery_id: DeliveryIdOf, services: ServicesOf, scope: ScopeOf
) -> Response:
    """Get a delivery with all its attempts."""

    async def read(tx: ReadTransaction) -> str:
        webhook = await get_webhook(tx, scope, webhook_endpoint_id)
        found = await get_delivery(tx, scope, webhook.key, delivery_id)
        attempts = await list_attempts(tx, scope, webhook.key, [found.event.key])
        return delivery_text(found, attempts[found.event.key])

    return json_response(await services.database.fetch(read))


@router.post(
    "/deliveries/{delivery_id}/resend",
    operation_id="resendWebhookDelivery",
    response_model=WebhookDelivery,
    response_description="The delivery, which is tried again at once.",
)
async def resend_webhook_delivery(
    webhook_endpoint_id: WebhookIdOf, delivery_id: DeliveryIdOf, services: ServicesOf, scope: ScopeOf
) -> Response:
    """Deliver an event again, whatever became of it before; its id stays the same."""
    asked = await services.webhooks.resend(scope, webhook_endpoint_id, delivery_id)
    attempts = await services.database.fetch(
        lambda tx: list_attempts(tx, scope, asked.subscriber_key, [asked.event.key])
    )
    return json_response(delivery_text(asked, attempts[asked.event.key]))


@router.post(
    "/resend",
    operation_id="resendFailedWebhookDeliveries",
    response_model=ResentDeliveries,
    response_description="How many are delivered again.",
)
async def resend_failed_webhook_deliveries(
    webhook_endpoint_id: WebhookIdOf, services: ServicesOf, scope: ScopeOf
) -> Response:
    """Deliver all events again that were given up."""
    count = await services.webhooks.resend_failed(scope, webhook_endpoint_id)
    return json_response(jsontext.render({"resent": count}))
