"""Writes of output items, both of runs and imported ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.database import insert_new
from evalhaven.storage.output_items import item_values, list_stored_positions
from evalhaven.storage.tables import output_items


class StoredBeforeError(Exception):
    """Some of the items are stored already; the transaction must be rolled back."""


async def insert_output_items(
    tx: AsyncConnection,
    scope: ProjectScope,
    run_key: int,
    items: Sequence[OutputItem],
) -> Sequence[OutputItem]:
    """Store items of a run and return those that were new.

    An item already stored under (run, position, repeat) stays as it is and is not returned. So a chunk executed
    twice leaves the same rows, and so does a batch stored twice because the answer to its commit was lost. Call it
    with the run locked.

    Args:
        tx: Open write transaction.
        scope: Whose run.
        run_key: The run.
        items: Of any positions.
    """
    new = await find_new_items(tx, scope, run_key, items)
    if new:
        await insert_item_rows(tx, [item_values(scope, run_key, item) for item in new])
    return new


async def find_new_items(
    tx: AsyncConnection, scope: ProjectScope, run_key: int, items: Sequence[OutputItem]
) -> Sequence[OutputItem]:
    """Return the items that are not stored yet, each (position, repeat) once; call it with the run locked."""
    positions = [item.position for item in items]
    first = min(positions)
    stored = await list_stored_positions(tx, scope, run_key, first, max(positions) - first + 1)
    new: list[OutputItem] = []
    for item in items:
        if (item.position, item.repeat) not in stored:
            stored.add((item.position, item.repeat))
            new.append(item)
    return new


async def insert_item_rows(tx: AsyncConnection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Store items in the form of their rows, with the run locked.

    Raises:
        StoredBeforeError: An item is stored though none may be.
    """
    if await insert_new(tx, output_items, rows) != len(rows):
        raise StoredBeforeError
