"""Webhooks and what tells them, for tests."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from evalhaven.domain.ids import IdFactory
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.domain.webhooks import SENT_EVENT_TYPES, Webhook, WebhookFormat
from evalhaven.runs.vault import Vault
from evalhaven.storage.database import Database
from evalhaven.webhooks.addresses import AddressRules, parse_networks
from evalhaven.webhooks.deliverer import Deliverer
from evalhaven.webhooks.endpoints import Webhooks
from evalhaven.webhooks.sender import Sender, SenderOptions
from evalhaven.wire.webhooks import PublicCreateEndpointBody
from tests.unit.domain.still_clock import StillClock


async def unnoted(_tx: object, _webhook: Webhook) -> None:
    """Write a change of a webhook down nowhere."""


ON_LOOPBACK = AddressRules(parse_networks("127.0.0.0/8"))
_NO_ID: Any = "whe_1"


def make_webhook(**changes: Any) -> Webhook:
    """Return a webhook that is not stored."""
    webhook = Webhook(
        id=_NO_ID,
        scope=DEFAULT_PROJECT,
        created_at=100,
        updated_at=100,
        name="hook",
        url="https://example.org/hook",
        event_types=SENT_EVENT_TYPES,
        format=WebhookFormat.STANDARD,
        sealed_secret=b"",
        secret_hint="",
    )
    return replace(webhook, **changes)


class Teller:
    """A server's part that tells webhooks, over a database that others may have written."""

    def __init__(self, database: Database, directory: Path, clock: StillClock, **options: Any) -> None:
        self.vault = Vault(directory / "secret.key")
        self.clock = clock
        rules = options.pop("rules", ON_LOOPBACK)
        self.sender = Sender(SenderOptions(rules, **options), self.vault, clock)
        self.deliverer = Deliverer(database, self.sender, clock, "https://evals.example.org")
        self.webhooks = Webhooks(database, IdFactory(clock), clock, self.vault, rules, self.sender, self.deliverer.wake)

    async def create(self, url: str, **more: Any) -> tuple[Webhook, str]:
        """Make a webhook for all that happens to runs; return it and its secret."""
        body = {"name": "hook", "url": url, "event_types": list(SENT_EVENT_TYPES), **more}
        return await self.webhooks.create(DEFAULT_PROJECT, PublicCreateEndpointBody.model_validate(body), unnoted)

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[None]:
        """Tell webhooks until the block ends."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.deliverer.serve)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def wait_until(self, is_so: Callable[[], bool | Awaitable[bool]], within_s: float = 30.0) -> None:
        """Have what is due looked for until something is so."""
        with anyio.fail_after(within_s):
            while True:
                found = is_so()
                if found if isinstance(found, bool) else await found:
                    return
                self.deliverer.wake()
                await anyio.sleep(0.02)
