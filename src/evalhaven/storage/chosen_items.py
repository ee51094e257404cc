"""A query for output items that were chosen by their keys, whole."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.scopes import ProjectScope
from evalhaven.storage.keyset import Query
from evalhaven.storage.output_items import ITEM_COLUMNS, output_item_of
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import output_items

FEWEST = 16
"""As many items are read at once however large they are."""

_IN_PARTS = {"yield_per": 8}
_AT: Query = select(*ITEM_COLUMNS).where(
    output_items.c.run_key == bindparam("run_key"),
    output_items.c.project_id == bindparam("project_id"),
    output_items.c.position.in_(bindparam("positions", expanding=True)),
    output_items.c.repeat.in_(bindparam("repeats", expanding=True)),
)


async def read_chosen_items(
    tx: ReadTransaction, scope: ProjectScope, run_key: int, keys: Sequence[tuple[int, int]], most_chars: int
) -> tuple[list[OutputItem], int]:
    """Return the items of a run at the first of these (position, repeat) keys, in their order, and how many keys.

    It is all keys unless their items have more characters; then it is the first `FEWEST`. Items that are gone are left
    out.
    """
    found = await _read_at(tx, scope, run_key, keys, None if len(keys) <= FEWEST else most_chars)
    if found is None:
        keys = keys[:FEWEST]
        found = await _read_at(tx, scope, run_key, keys, None)
    by_key = found or {}
    return [by_key[key] for key in keys if key in by_key], len(keys)


async def _read_at(
    tx: ReadTransaction, scope: ProjectScope, run_key: int, keys: Sequence[tuple[int, int]], most_chars: int | None
) -> dict[tuple[int, int], OutputItem] | None:
    """Return the items at these keys; None if they have too many characters."""
    values = {
        "run_key": run_key,
        "project_id": scope.project_id,
        "positions": sorted({position for position, _ in keys}),
        "repeats": sorted({repeat for _, repeat in keys}),
    }
    wanted, size = set(keys), 0
    found: dict[tuple[int, int], OutputItem] = {}
    async with tx.stream(_AT, values, execution_options=_IN_PARTS) as rows:
        async for row in rows:
            if (row.position, row.repeat) not in wanted:
                continue
            found[row.position, row.repeat] = output_item_of(row)
            size += sum(len(value) for value in row if isinstance(value, str))
            if most_chars is not None and size > most_chars:
                return None
    return found
