"""The next part of a run's columns, read and made in one go: where the caller is, or in a process of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from sqlalchemy import URL

from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import ItemStatus
from evalhaven.reports.columns.form import PART_BYTES
from evalhaven.reports.columns.parts import KnownParts, Part, Stretch, head_of, known_parts
from evalhaven.reports.elsewhere import read_elsewhere
from evalhaven.storage.chunks import find_first_pending_position
from evalhaven.storage.evals import get_eval_by_key
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_columns import (
    ColumnsHead,
    ItemsState,
    find_columns_head,
    find_items_state,
    list_items_for_columns,
)
from evalhaven.storage.runs import get_run_by_key


@dataclass(frozen=True, slots=True)
class PreparedPart:
    """What is to be stored next of a run's columns.

    Attributes:
        number: The number of the part.
        columns: Its columns.
        head: How far the columns are with it; None if the run has no items that are not shown yet.
        items_version: The version of the items that the columns show then.
        is_last: Whether the columns are complete with it.
    """

    number: int
    columns: Mapping[str, bytes]
    head: ColumnsHead | None
    items_version: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class _Due:
    """What is made next, and what there is already.

    Attributes:
        before: Position before which all items of the run are stored; None if that is so of all positions.
    """

    run: Run
    state: ItemsState
    known: KnownParts
    stretch: Stretch
    before: int | None


async def is_part_due(tx: ReadTransaction, scope: ProjectScope, run_key: int, part_items: int) -> bool:
    """Tell whether there is anything to be made of a run now; arguments as for `prepare_part`."""
    return await _find_due(tx, scope, run_key, part_items) is not None


async def prepare_part(tx: ReadTransaction, scope: ProjectScope, run_key: int, part_items: int) -> PreparedPart | None:
    """Return the next part of a run's columns; None if nothing is to be made now.

    Of a run that goes on, only what stays as it is gets into a part: items of chunks that are done, as do all before.

    Args:
        tx: Open transaction.
        scope: Whose run.
        run_key: The run.
        part_items: Most items in a part; of a run that goes on, a part is made once there are half as many.
    """
    from evalhaven.reports.columns.making import ColumnMaker  # noqa: PLC0415 - loads numpy

    due = await _find_due(tx, scope, run_key, part_items)
    if due is None:
        return None
    run, known, stretch = due.run, due.known, due.stretch
    is_tail = stretch.until is None
    before = stretch.before
    if is_tail and due.before is not None and not run.status.is_final:
        before = (due.before, 0)
    rows = await list_items_for_columns(
        tx,
        scope,
        run_key,
        after=stretch.after,
        before=before,
        limit=part_items if is_tail else None,
        most_bytes=PART_BYTES if is_tail else None,
    )
    version = due.state.items_version
    if not rows:
        return PreparedPart(stretch.number, {}, None, version, is_last=True) if run.status.is_final else None
    parent = await get_eval_by_key(tx, scope, run.eval_key)
    maker = ColumnMaker(len(run.criteria(parent)), known.codes)
    columns = maker.make(rows)
    position, repeat = rows[-1].position, rows[-1].repeat
    is_whole = not is_tail or (run.imported is None and (due.before is None or position < due.before))
    has_errors = any(row.status == ItemStatus.ERROR for row in rows)
    part = Part(position, repeat, len(rows), due.state.edition, is_whole, has_errors)
    head = head_of(version, known.with_part(stretch.number, part), maker.codes)
    left = len(known.outdated) - (not is_tail)
    is_last = run.status.is_final and not left and head.items == due.state.items
    return PreparedPart(stretch.number, columns, head, version, is_last)


def prepare_part_elsewhere(url: URL, scope: ProjectScope, run_key: int, part_items: int) -> PreparedPart | None:
    """Do the same in a process that has nothing open; None also if the database cannot be used now.

    Args:
        url: The database.
        scope: Whose run.
        run_key: The run.
        part_items: As for `prepare_part`.
    """
    return read_elsewhere(url, partial(prepare_part, scope=scope, run_key=run_key, part_items=part_items))


async def _find_due(tx: ReadTransaction, scope: ProjectScope, run_key: int, part_items: int) -> _Due | None:
    state = await find_items_state(tx, scope, run_key)
    run = await get_run_by_key(tx, scope, run_key)
    known = known_parts(await find_columns_head(tx, scope, run_key), state)
    before = await find_first_pending_position(tx, scope, run_key)
    stretch = next(iter((*known.outdated_stretches, known.tail)))
    if not run.status.is_final and not _is_settled(run, stretch, before, part_items):
        return None
    return _Due(run, state, known, stretch, before)


def _is_settled(run: Run, stretch: Stretch, before: int | None, part_items: int) -> bool:
    """Tell whether a stretch of a run that goes on stays as it is, and is long enough."""
    if run.items_planned is None:
        return False
    if stretch.until is not None:
        return before is None or stretch.until.position < before
    if before is None:
        return False  # the run ends now
    first = 0 if stretch.after is None else stretch.after[0] + 1
    return (before - first) * run.repeats >= part_items // 2
