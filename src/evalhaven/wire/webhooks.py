"""Webhook endpoints: who is told of events over HTTP, and what became of it."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, WithJsonSchema

from evalhaven.wire.contract import OpenObject, UnixTime, WireModel, fault
from evalhaven.wire.extension import DocumentWarning

_NAME_CHARS = 256

ProjectEventTypeEnum = Literal[
    "batch.completed",
    "batch.failed",
    "batch.expired",
    "batch.cancelled",
    "response.completed",
    "response.failed",
    "response.cancelled",
    "response.incomplete",
    "eval.run.succeeded",
    "eval.run.failed",
    "eval.run.canceled",
    "fine_tuning.job.succeeded",
    "fine_tuning.job.failed",
    "fine_tuning.job.cancelled",
    "realtime.call.incoming",
    "video.completed",
    "video.failed",
    "agent.environment.ready",
    "agent.environment.failed",
    "agent.environment.suspended",
    "agent.environment.expired",
    "agent.session.created",
    "agent.session.action_required",
    "agent.session.in_progress",
    "agent.session.idle",
    "agent.session.failed",
    "safety.alert.created",
]
"""Types of events of the hosted API, of which only those of runs happen here."""
_KNOWN = frozenset(get_args(ProjectEventTypeEnum))


def _require_name(value: str) -> str:
    if not value.strip() or len(value) > _NAME_CHARS:
        raise fault(f"must have 1 to {_NAME_CHARS} characters, but has {len(value)}")
    return value


def _require_types(values: list[str]) -> list[str]:
    if not values:
        raise fault("must name at least one type of event, such as 'eval.run.succeeded'")
    for index, value in enumerate(values):
        if value not in _KNOWN:
            raise fault(
                f"is no type of event, but {value[:80]!r}; those that happen here are 'eval.run.succeeded', "
                "'eval.run.failed' and 'eval.run.canceled'",
                index,
            )
    return values


EndpointName = Annotated[
    str,
    AfterValidator(_require_name),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": _NAME_CHARS}),
]
EventTypes = Annotated[
    list[str],
    Field(fail_fast=True),
    AfterValidator(_require_types),
    WithJsonSchema({"type": "array", "minItems": 1, "items": {"type": "string", "enum": sorted(_KNOWN)}}),
]


class AskedOfWebhook(WireModel):
    """Ask of Evalhaven what the published contract has no word for."""

    format: Literal["standard", "slack", "teams"] | None = Field(
        default=None,
        description="What is sent: the event, or a message for an incoming webhook of Slack or Microsoft Teams. "
        "Without it, `standard`.",
    )
    enabled: bool | None = Field(default=None, description="Whether it is told of events. Without it, true.")


class PublicCreateEndpointBody(WireModel):
    """Ask to be told of events. Published schema PublicCreateEndpointBody."""

    name: EndpointName
    url: str
    event_types: EventTypes
    evalhaven: AskedOfWebhook | None = None


class PublicUpdateEndpointBody(WireModel):
    """Change a webhook endpoint. Published schema PublicUpdateEndpointBody."""

    name: EndpointName | None = None
    url: str | None = None
    event_types: EventTypes | None = None
    evalhaven: AskedOfWebhook | None = None


class RotateSecretBody(WireModel):
    """Replace the secret of a webhook endpoint."""

    keep_old_secret_active_for_24_hours: bool = False


class TestEndpointBody(WireModel):
    """Send an event that did not happen."""

    __test__ = False  # pytest would take it for a class of tests

    event_type: ProjectEventTypeEnum


class WebhookExtension(OpenObject):
    """Hold what Evalhaven tells of a webhook endpoint beyond the published contract."""

    format: str = Field(description="What is sent: `standard`, `slack` or `teams`.")
    enabled: bool = Field(description="Whether it is told of events.")
    state: str = Field(
        description="`ok`, `failing` if for 10 minutes every attempt has failed, or `off` if it is told of nothing."
    )
    off_reason: str | None = Field(
        description="Why it is off: `user`, or `gone` if it answered 410. Null while it is on."
    )
    failing_since: UnixTime | None = Field(
        description="When the first of the attempts began that have failed in a row. Null if the last one did not."
    )
    last_delivered_at: UnixTime | None = Field(description="When an event last arrived. Null if none has.")
    problem: str | None = Field(description="Why the last attempt failed. Null if it did not.")
    old_secret_until: UnixTime | None = Field(
        description="Until when the secret before signs, too. Null if there is none that does."
    )
    warnings: list[DocumentWarning] = Field(description="What has no effect in the webhook endpoint.")


class WebhookEndpointBody(OpenObject):
    """Show a webhook endpoint. Published schema WebhookEndpointBody."""

    id: str
    object: Literal["webhook_endpoint"]
    created_at: UnixTime
    updated_at: UnixTime
    name: str
    url: str
    event_types: list[str]
    signing_secret_hint: str | None
    evalhaven: WebhookExtension


class WebhookEndpointWithSecretResource(WebhookEndpointBody):
    """Show a webhook endpoint with its secret, this once. Published schema WebhookEndpointWithSecretResource."""

    signing_secret: str


class WebhookEndpointListResource(OpenObject):
    """Show a page of webhook endpoints. Published schema WebhookEndpointListResource."""

    object: Literal["list"]
    data: list[WebhookEndpointBody]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedWebhookEndpointResource(OpenObject):
    """Tell that a webhook endpoint is gone. Published schema DeletedWebhookEndpointResource."""

    id: str
    object: Literal["webhook_endpoint.deleted"]
    deleted: bool


class WebhookEndpointTestResultResource(OpenObject):
    """Show what a webhook endpoint answered. Published schema WebhookEndpointTestResultResource."""

    object: Literal["webhook_endpoint.test"]
    webhook_endpoint_id: str
    event_type: str
    status_code: int
    success: Literal[True]


class WebhookEventTypeListResource(OpenObject):
    """Show the types of events that happen here. Published schema WebhookEventTypeListResource."""

    object: Literal["list"]
    data: list[str]


class WebhookAttempt(OpenObject):
    """Show an attempt to deliver an event."""

    at: UnixTime = Field(description="When it began.")
    latency_ms: int = Field(description="How long it took until the answer began, or until it failed.")
    status_code: int | None = Field(description="What was answered. Null if nothing was.")
    reply: str = Field(description="The first 1,000 bytes of the answer.")
    problem: str | None = Field(description="Why it failed. Null if the event arrived.")


class WebhookEvent(OpenObject):
    """Show the event that is delivered."""

    id: str = Field(description="Its `id` in what is sent.")
    type: str = Field(description="Its type.")
    created_at: UnixTime = Field(description="When it happened.")
    run_id: str = Field(description="The run that ended.")


class WebhookDelivery(OpenObject):
    """Show how far the delivery of an event has come."""

    id: str = Field(description="The header `webhook-id` of each attempt.")
    object: Literal["webhook_delivery"] = Field(description="What this is.")
    event: WebhookEvent = Field(description="What is delivered.")
    status: Literal["pending", "retrying", "delivered", "failed"] = Field(
        description="`pending` before the first attempt, `retrying` while others follow, `delivered`, or `failed` if "
        "it was given up."
    )
    attempts: list[WebhookAttempt] = Field(description="What became of each attempt, the first one first.")
    next_attempt_at: UnixTime | None = Field(description="When it is tried next. Null if it is not.")
    delivered_at: UnixTime | None = Field(description="When it arrived. Null if it has not.")
    problem: str | None = Field(description="Why it has not arrived. Null if it has, or has not been tried.")


class WebhookDeliveryList(OpenObject):
    """Show a page of deliveries."""

    object: Literal["list"] = Field(description="What this is.")
    data: list[WebhookDelivery] = Field(description="The deliveries, newest event first.")
    first_id: str | None = Field(description="Id of the first one.")
    last_id: str | None = Field(description="Id of the last one: `after` of the next page.")
    has_more: bool = Field(description="Whether another page follows.")


class ResentDeliveries(OpenObject):
    """Tell how many deliveries are made again."""

    resent: int = Field(description="How many.")
