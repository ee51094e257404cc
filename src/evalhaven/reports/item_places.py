"""Where an item stands: its neighbours within a choice, and the same item in other runs of its eval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Row

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Run
from evalhaven.reports.columns.making import column_type
from evalhaven.reports.item_choice import ChosenItems
from evalhaven.reports.item_rows import RowMaker
from evalhaven.storage.eval_overviews import list_newest_runs, read_columns_of_runs
from evalhaven.storage.item_previews import (
    ItemPreview,
    find_runs_with_item_at,
    list_previews_at,
    list_previews_in_runs,
)
from evalhaven.storage.reading import ReadTransaction

_OTHER_RUNS = 20
_MOST_LOOKED_THROUGH = 1_000_000
_NAMES = ("key", "position")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The place of an item within a choice, and the items beside it; all None if it is not part of the choice."""

    rank: int | None = None
    total: int | None = None
    previous: str | None = None
    next: str | None = None


async def find_neighbours(tx: ReadTransaction, run: Run, chosen: ChosenItems, item: OutputItem) -> Neighbours:
    """Return the place of an item within a choice.

    Args:
        tx: Open transaction.
        run: The run.
        chosen: Items of it.
        item: One of the run.
    """
    rank = chosen.rank_of(item.position, item.repeat)
    if rank is None:
        return Neighbours(total=len(chosen))
    first = max(0, rank - 1)
    keys = chosen.keys(first, rank + 2)
    ids = {(each.position, each.repeat): each.id for each in await list_previews_at(tx, run.scope, run.key, keys)}
    found = [ids.get(key) for key in keys]
    at = rank - first
    return Neighbours(rank, len(chosen), found[at - 1] if at else None, found[at + 1] if at + 1 < len(found) else None)


async def find_elsewhere(
    tx: ReadTransaction, run: Run, item: OutputItem, maker: RowMaker
) -> tuple[list[JsonValue], bool]:
    """Return the samples of the same item in other runs of the eval, the newest first, and whether all were searched.

    Args:
        tx: Open transaction.
        run: The run.
        item: The item.
        maker: Makes previews of the answers.
    """
    others = [row for row in await list_newest_runs(tx, run.scope, run.eval_key, _OTHER_RUNS + 1) if row.key != run.key]
    others = others[:_OTHER_RUNS]
    keys = [row.key for row in others]
    # Most runs read the same rows in the same order.
    alike = await find_runs_with_item_at(tx, run.scope, keys, item.position, item.item_hash)
    positions = dict.fromkeys(alike, item.position)
    moved, is_complete = await _find_moved(tx, run, item, [row for row in others if row.key not in alike])
    positions |= moved
    samples: dict[int, list[ItemPreview]] = {}
    for each in await list_previews_in_runs(tx, run.scope, positions):
        samples.setdefault(each.run_key, []).append(each)
    shown: list[JsonValue] = []
    for row in others:
        told: JsonObject = {
            "run_id": row.public_id,
            "run_name": row.name,
            "model": row.model,
            "run_status": row.status,
            "created_at": row.created_at,
            "samples": [_sample(each, maker) for each in samples.get(row.key, ())],
        }
        shown.append(told)
    return shown, is_complete


def _sample(found: ItemPreview, maker: RowMaker) -> JsonObject:
    return {
        "id": found.id,
        "datasource_item_id": found.position,
        "repeat": found.repeat,
        "status": found.status.wire,
        "score": found.score,
        "output": maker.output(found),
    }


async def _find_moved(
    tx: ReadTransaction, run: Run, item: OutputItem, others: Sequence[Row[Any]]
) -> tuple[Mapping[int, int], bool]:
    """Return the position of the item in runs that have it elsewhere, and whether all of the runs were searched."""
    wanted: list[int] = []
    left = _MOST_LOOKED_THROUGH
    for row in others:
        items = row.passed + row.failed + row.errored
        if row.columns_version == row.items_version and items <= left:
            wanted.append(row.key)
            left -= items
    is_complete = len(wanted) == len(others)
    if not wanted:
        return {}, is_complete
    key = np.frombuffer(item.item_hash[:8], "<u8")[0]
    # Of several equal items, the second of one run is the second of the other.
    ordinal = 0
    found: dict[int, int] = {}
    columns = await read_columns_of_runs(tx, run.scope, [run.key, *wanted], _NAMES)
    own = columns.get(run.key, {})
    if len(own) == len(_NAMES):
        ordinal = int(np.count_nonzero(_positions_of(own, key) < item.position))
    else:
        is_complete = False
    for other in wanted:
        places = _positions_of(columns[other], key) if len(columns.get(other, ())) == len(_NAMES) else ()
        if ordinal < len(places):
            found[other] = int(places[ordinal])
    return found, is_complete


def _positions_of(pieces: Mapping[str, bytes], key: Any) -> Any:
    keys = np.frombuffer(pieces["key"], column_type("key"))
    positions = np.frombuffer(pieces["position"], column_type("position"))
    return np.unique(positions[keys == key])
