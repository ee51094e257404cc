"""The body of a webhook: an event as the hosted API sends it, and under `evalhaven` what leads on from there."""

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.runs import report_url
from evalhaven.domain.webhooks import Event, Webhook, WebhookFormat
from evalhaven.webhooks.chats import chat_message, chat_test
from evalhaven.webhooks.facts import RunFacts


def body_of(webhook: Webhook, event: Event, facts: RunFacts | None, base_url: str) -> bytes:
    """Return what a webhook is sent of an event.

    Args:
        webhook: Who is told.
        event: Of what.
        facts: What there is to say of its run; None if that is deleted.
        base_url: Where users reach this server.
    """
    url = None if facts is None else report_url(base_url, facts.run)
    if webhook.format is not WebhookFormat.STANDARD:
        return _encoded(chat_message(webhook.format, event, facts, url))
    data: JsonObject = {"id": event.object_id}
    if facts is not None:
        data["evalhaven"] = {"eval_id": facts.run.eval_id, "report_url": url}
    return _envelope(event.id, event.type, event.created_at, data)


def sample_body_of(webhook: Webhook, event_type: str, event_id: str, at: int) -> bytes:
    """Return what a webhook is sent as a test: nothing happened, and what it names does not exist."""
    if webhook.format is not WebhookFormat.STANDARD:
        return _encoded(chat_test(webhook.format, webhook.name))
    kind = event_type.rpartition(".")[0].replace(".", "")
    return _envelope(event_id, event_type, at, {"id": f"{kind}_test", "evalhaven": {"test": True}})


def _envelope(event_id: str, event_type: str, at: int, data: JsonObject) -> bytes:
    return _encoded({"object": "event", "id": event_id, "type": event_type, "created_at": at, "data": data})


def _encoded(document: JsonValue) -> bytes:
    return jsontext.render(document).encode()
