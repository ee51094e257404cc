"""Queries on output items that are shown beside those of another run: what was answered and decided, nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import bindparam, select

from evalhaven.domain import jsontext
from evalhaven.domain.ids import OutputItemId, unpack_output_item_id
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import ItemStatus
from evalhaven.storage.keyset import Query
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.samples import error_of, said_in
from evalhaven.storage.tables import output_items

_KEY = (output_items.c.position, output_items.c.repeat)
_OF_RUN: Query = (
    select(
        *_KEY,
        output_items.c.public_id,
        output_items.c.status,
        output_items.c.score,
        output_items.c.item,
        output_items.c.sample,
        output_items.c.grades,
    )
    .where(output_items.c.run_key == bindparam("run_key"), output_items.c.project_id == bindparam("project_id"))
    .order_by(*_KEY)
)
_AT = _OF_RUN.where(output_items.c.position.in_(bindparam("positions", expanding=True)))
_BETWEEN = _OF_RUN.where(output_items.c.position.between(bindparam("first"), bindparam("last")))


@dataclass(frozen=True, slots=True)
class ShortGrade:
    """What a criterion said; without a score if it erred, or if it says nothing of the item."""

    score: float | None
    passed: bool | None
    error: ItemError | None


@dataclass(frozen=True, slots=True)
class ShortItem:
    """What is shown of an output item beside another.

    Attributes:
        id: Public id.
        position: 0-based index of the item in its source.
        repeat: 0-based number of the repetition.
        status: Its status.
        score: Mean score of the criteria; None without one.
        item_text: The item as the user wrote it, JSON text.
        output_text: What was answered; None without an answer.
        error: The error of the sample, else of a grade; None without one.
        grades: What each criterion said, in order.
    """

    id: OutputItemId
    position: int
    repeat: int
    status: ItemStatus
    score: float | None
    item_text: str
    output_text: str | None
    error: ItemError | None
    grades: Sequence[ShortGrade]


async def list_short_items(
    tx: ReadTransaction, scope: ProjectScope, run_key: int, positions: Sequence[int]
) -> list[ShortItem]:
    """Return the items of a run at these positions, which are in order and not empty, by position and repeat."""
    first, last = positions[0], positions[-1]
    query, values = _AT, cast("dict[str, Any]", {"positions": positions})
    if last - first + 1 == len(positions):
        query, values = _BETWEEN, {"first": first, "last": last}
    of_run: Mapping[str, Any] = {"run_key": run_key, "project_id": scope.project_id}
    return [_item_of(row) for row in (await tx.execute(query, {**values, **of_run})).all()]


def _item_of(row: Sequence[Any]) -> ShortItem:
    position, repeat, public_id, status, score, item_text, sample_text, grades_text = row
    output_text, error = (None, None) if sample_text is None else said_in(sample_text)
    grades = [_grade_of(*values) for values in cast("list[list[Any]]", jsontext.parse(grades_text))]
    if error is None:
        error = next((grade.error for grade in grades if grade.error is not None), None)
    item_id = unpack_output_item_id(public_id)
    return ShortItem(item_id, position, repeat, ItemStatus(status), score, item_text, output_text, error, grades)


def _grade_of(score: float, passed: bool, more: Mapping[str, Any] | None = None) -> ShortGrade:
    if more is not None and "absent" in more:
        return ShortGrade(None, None, None)
    error = None if more is None else error_of(more.get("error"))
    return ShortGrade(score, passed, None) if error is None else ShortGrade(None, None, error)
