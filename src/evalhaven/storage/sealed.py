"""The columns that hold what the vault has sealed, and the one query that seals all of it again."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import run_secrets, webhooks

SEALED_COLUMNS = (run_secrets.c.sealed, webhooks.c.sealed_secret, webhooks.c.previous_secret)
"""Every column of sealed values; whoever keeps secrets in another one adds it here."""


@dataclass(frozen=True, slots=True)
class Resealed:
    """What became of sealed values.

    Attributes:
        changed: How many were sealed again.
        unchanged: How many did not need it.
        unreadable: How many could not be opened.
    """

    changed: int = 0
    unchanged: int = 0
    unreadable: int = 0


async def find_sealed(tx: ReadTransaction, _scope: EngineScope) -> list[bytes]:
    """Return all sealed values."""
    found: list[bytes] = []
    for column in SEALED_COLUMNS:
        found += (await tx.execute(select(column).where(column.is_not(None)))).scalars().all()
    return found


async def reseal_all(
    tx: AsyncConnection, _scope: EngineScope, reseal: Callable[[bytes], bytes | None], errors: type[Exception]
) -> Resealed:
    """Replace sealed values, and return how many there were.

    Args:
        tx: Open write transaction.
        reseal: Returns what replaces a value; None leaves it as it is.
        errors: What it raises if it cannot open one.
    """
    changed = unchanged = unreadable = 0
    for column in SEALED_COLUMNS:
        keys = list(column.table.primary_key.columns)
        query = select(*keys, column.label("sealed")).where(column.is_not(None)).order_by(*keys).with_for_update()
        for row in (await tx.execute(query)).all():
            try:
                value = reseal(row.sealed)
            except errors:
                unreadable += 1
                continue
            if value is None:
                unchanged += 1
                continue
            found = [key == part for key, part in zip(keys, row, strict=False)]
            await tx.execute(update(column.table).where(*found).values({column.name: value}))
            changed += 1
    return Resealed(changed, unchanged, unreadable)
