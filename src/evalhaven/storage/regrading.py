"""Queries on output items that are evaluated again: those to be graded again, and those that replace an errored one."""

from collections.abc import Collection, Sequence

from sqlalchemy import func, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.ids import is_id_text, pack_output_item_id, unpack_output_item_id
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import RetryChoice
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import ItemStatus
from evalhaven.storage.keyset import text_length
from evalhaven.storage.output_items import ITEM_COLUMNS, item_values, output_item_of
from evalhaven.storage.reading import ReadTransaction, WriteTransaction
from evalhaven.storage.samples import shown_message
from evalhaven.storage.tables import output_items

# A sum, so that the range of positions is looked up instead of all errors of the run.
_IS_ERRORED = output_items.c.status + 0 == ItemStatus.ERROR.value


async def replace_mended_items(
    tx: WriteTransaction, scope: ProjectScope, run_key: int, items: Sequence[OutputItem]
) -> list[tuple[OutputItem, OutputItem]]:
    """Write the items that mend an errored one at the same position and repeat; return these pairs, older item first.

    An item that is no better than the stored one changes nothing, nor does a batch that is written twice. Call it with
    the run locked.
    """
    newer = {(item.position, item.repeat): item for item in reversed(items)}
    positions = [item.position for item in items]
    query = select(*ITEM_COLUMNS).where(
        output_items.c.run_key == run_key,
        output_items.c.project_id == scope.project_id,
        output_items.c.position.between(min(positions), max(positions)),
        _IS_ERRORED,
    )
    rows = (await tx.execute(query)).all()
    found = [output_item_of(row) for row in rows if (row.position, row.repeat) in newer]
    pairs = [(older, newer[older.position, older.repeat]) for older in found]
    mended = [(older, item) for older, item in pairs if item.mends(older)]
    for _, item in mended:
        values = item_values(scope, run_key, item)
        of_item = [output_items.c[name] == values.pop(name) for name in ("run_key", "position", "repeat", "project_id")]
        await tx.execute(update(output_items).where(*of_item).values(values))
    return mended


async def list_errored_positions(
    tx: ReadTransaction,
    scope: ProjectScope,
    run_key: int,
    first: int,
    count: int,
    choice: RetryChoice | None = None,
) -> list[tuple[int, int]]:
    """Return (position, repeat) of the errored items in a range of positions of a run, in order.

    Args:
        tx: Open transaction.
        scope: Whose run.
        run_key: The run.
        first: The first position.
        count: Number of positions.
        choice: Which of them; None for all.
    """
    key = (output_items.c.position, output_items.c.repeat)
    needs_message = choice is not None and bool(choice.messages)
    more = (output_items.c.sample, output_items.c.grades) if needs_message else (literal(None), literal("[]"))
    query = select(*key, *more).where(
        output_items.c.run_key == run_key,
        output_items.c.project_id == scope.project_id,
        output_items.c.position.between(first, first + count - 1),
        _IS_ERRORED,
    )
    found: list[tuple[int, int]] = []
    for position, repeat, sample, grades in (await tx.execute(query.order_by(*key))).all():
        is_chosen = choice is None or (position, repeat) in choice.items
        if is_chosen or (choice is not None and needs_message and shown_message(sample, grades) in choice.messages):
            found.append((position, repeat))
    return found


async def find_unknown_messages(
    tx: ReadTransaction, scope: ProjectScope, run_key: int, messages: Collection[str]
) -> set[str]:
    """Return which of these messages no errored item of a run has."""
    missing = set(messages)
    query = select(output_items.c.sample, output_items.c.grades).where(
        output_items.c.run_key == run_key,
        output_items.c.project_id == scope.project_id,
        output_items.c.status == ItemStatus.ERROR.value,
    )
    async with tx.stream(query, execution_options={"yield_per": 64}) as rows:
        async for row in rows:
            if not missing:
                break
            missing.discard(shown_message(row.sample, row.grades))
    return missing


async def find_errored_keys(
    tx: AsyncConnection, scope: ProjectScope, run_key: int, item_ids: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Return position and repeat of those of these output items that are errored items of a run, by their ids."""
    query = select(output_items.c.public_id, output_items.c.position, output_items.c.repeat).where(
        output_items.c.run_key == run_key,
        output_items.c.project_id == scope.project_id,
        output_items.c.public_id.in_([pack_output_item_id(each) for each in item_ids if is_id_text(each)]),
        _IS_ERRORED,
    )
    rows = (await tx.execute(query)).all()
    return {unpack_output_item_id(row.public_id): (row.position, row.repeat) for row in rows}


async def list_position_sizes(
    tx: AsyncConnection, scope: ProjectScope, run_key: int, above: int, limit: int
) -> list[tuple[int, int, int]]:
    """Return the next positions of a run, each with the number of its items and their length in characters.

    Args:
        tx: Open transaction.
        scope: Whose run.
        run_key: The run.
        above: Return only larger positions; -1 for all.
        limit: The most positions to return.
    """
    length = text_length(output_items.c.item, output_items.c.input, output_items.c.sample)
    query = (
        select(output_items.c.position, func.count(), func.sum(length))
        .where(
            output_items.c.run_key == run_key,
            output_items.c.project_id == scope.project_id,
            output_items.c.position > above,
        )
        .group_by(output_items.c.position)
        .order_by(output_items.c.position)
        .limit(limit)
    )
    return [(position, count, int(size)) for position, count, size in (await tx.execute(query)).all()]


async def list_items_by_position(
    tx: AsyncConnection, scope: ProjectScope, run_key: int, keys: Sequence[tuple[int, int]], *, with_grades: bool
) -> list[OutputItem]:
    """Return the items of a run at these (position, repeat) keys, in order.

    Args:
        tx: Open transaction.
        scope: Whose run.
        run_key: The run.
        keys: In order, not empty.
        with_grades: Whether to read their grades too.
    """
    key = (output_items.c.position, output_items.c.repeat)
    wanted = set(keys)
    query = select(*ITEM_COLUMNS).where(
        output_items.c.run_key == run_key,
        output_items.c.project_id == scope.project_id,
        # The first condition lets the index be used, the others are for positions with many repeats.
        output_items.c.position.between(keys[0][0], keys[-1][0]),
        tuple_(*key) >= keys[0],
        tuple_(*key) <= keys[-1],
    )
    rows = (await tx.execute(query.order_by(*key))).all()
    return [output_item_of(row, with_grades=with_grades) for row in rows if (row.position, row.repeat) in wanted]


async def has_output_items(tx: AsyncConnection, scope: ProjectScope, run_key: int) -> bool:
    """Tell whether a run has any output item."""
    of_run = (output_items.c.run_key == run_key) & (output_items.c.project_id == scope.project_id)
    return (await tx.execute(select(output_items.c.position).where(of_run).limit(1))).one_or_none() is not None
