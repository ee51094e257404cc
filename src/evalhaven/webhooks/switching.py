"""How a webhook is turned off and on again."""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.webhooks import OffReason, Webhook
from evalhaven.storage.deliveries import give_up_deliveries
from evalhaven.storage.webhooks import find_webhook, save_webhook


async def turn_off(
    tx: AsyncConnection, scope: ProjectScope, key: int, reason: OffReason, now: int, problem: str
) -> None:
    """Turn a webhook off if it is on: it is told of nothing any more, and what was due to it is given up.

    Args:
        tx: Open write transaction.
        scope: Whose webhook.
        key: Its internal number.
        reason: Why.
        now: Unix second.
        problem: Why deliveries to it are given up.
    """
    found = await find_webhook(tx, scope, key, for_update=True)
    if found is not None and found.off_since is None:
        await save_webhook(tx, scope, replace(found, off_since=now, off_reason=reason))
        await give_up_deliveries(tx, scope, key, problem)


def turned_on(webhook: Webhook) -> Webhook:
    """Return a webhook as it is once it is on: nothing has failed since."""
    return replace(webhook, off_since=None, off_reason=None, failing_since=None, problem="")
