"""Columns as arrays: read as they are stored or, for a run that has none yet and is small, made of its rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from evalhaven.domain.runs import Run
from evalhaven.reports.columns.form import FORM, PART_BYTES, PART_ITEMS
from evalhaven.reports.columns.making import ColumnMaker, column_type
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_columns import (
    find_columns_head,
    find_items_version,
    list_items_for_columns,
    read_columns,
)

SMALL_RUN_ITEMS = 20_000
"""How many items a run may have whose columns are made when they are asked for."""

Numbers = NDArray[Any]


class NoColumnsError(Exception):
    """The columns of a run are not there yet."""


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
        NoColumnsError: The run has too many items, and its columns are not made yet.
    """
    version, shown = await find_items_version(tx, run.scope, run.key)
    head = await find_columns_head(tx, run.scope, run.key) if version == shown else None
    wanted = list(_each(names, criteria_count))
    if head is not None and head.form == FORM:
        codes = cast("dict[str, Any]", head.codes)
        wanted += [f"field:{codes['names'].index(name)}" for name in fields if name in codes["fields"]]
        return _columns(codes, await read_columns(tx, run.scope, run.key, wanted))
    if run.tally.total > SMALL_RUN_ITEMS:
        raise NoColumnsError
    maker = ColumnMaker(criteria_count)
    made: list[Mapping[str, bytes]] = []
    last: tuple[int, int] | None = None
    while rows := await list_items_for_columns(tx, run.scope, run.key, last, PART_ITEMS, PART_BYTES):
        made.append(maker.make(rows))
        last = (rows[-1].position, rows[-1].repeat)
    codes = cast("dict[str, Any]", maker.codes)
    wanted += [f"field:{codes['names'].index(name)}" for name in fields if name in codes["fields"]]
    parts = {name: {number: part[name] for number, part in enumerate(made) if name in part} for name in wanted}
    return _columns(codes, parts)


def _each(names: Sequence[str], criteria_count: int) -> Sequence[str]:
    found: list[str] = []
    for name in names:
        of_criteria = name in ("outcome", "criterion_score", "label")
        found += [f"{name}:{number}" for number in range(criteria_count)] if of_criteria else [name]
    return found


def _columns(codes: Mapping[str, Any], parts: Mapping[str, Mapping[int, bytes]]) -> RunColumns:
    lengths: list[int] = codes["lengths"]
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
