"""Writes of output items, both of runs and imported ones."""

from collections.abc import Sequence

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.database import insert_new
from evalhaven.storage.output_items import ItemRow, item_values, list_stored_positions
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.tables import output_items


class StoredBeforeError(Exception):
    """Some of the items are stored already; the transaction must be rolled back."""


async def insert_output_items(
    tx: WriteTransaction,
    scope: ProjectScope,
    run_key: int,
    items: Sequence[OutputItem],
    *,
    rows: Sequence[ItemRow] | None = None,
    may_be_stored: bool = True,
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
        rows: What `item_values` returns for each of them; None: they are made here, while the transaction is open.
        may_be_stored: Whether to look first; without that it is an error if one is stored.

    Raises:
        StoredBeforeError: An item is stored though none may be.
    """
    if rows is None:
        rows = [item_values(scope, run_key, item) for item in items]
    if not may_be_stored:
        if await insert_new(tx, output_items, rows) != len(items):
            raise StoredBeforeError
        return items
    positions = [item.position for item in items]
    first = min(positions)
    stored = await list_stored_positions(tx, scope, run_key, first, max(positions) - first + 1)
    new: list[OutputItem] = []
    new_rows: list[ItemRow] = []
    for item, row in zip(items, rows, strict=True):
        if (item.position, item.repeat) not in stored:
            stored.add((item.position, item.repeat))
            new.append(item)
            new_rows.append(row)
    if new and await insert_new(tx, output_items, new_rows) != len(new):
        raise RuntimeError("output items were stored by somebody else meanwhile: the run was not locked")
    return new
