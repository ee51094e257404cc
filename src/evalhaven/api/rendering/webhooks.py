"""Webhook endpoints and their deliveries on the wire."""

from collections.abc import Sequence
from typing import Any

from evalhaven.api.rendering.parts import shown_warnings
from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.webhooks import Attempt, Delivery, Webhook
from evalhaven.webhooks.endpoints import cautions_about


def webhook_text(webhook: Webhook, now: int, secret: str | None = None) -> str:
    """Return the JSON text of a webhook endpoint.

    Args:
        webhook: The webhook.
        now: Unix second.
        secret: What signs deliveries to it, to be shown this once.
    """
    until = webhook.previous_until
    document: JsonObject = {
        "id": webhook.id,
        "object": "webhook_endpoint",
        "created_at": webhook.created_at,
        "updated_at": webhook.updated_at,
        "name": webhook.name,
        "url": webhook.url,
        "event_types": list(webhook.event_types),
        "signing_secret_hint": webhook.secret_hint,
    }
    if secret is not None:
        document["signing_secret"] = secret
    document["evalhaven"] = {
        "format": webhook.format.value,
        "enabled": webhook.off_since is None,
        "state": webhook.state_at(now),
        "off_reason": None if webhook.off_reason is None else webhook.off_reason.value,
        "failing_since": webhook.failing_since,
        "last_delivered_at": webhook.last_delivered_at,
        "problem": webhook.problem or None,
        "old_secret_until": until if until is not None and until > now else None,
        "warnings": shown_warnings(cautions_about(webhook.event_types)),
    }
    return jsontext.render(document)


def delivery_text(delivery: Delivery, attempts: Sequence[Attempt]) -> str:
    """Return the JSON text of a delivery with its attempts."""
    event = delivery.event
    document: dict[str, Any] = {
        "id": delivery.id,
        "object": "webhook_delivery",
        "event": {
            "id": event.id,
            "type": event.type,
            "created_at": event.created_at,
            "run_id": event.object_id,
        },
        "status": delivery.status,
        "attempts": [
            {
                "at": each.at,
                "latency_ms": each.latency_ms,
                "status_code": each.status_code,
                "reply": each.reply,
                "problem": each.problem or None,
            }
            for each in attempts
        ],
        "next_attempt_at": delivery.due_at,
        "delivered_at": delivery.delivered_at,
        "problem": delivery.problem or None,
    }
    return jsontext.render(document)
