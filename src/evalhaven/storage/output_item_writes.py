"""Writes of output items, both of runs and imported ones."""

from collections.abc import Sequence

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.inserting import insert_new
from evalhaven.storage.output_items import ItemRow, item_values, list_stored_positions
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.tables import output_items


class StoredBeforeError(Exception):
    """Some of the items are stored already; the transaction must be rolled back."""


async def insert_output_items(
    tx: WriteTransaction, scope: ProjectScope, run_key: int, items: Sequence[OutputItem]
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
    rows = [item_values(scope, run_key, item) for item in items]
    new = await find_new_items(tx, scope, run_key, rows)
    await insert_item_rows(tx, scope, [rows[number] for number in new])
    return [items[number] for number in new]


async def find_new_items(
    tx: WriteTransaction, scope: ProjectScope, run_key: int, rows: Sequence[ItemRow]
) -> Sequence[int]:
    """Return which rows, by their index, are of items that are not stored yet, each position and repeat once.

    Call it with the run locked.
    """
    positions = [row["position"] for row in rows]
    first = min(positions)
    stored = await list_stored_positions(tx, scope, run_key, first, max(positions) - first + 1)
    new: list[int] = []
    for number, row in enumerate(rows):
        key = (row["position"], row["repeat"])
        if key not in stored:
            stored.add(key)
            new.append(number)
    return new


async def insert_item_rows(tx: WriteTransaction, scope: ProjectScope, rows: Sequence[ItemRow]) -> None:
    """Store items in the form of their rows, with the run locked.

    Raises:
        StoredBeforeError: An item is stored though none may be.
        ValueError: A row is one of another project.
    """
    if any(row["project_id"] != scope.project_id for row in rows):
        raise ValueError("A row of another project cannot be stored here.")
    if rows and await insert_new(tx, output_items, rows) != len(rows):
        raise StoredBeforeError
