"""Columns as arrays: read as they are stored, and made of the rows for items that have none yet, if these are few."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from evalhaven.domain.runs import Run
from evalhaven.reports.columns.form import PART_BYTES, PART_ITEMS
from evalhaven.reports.columns.making import ColumnMaker, column_type
from evalhaven.reports.columns.parts import KnownParts, known_parts
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_columns import (
    find_columns_head,
    find_items_state,
    list_items_for_columns,
    read_columns,
)

SMALL_RUN_ITEMS = 20_000
"""How many items of a run may be without columns: these are made when they are asked for."""

Numbers = NDArray[Any]


class NoColumnsError(Exception):
    """The columns of too many items of a run are not there yet."""


@dataclass(frozen=True, slots=True)
class RunColumns:
    """The items of a run by column, in order of position and repeat.

    Attributes:
        count: Number of items.
        errors: Code and message of each number in the column `error`, from 1 on.
        labels: By criterion, the label of each number in the column `label:N`, from 1 on.
        fields: By field, the value of each number in its column, from 1 on.
        dropped: Fields with too many different values for a column.
        numbers: Number of each field, as in the name of its column.
    """

    count: int
    errors: Sequence[tuple[str, str]]
    labels: Mapping[int, Sequence[str]]
    fields: Mapping[str, Sequence[Any]]
    dropped: frozenset[str]
    numbers: Mapping[str, int]
    _parts: Mapping[str, Mapping[int, bytes]]
    _lengths: Sequence[int]

    def array(self, name: str) -> Numbers:
        """Return a column: `key`, `position`, `repeat`, `status`, `score`, `latency`, `tokens` or `error`."""
        kind = column_type(name)
        parts = self._parts[name]
        if len(parts) == len(self._lengths) == 1:
            return np.frombuffer(parts[0], kind)
        whole = np.zeros(self.count, kind)
        if name.startswith(("score", "criterion_score")):
            whole[:] = np.nan
        start = 0
        for number, length in enumerate(self._lengths):
            if number in parts:
                whole[start : start + length] = np.frombuffer(parts[number], kind)
            start += length
        return whole

    def outcome(self, criterion: int) -> Numbers:
        """Return the outcomes of a criterion."""
        return self.array(f"outcome:{criterion}")

    def criterion_score(self, criterion: int) -> Numbers:
        """Return the scores of a criterion; NaN where it has none."""
        return self.array(f"criterion_score:{criterion}")

    def label(self, criterion: int) -> Numbers:
        """Return the numbers of the labels that a criterion gave."""
        return self.array(f"label:{criterion}")

    def field(self, name: str) -> Numbers:
        """Return the numbers of the values of a field."""
        return self.array(f"field:{self.numbers[name]}")


async def load_columns(
    tx: ReadTransaction, run: Run, criteria_count: int, names: Sequence[str], fields: Sequence[str] = ()
) -> RunColumns:
    """Return some columns of a run.

    Args:
        tx: Open transaction.
        run: The run.
        criteria_count: Number of its criteria.
        names: Of the columns; `outcome`, `criterion_score` and `label` stand for those of every criterion.
        fields: Fields whose columns are wanted too, where there are any.

    Raises:
        NoColumnsError: Too many of its items have no columns yet.
    """
    state = await find_items_state(tx, run.scope, run.key)
    known = known_parts(await find_columns_head(tx, run.scope, run.key), state)
    maker = ColumnMaker(criteria_count, known.codes)
    lengths = {number: part.items for number, part in enumerate(known.parts)}
    made: dict[int, Mapping[str, bytes]] = {}
    if not known.is_complete:
        if state.items - known.items > SMALL_RUN_ITEMS:
            raise NoColumnsError
        async for number, rows in _items_not_shown(tx, run, known):
            lengths[number] = len(rows)
            made[number] = maker.make(rows)
    codes = cast("dict[str, Any]", maker.codes)
    wanted = list(_each(names, criteria_count))
    wanted += [f"field:{codes['names'].index(name)}" for name in fields if name in codes["fields"]]
    stored = await read_columns(tx, run.scope, run.key, wanted) if known.parts else {}
    parts = {
        name: {
            number: data
            for number, data in stored.get(name, {}).items()
            if number < len(known.parts) and number not in made
        }
        | {number: columns[name] for number, columns in made.items() if name in columns}
        for name in wanted
    }
    return _columns(codes, [lengths[number] for number in sorted(lengths)], parts)


async def _items_not_shown(
    tx: ReadTransaction, run: Run, known: KnownParts
) -> AsyncIterator[tuple[int, Sequence[Row[*tuple[Any, ...]]]]]:
    """Yield the items that no part shows as they are, each time with the number of a part for them."""
    items = partial(list_items_for_columns, tx, run.scope, run.key)
    for stretch in known.outdated_stretches:
        yield stretch.number, await items(after=stretch.after, before=stretch.before)
    number, after = known.tail.number, known.tail.after
    while rows := await items(after=after, limit=PART_ITEMS, most_bytes=PART_BYTES):
        yield number, rows
        number, after = number + 1, (rows[-1].position, rows[-1].repeat)


def _each(names: Sequence[str], criteria_count: int) -> Sequence[str]:
    found: list[str] = []
    for name in names:
        of_criteria = name in ("outcome", "criterion_score", "label")
        found += [f"{name}:{number}" for number in range(criteria_count)] if of_criteria else [name]
    return found


def _columns(codes: Mapping[str, Any], lengths: Sequence[int], parts: Mapping[str, Mapping[int, bytes]]) -> RunColumns:
    return RunColumns(
        count=sum(lengths),
        errors=[(code, message) for code, message in codes["errors"]],
        labels={int(number): texts for number, texts in codes["labels"].items()},
        fields=codes["fields"],
        dropped=frozenset(codes["dropped"]),
        numbers={name: number for number, name in enumerate(codes["names"])},
        _parts=parts,
        _lengths=lengths,
    )
