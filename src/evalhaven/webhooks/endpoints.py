"""What can be asked of webhooks: make, change, delete, rotate the secret, test, and deliver again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.clock import Clock
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Caution
from evalhaven.domain.ids import IdFactory, created_at_of
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.webhooks import (
    GRACE_S,
    SENT_EVENT_TYPES,
    Attempt,
    Delivery,
    Event,
    OffReason,
    Webhook,
    WebhookFormat,
)
from evalhaven.runs.vault import Vault, VaultError
from evalhaven.storage.database import Database
from evalhaven.storage.deliveries import ask_again, ask_for_failed, get_delivery
from evalhaven.storage.webhooks import count_webhooks, delete_webhook, get_webhook, insert_webhook, save_webhook
from evalhaven.webhooks.addresses import AddressRules
from evalhaven.webhooks.envelopes import sample_body_of
from evalhaven.webhooks.sender import Sender
from evalhaven.webhooks.signing import hint_of
from evalhaven.webhooks.switching import turn_off, turned_on
from evalhaven.wire.webhooks import PublicCreateEndpointBody, PublicUpdateEndpointBody

MOST_WEBHOOKS = 100
"""How many a project may have: each event is written once for each."""

Note = Callable[[AsyncConnection, Webhook], Awaitable[None]]
"""Notes a change of a webhook in the transaction that makes it."""


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Makes and changes webhooks.

    Attributes:
        rules: Where they may be.
        wake_deliverer: Tells the deliverer that something may be due.
    """

    database: Database
    ids: IdFactory
    clock: Clock
    vault: Vault
    rules: AddressRules
    sender: Sender
    wake_deliverer: Callable[[], None]

    async def create(self, scope: ProjectScope, body: PublicCreateEndpointBody, note: Note) -> tuple[Webhook, str]:
        """Make a webhook; return it with its secret, which nobody can read again.

        Raises:
            InvalidRequestError: Its URL may not be told, or the project has too many.
        """
        self.rules.check_url(body.url)
        asked = body.evalhaven
        webhook_id, secret = self.ids.new_webhook_id(), self.ids.new_signing_secret()
        at = created_at_of(webhook_id)
        is_off = asked is not None and asked.enabled is False
        new = Webhook(
            id=webhook_id,
            scope=scope,
            created_at=at,
            updated_at=at,
            name=body.name,
            url=body.url,
            event_types=_in_order(body.event_types),
            format=WebhookFormat.STANDARD if asked is None or asked.format is None else WebhookFormat(asked.format),
            sealed_secret=self._seal(secret),
            secret_hint=hint_of(secret),
            off_since=at if is_off else None,
            off_reason=OffReason.USER if is_off else None,
        )
        async with self.database.write() as tx:
            if await count_webhooks(tx, scope) >= MOST_WEBHOOKS:
                raise InvalidRequestError(
                    f"The project has {MOST_WEBHOOKS} webhook endpoints, and can have no more. Delete one that is not "
                    "needed.",
                    code="too_many_webhook_endpoints",
                )
            await insert_webhook(tx, scope, new)
            await note(tx, new)
        self.wake_deliverer()
        return new, secret

    async def update(self, scope: ProjectScope, webhook_id: str, body: PublicUpdateEndpointBody, note: Note) -> Webhook:
        """Change what a request names.

        Raises:
            InvalidRequestError: Its new URL may not be told.
            NotFoundError: There is no such webhook.
        """
        if body.url is not None:
            self.rules.check_url(body.url)
        asked, now = body.evalhaven, int(self.clock.now())
        async with self.database.write() as tx:
            found = await get_webhook(tx, scope, webhook_id, for_update=True)
            changed = replace(
                found,
                name=found.name if body.name is None else body.name,
                url=found.url if body.url is None else body.url,
                event_types=found.event_types if body.event_types is None else _in_order(body.event_types),
                format=found.format if asked is None or asked.format is None else WebhookFormat(asked.format),
            )
            if asked is not None and asked.enabled and found.off_since is not None:
                changed = turned_on(changed)
            if asked is not None and asked.enabled is False and found.off_since is None:
                await turn_off(tx, scope, found.key, OffReason.USER, now, "the webhook was turned off")
                changed = replace(changed, off_since=now, off_reason=OffReason.USER)
            if changed != found:
                changed = replace(changed, updated_at=now)
                await save_webhook(tx, scope, changed)
                await note(tx, changed)
        return changed

    async def delete(self, scope: ProjectScope, webhook_id: str, note: Note) -> Webhook:
        """Delete a webhook with its log; return it as it was.

        Raises:
            NotFoundError: There is no such webhook.
        """
        async with self.database.write() as tx:
            found = await get_webhook(tx, scope, webhook_id, for_update=True)
            await delete_webhook(tx, scope, found.key)
            await note(tx, found)
        return found

    async def rotate_secret(
        self, scope: ProjectScope, webhook_id: str, note: Note, *, keeps_old: bool
    ) -> tuple[Webhook, str]:
        """Replace the secret of a webhook; return it with the new one.

        Args:
            scope: Whose webhook.
            webhook_id: Its id.
            note: Notes the change.
            keeps_old: Whether the old secret signs beside the new one for a day.

        Raises:
            NotFoundError: There is no such webhook.
        """
        secret, now = self.ids.new_signing_secret(), int(self.clock.now())
        async with self.database.write() as tx:
            found = await get_webhook(tx, scope, webhook_id, for_update=True)
            changed = replace(
                found,
                updated_at=now,
                sealed_secret=self._seal(secret),
                secret_hint=hint_of(secret),
                previous_secret=found.sealed_secret if keeps_old else None,
                previous_until=now + GRACE_S if keeps_old else None,
            )
            await save_webhook(tx, scope, changed)
            await note(tx, changed)
        return changed, secret

    async def test(self, scope: ProjectScope, webhook_id: str, event_type: str) -> tuple[Webhook, Attempt]:
        """Send a webhook an event that did not happen; return what became of it, which is not in the log.

        Raises:
            InvalidRequestError: It does not answer at all.
            NotFoundError: There is no such webhook.
        """
        now = int(self.clock.now())
        async with self.database.read() as tx:
            found = await get_webhook(tx, scope, webhook_id)
        # Of no run, but named, so that the ids are made as those of all others are.
        event = Event(0, event_type, self.ids.new_request_id(), now)
        delivery = Delivery(scope, found.key, event, 0, None, None, "")
        attempt = await self.sender.send(found, delivery.id, sample_body_of(found, event_type, event.id, now))
        if attempt.status_code is None:
            raise InvalidRequestError(
                f"The webhook endpoint did not answer: {attempt.problem}.", param="url", code="webhook_unanswered"
            )
        return found, attempt

    async def resend(self, scope: ProjectScope, webhook_id: str, delivery_id: str) -> Delivery:
        """Deliver an event again, whatever became of it before.

        Raises:
            InvalidRequestError: The webhook is off.
            NotFoundError: There is no such webhook or delivery.
        """
        async with self.database.write() as tx:
            found = await get_webhook(tx, scope, webhook_id)
            _require_on(found)
            delivery = await get_delivery(tx, scope, found.key, delivery_id)
            await ask_again(tx, scope, delivery, int(self.clock.now()))
            asked = await get_delivery(tx, scope, found.key, delivery_id)
        self.wake_deliverer()
        return asked

    async def resend_failed(self, scope: ProjectScope, webhook_id: str) -> int:
        """Deliver all events again that were given up; return their number.

        Raises:
            InvalidRequestError: The webhook is off.
            NotFoundError: There is no such webhook.
        """
        async with self.database.write() as tx:
            found = await get_webhook(tx, scope, webhook_id)
            _require_on(found)
            count = await ask_for_failed(tx, scope, found.key, int(self.clock.now()))
        self.wake_deliverer()
        return count

    def _seal(self, secret: str) -> bytes:
        try:
            return self.vault.seal(secret)
        except VaultError as error:
            raise InvalidRequestError(
                f"No signing secret can be kept here: {error}. Whoever operates this server has to mend "
                "EVALHAVEN_SECRET_KEY, or the file secret.key.",
                code="secrets_unusable",
            ) from error


def cautions_about(event_types: tuple[str, ...]) -> list[Caution]:
    """Return what is to be said of types of events that are accepted but never happen here."""
    never = [each for each in event_types if each not in SENT_EVENT_TYPES]
    if not never:
        return []
    return [
        Caution(
            "/event_types",
            f"Events of the type {', '.join(map(repr, never))} do not happen here. Those that do: "
            f"{', '.join(SENT_EVENT_TYPES)}.",
        )
    ]


def _in_order(event_types: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(event_types))


def _require_on(webhook: Webhook) -> None:
    if webhook.off_since is not None:
        raise InvalidRequestError(
            f"The webhook endpoint {webhook.id!r} is off. Turn it on first: update it with "
            '{"evalhaven": {"enabled": true}}.',
            param="webhook_endpoint_id",
            code="webhook_off",
        )
