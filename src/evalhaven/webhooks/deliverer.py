"""Delivers what is due: takes it from the outbox, has it sent, and records what became of it.

A delivery is claimed before it is sent, so that of several servers one sends it. A claim ends by itself: what a server
had under way when it died is sent again by whoever is up, with the same id. One that is slow holds up its own
deliveries only, since each webhook has few under way at once and nobody waits for them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
import structlog
from anyio.abc import TaskGroup

from evalhaven.domain.clock import Clock
from evalhaven.domain.scopes import EngineScope
from evalhaven.domain.webhooks import Attempt, Delivery, OffReason, Webhook
from evalhaven.storage.database import Database, is_unavailable
from evalhaven.storage.deliveries import claim_deliveries, drop_delivery, list_due_webhooks, save_attempt
from evalhaven.storage.webhooks import find_webhook, has_webhooks, save_arrival, save_problem
from evalhaven.webhooks.envelopes import body_of
from evalhaven.webhooks.facts import RunFacts, find_facts
from evalhaven.webhooks.schedule import next_attempt_at
from evalhaven.webhooks.sender import GONE, TIMEOUT_S, Sender
from evalhaven.webhooks.switching import turn_off

MOST_AT_ONCE = 128
MOST_OF_ONE = 4
"""Deliveries under way at once: of all webhooks, and of one."""
CLAIMED_S = round(TIMEOUT_S) + 20
_LOOK_S = 1.0
_IDLE_S = 5.0
_TROUBLE_S = 5.0

_GONE = "it answered 410 Gone, so the webhook is off"


@dataclass(frozen=True, slots=True)
class _Claimed:
    """A delivery that this server makes, to whom, and what there is to say."""

    delivery: Delivery
    webhook: Webhook
    facts: RunFacts | None


class Deliverer:
    """Tells webhooks of what happened, as long as it serves."""

    def __init__(self, database: Database, sender: Sender, clock: Clock, base_url: str) -> None:
        """Look at nothing yet.

        Args:
            database: Where the outbox is.
            sender: Makes the attempts.
            clock: The time.
            base_url: Where users reach this server.
        """
        self._database = database
        self._sender = sender
        self._clock = clock
        self._base_url = base_url
        self._under_way: Counter[int] = Counter()
        self._wake = anyio.Event()
        self._log = structlog.get_logger("evalhaven.webhooks")

    def wake(self) -> None:
        """Look at once: something may be due."""
        self._wake.set()

    @property
    def under_way(self) -> int:
        """Return how many deliveries are under way."""
        return self._under_way.total()

    async def serve(self) -> None:
        """Deliver what is due, and look for more every second, until canceled."""
        async with self._sender, anyio.create_task_group() as tasks:
            while True:
                self._wake = anyio.Event()
                pause_s = await self._look(tasks)
                with anyio.move_on_after(pause_s):
                    await self._wake.wait()

    async def _look(self, tasks: TaskGroup) -> float:
        """Begin to deliver what is due; return the seconds until it is time to look again."""
        try:
            # Not read in a thread, which would go on after the server has ended.
            async with self._database.read() as tx:
                if not await has_webhooks(tx, EngineScope()):
                    return _IDLE_S
                busy = {key for key, count in self._under_way.items() if count >= MOST_OF_ONE}
                due = await list_due_webhooks(tx, EngineScope(), int(self._clock.now()), busy)
            for each in await self._claim(due):
                self._under_way[each.webhook.key] += 1
                tasks.start_soon(self._deliver, each)
        except Exception as error:
            # What is due stays due.
            if not is_unavailable(error):
                self._log.exception("deliveries_not_looked_for")
            return _TROUBLE_S
        return _LOOK_S

    async def _claim(self, due: Sequence[int]) -> list[_Claimed]:
        """Return what this server delivers now to webhooks to which something is due."""
        free, now = MOST_AT_ONCE - self.under_way, int(self._clock.now())
        if not due or free <= 0:
            return []
        claimed: list[_Claimed] = []
        async with self._database.write() as tx:
            # Those that have nothing under way first: slow ones do not take all there is.
            for key in sorted(due, key=lambda each: self._under_way[each]):
                most = min(MOST_OF_ONE - self._under_way[key], free - len(claimed))
                if most <= 0:
                    break
                for delivery in await claim_deliveries(tx, EngineScope(), key, now, now + CLAIMED_S, most):
                    webhook = await find_webhook(tx, delivery.scope, key)
                    if webhook is None or delivery.event.type not in webhook.told_of:
                        await drop_delivery(tx, delivery.scope, delivery)
                        continue
                    facts = await find_facts(tx, delivery.scope, delivery.event.object_id)
                    claimed.append(_Claimed(delivery, webhook, facts))
        return claimed

    async def _deliver(self, claimed: _Claimed) -> None:
        delivery, webhook = claimed.delivery, claimed.webhook
        try:
            body = body_of(webhook, delivery.event, claimed.facts, self._base_url)
            attempt = await self._sender.send(webhook, delivery.id, body)
            await self._record(delivery, webhook, attempt)
        except Exception as error:
            # It is due again when its claim ends.
            if not is_unavailable(error):
                self._log.exception("delivery_not_recorded", webhook=webhook.id, delivery=delivery.id)
        finally:
            self._under_way[webhook.key] -= 1
            if not self._under_way[webhook.key]:
                del self._under_way[webhook.key]
            self.wake()

    async def _record(self, delivery: Delivery, webhook: Webhook, attempt: Attempt) -> None:
        now = int(self._clock.now())
        async with self._database.write() as tx:
            # What an address says counts for no other that the webhook has been given meanwhile.
            current = await find_webhook(tx, delivery.scope, webhook.key, for_update=True)
            is_gone = attempt.status_code == GONE and current is not None and current.url == webhook.url
            due_at = None if is_gone else next_attempt_at(delivery, now)
            is_news = await save_attempt(tx, delivery.scope, delivery, attempt, due_at)
            if not attempt.problem:
                await save_arrival(tx, delivery.scope, webhook.key, attempt.at)
            elif is_news:
                await save_problem(tx, delivery.scope, webhook.key, attempt.problem, attempt.at)
            if is_gone:
                await turn_off(tx, delivery.scope, webhook.key, OffReason.GONE, now, _GONE)
        tell: Callable[..., None] = self._log.info if not attempt.problem else self._log.warning
        event = "webhook_told" if not attempt.problem else "webhook_not_told"
        tell(
            event,
            webhook=webhook.id,
            delivery=delivery.id,
            status=attempt.status_code,
            latency_ms=attempt.latency_ms,
            **({"reason": attempt.problem, "due_at": due_at} if attempt.problem else {}),
        )
