"""Webhooks: who is told of events over HTTP, and how far the delivery of each event has come."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256

from evalhaven.domain.ids import WebhookId
from evalhaven.domain.scopes import ProjectScope

WEBHOOK_PREFIX = "whe_"
SENT_EVENT_TYPES = ("eval.run.succeeded", "eval.run.failed", "eval.run.canceled")
"""The types of the events that happen here."""
FAILING_AFTER_S = 600
GRACE_S = 24 * 3600
"""For how long the secret before the last still signs, if that was asked for."""
_HASH_DIGITS = 24
_DELIVERY_ID = re.compile(r"wh_([0-9a-f]{8})[0-9a-f]{24}")


class WebhookFormat(StrEnum):
    """What a webhook is sent: the event, or a message about it in the form that a chat shows."""

    STANDARD = "standard"
    SLACK = "slack"
    TEAMS = "teams"


class OffReason(StrEnum):
    """Why a webhook is off."""

    USER = "user"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address that is told of a project's events.

    Attributes:
        key: Internal number of its subscription; 0 before it is stored.
        created_at: Unix second.
        updated_at: Unix second of the last change of its configuration or secret.
        url: Where it is told; may be a secret itself.
        event_types: The types of events it is told of, as asked for.
        sealed_secret: What signs deliveries, encrypted.
        secret_hint: What is shown of the secret.
        previous_secret: The secret before, encrypted; None if it signs no more.
        previous_until: Unix second until which that one signs, too.
        off_since: Unix second since which it is told of nothing; None while it is on.
        off_reason: Why; None while it is on.
        failing_since: Unix second of the first of the attempts that failed in a row; None if the last one did not.
        last_delivered_at: Unix second at which an event last arrived.
        problem: Why the last attempt failed; "" if it did not.
    """

    id: WebhookId
    scope: ProjectScope
    created_at: int
    updated_at: int
    name: str
    url: str = field(repr=False)
    event_types: tuple[str, ...]
    format: WebhookFormat
    sealed_secret: bytes = field(repr=False)
    secret_hint: str
    previous_secret: bytes | None = field(default=None, repr=False)
    previous_until: int | None = None
    off_since: int | None = None
    off_reason: OffReason | None = None
    failing_since: int | None = None
    last_delivered_at: int | None = None
    problem: str = ""
    key: int = 0

    @property
    def told_of(self) -> tuple[str, ...]:
        """Return the types of the events that it is told of now."""
        return () if self.off_since is not None else self.event_types

    def state_at(self, now: int) -> str:
        """Return `off`, `failing` if nothing has arrived for some time though it was tried, else `ok`."""
        if self.off_since is not None:
            return "off"
        return "failing" if self.failing_since is not None and now - self.failing_since >= FAILING_AFTER_S else "ok"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an object of a project."""

    key: int
    type: str
    object_id: str
    created_at: int

    @property
    def id(self) -> str:
        """Return `evt_` and 32 hex digits, the first 8 of which are its second; always the same for an event."""
        return f"evt_{self.created_at:08x}{_digits(f'{self.key} {self.type} {self.object_id}')}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for one subscriber: to be delivered, delivered, or given up.

    Attributes:
        subscriber_key: Internal number of the subscriber.
        attempts: How many times delivery was tried since it was last asked for.
        due_at: Unix second of the next attempt; None: there will be none.
        delivered_at: Unix second at which it arrived.
        problem: Why the last attempt failed; "" if it did not.
        tried_since: Unix second of the first of these attempts.
    """

    scope: ProjectScope
    subscriber_key: int
    event: Event
    attempts: int
    due_at: int | None
    delivered_at: int | None
    problem: str
    tried_since: int | None = None

    @property
    def id(self) -> str:
        """Return `wh_` and 32 hex digits: the same for each attempt, and another one for each subscriber."""
        return f"wh_{self.event.created_at:08x}{_digits(f'{self.event.id} {self.subscriber_key}')}"

    @property
    def status(self) -> str:
        """Return `delivered`, `failed` if it was given up, `retrying`, or `pending` before the first attempt."""
        if self.delivered_at is not None:
            return "delivered"
        if self.due_at is None:
            return "failed"
        return "retrying" if self.attempts else "pending"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to deliver an event.

    Attributes:
        at: Unix second at which it began.
        latency_ms: How long it took.
        status_code: What the receiver answered; None if it did not.
        reply: The beginning of the answer.
        problem: Why it failed; "" if it did not.
    """

    at: int
    latency_ms: int
    status_code: int | None
    reply: str
    problem: str


def second_of_delivery(delivery_id: str) -> int | None:
    """Return the Unix second of the event that the id of a delivery stands for; None if it is no such id."""
    match = _DELIVERY_ID.fullmatch(delivery_id)
    return None if match is None else int(match[1], 16)


def _digits(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_HASH_DIGITS]
