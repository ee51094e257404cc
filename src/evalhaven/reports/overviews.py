"""Overviews of evals: their last runs, the last rate, and how it changed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from evalhaven.domain.evals import Eval
from evalhaven.domain.paging import Order
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.reports.changes import change_between, items_of_pieces
from evalhaven.reports.figures import shown_rate
from evalhaven.reports.pairing import RunItems
from evalhaven.stats.rates import Rate, rate_of_repeated_counts
from evalhaven.storage.eval_overviews import (
    EvalFilter,
    EvalSort,
    FoundEval,
    count_runs,
    find_evals,
    list_eval_rows,
    list_recent_runs,
    read_columns_of_runs,
)
from evalhaven.storage.evals import eval_of
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire.overviews import CriterionName, EvalOverview, LastRate, RateChange, RunPoint, RunProblem

_SHOWN_CRITERIA = 20
_PAIRED_ITEMS = 20_000
"""Most items of runs whose items are paired for a list: more would make it slow."""

_NAMES = ("key", "position", "status")


async def read_overviews(
    tx: ReadTransaction,
    scope: ProjectScope,
    wanted: EvalFilter,
    sort: tuple[EvalSort, Order],
    after: tuple[int, str] | None,
    limit: int,
) -> tuple[list[EvalOverview], FoundEval | None]:
    """Return a page of evals and, if others follow, its last one.

    Whatever the number of evals and runs, the same few statements are executed.

    Args:
        tx: Open transaction.
        scope: Whose evals.
        wanted: Which of them.
        sort: By what they are sorted, and in which order.
        after: The place of the last eval of the page before.
        limit: Most evals.
    """
    found, has_more = await find_evals(tx, scope, wanted, sort, after, limit)
    keys = [each.key for each in found]
    if not keys:
        return [], None
    counts = await count_runs(tx, scope, keys)
    recent = await list_recent_runs(tx, scope, keys)
    items = await _items(tx, scope, recent.values())
    shown: dict[int, EvalOverview] = {}
    for row in await list_eval_rows(tx, scope, keys):
        parent = eval_of(row)
        shown[parent.key] = _overview(parent, counts.get(parent.key, 0), recent.get(parent.key, []), items)
    return [shown[key] for key in keys], found[-1] if has_more else None


def rate_of_point(row: Row[Any]) -> Rate:
    """Return the rate of a run by its counts."""
    return rate_of_repeated_counts(row.passed, row.passed + row.failed, repeats_of(row))


def repeats_of(row: Row[Any]) -> int:
    """Return how many samples each item of a run has; repeats of a run that neither samples nor regrades are void."""
    has_repeats = bool(row.options) and (bool(row.model) or row.source_run_key is not None)
    return max(row.options["repeats"] if has_repeats else 1, row.samples_found or 1)


def point_values(row: Row[Any]) -> dict[str, Any]:
    """Return what a `RunPoint` is made of."""
    items = row.passed + row.failed + row.errored
    status = RunStatus(row.status)
    is_whole = status.is_final and (row.items_planned is not None or status is RunStatus.COMPLETED)
    error = row.error
    return {
        "id": row.public_id,
        "name": row.name,
        "model": row.model,
        "status": row.status,
        "created_at": row.created_at,
        "ended_at": row.ended_at,
        "items": items,
        "items_planned": row.items_planned,
        "passed": row.passed,
        "failed": row.failed,
        "errored": row.errored,
        "rate": shown_rate(rate_of_point(row)),
        "partial": not is_whole or (row.items_planned is not None and items < row.items_planned),
        "error": None if error is None else RunProblem(code=error[0], message=error[1]),
    }


def _overview(parent: Eval, run_count: int, recent: Sequence[Row[Any]], items: Mapping[int, RunItems]) -> EvalOverview:
    points = [RunPoint(**point_values(row)) for row in recent]
    completed = _completed(recent)
    last = completed[0] if completed else None
    change = None
    if len(completed) > 1:
        after, before = completed[:2]
        paired_by, difference = change_between(
            (rate_of_point(before), items.get(before.key)), (rate_of_point(after), items.get(after.key))
        )
        change = RateChange(
            run_id=after.public_id, baseline_id=before.public_id, paired_by=paired_by, difference=difference
        )
    criteria = parent.testing_criteria
    return EvalOverview(
        id=parent.id,
        name=parent.name,
        data_source=str(parent.data_source_config.json.get("type")),
        metadata=parent.metadata,
        created_at=parent.created_at,
        updated_at=parent.updated_at,
        imported=parent.imported is not None,
        version=parent.version,
        follows=parent.follows,
        criteria=[CriterionName(name=each.name, type=each.type) for each in criteria[:_SHOWN_CRITERIA]],
        criteria_count=len(criteria),
        runs=run_count,
        last_run=points[0] if points else None,
        last_rate=None if last is None else LastRate(run_id=last.public_id, rate=shown_rate(rate_of_point(last))),
        change=change,
        recent=points[::-1],
    )


def _completed(recent: Sequence[Row[Any]]) -> list[Row[Any]]:
    return [row for row in recent if row.status == RunStatus.COMPLETED]


async def _items(
    tx: ReadTransaction, scope: ProjectScope, of_evals: Iterable[Sequence[Row[Any]]]
) -> dict[int, RunItems]:
    """Return the items of the runs that are compared, as far as they can be paired quickly."""
    wanted: list[int] = []
    for recent in of_evals:
        pair = _completed(recent)[:2]
        if len(pair) == 2 and all(map(_can_be_paired, pair)):  # noqa: PLR2004 - a pair
            wanted += [row.key for row in pair]
    if not wanted:
        return {}
    columns = await read_columns_of_runs(tx, scope, wanted, _NAMES)
    return {key: items_of_pieces(each) for key, each in columns.items() if len(each) == len(_NAMES)}


def _can_be_paired(row: Row[Any]) -> bool:
    items = row.passed + row.failed + row.errored
    return row.columns_version == row.items_version and 0 < items <= _PAIRED_ITEMS
