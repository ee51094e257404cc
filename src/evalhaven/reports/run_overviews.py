"""Overviews of runs: figures by criterion, tokens and cost, and what changed since the run before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.paging import PAGE_BYTES
from evalhaven.domain.run_setups import RunSetup, criteria_digest, setup_of
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.spending import Spending
from evalhaven.reports.figures import shown_rate
from evalhaven.reports.overviews import point_values, repeats_of
from evalhaven.stats.rates import rate_of_repeated_counts
from evalhaven.storage.evals import list_criteria
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_overviews import (
    Part,
    RunFilter,
    can_have,
    find_last_run_before,
    read_setups,
    take_runs,
)
from evalhaven.storage.spending import spending_of
from evalhaven.storage.versions import list_line
from evalhaven.wire.overviews import RunCriterion, RunOverview, RunTokens

PARTS: tuple[Part, ...] = ("active", "ended")
Place = tuple[Part, tuple[int, str] | None]
"""Where a page begins: in which part of the list, and after which run."""


@dataclass(frozen=True, slots=True)
class _Found:
    row: Row[Any]
    source: DataSource
    setup: RunSetup
    spending: Spending
    part: Part
    own_criteria: Criteria | None


@dataclass(frozen=True, slots=True)
class _Earlier:
    id: str
    eval_key: int
    setup: RunSetup


async def read_run_overviews(
    tx: ReadTransaction, scope: ProjectScope, wanted: RunFilter, place: Place, limit: int, now: int
) -> tuple[list[RunOverview], Place | None]:
    """Return a page of runs and, if others follow, where the next page begins.

    Args:
        tx: Open transaction.
        scope: Whose runs.
        wanted: Which of them.
        place: Where the page begins.
        limit: Most runs.
        now: Unix second.
    """
    found, has_more = await _find(tx, scope, wanted, place, limit)
    on_page = {each.row.key: each.setup for each in found}
    before_it = {each.row.key: await _previous_key(tx, scope, each.row) for each in found}
    previous = {key for key in before_it.values() if key is not None}
    parents = {each.row.key: int(each.row.eval_key) for each in found}
    names = {each.row.key: each.row.public_id for each in found}
    earlier = {key: _Earlier(names[key], parents[key], on_page[key]) for key in previous & on_page.keys()}
    if rest := sorted(previous - on_page.keys()):
        earlier |= await read_setups(
            tx, scope, rest, lambda row: _Earlier(str(row.public_id), int(row.eval_key), _setup(row))
        )
    of_evals = await list_criteria(
        tx, scope, {*(each.row.eval_key for each in found), *(each.eval_key for each in earlier.values())}
    )
    digests = {key: criteria_digest(criteria) for key, criteria in of_evals.items()}
    shown: list[RunOverview] = []
    for each in found:
        previous_key = before_it[each.row.key]
        before = None if previous_key is None else earlier.get(previous_key)
        changed: list[str] = []
        if before is not None:
            changed = each.setup.changed_since(before.setup, digests[each.row.eval_key], digests[before.eval_key])
        criteria = each.own_criteria or of_evals[each.row.eval_key]
        shown.append(
            RunOverview(
                **point_values(each.row),
                **_more_values(each, now),
                criteria=_criteria(each.row, criteria),
                previous_run=None if before is None else before.id,
                changed=changed,  # pyright: ignore[reportArgumentType] - checked by the model
            )
        )
    last = found[-1] if found and has_more else None
    return shown, None if last is None else (last.part, (last.row.created_at, last.row.public_id))


async def _previous_key(tx: ReadTransaction, scope: ProjectScope, row: Row[Any]) -> int | None:
    """Return the run before; before an eval's first one that is the last of the evals that it follows."""
    if row.previous_key is not None or row.eval_follows is None:
        return row.previous_key
    line = await list_line(tx, scope, row.eval_key)
    return await find_last_run_before(tx, scope, line[1:], (row.created_at, row.public_id))


async def _find(
    tx: ReadTransaction, scope: ProjectScope, wanted: RunFilter, place: Place, limit: int
) -> tuple[list[_Found], bool]:
    found: list[_Found] = []
    has_more = False
    size = 0
    for part in PARTS[PARTS.index(place[0]) :]:

        def take(row: Row[Any], part: Part = part) -> bool:
            nonlocal has_more, size
            has_more = len(found) == limit or size > PAGE_BYTES
            if not has_more:
                found.append(_found(row, part))
                size += len(row.data_source)
            return not has_more

        if not has_more and can_have(wanted, part):
            await take_runs(tx, scope, wanted, (part, place[1] if part == place[0] else None), take)
    return found, has_more


def _found(row: Row[Any], part: Part) -> _Found:
    own = None if row.testing_criteria is None else Criteria(row.testing_criteria)
    return _Found(row, DataSource(row.data_source), _setup(row), spending_of(row.spending), part, own)


def _setup(row: Row[Any]) -> RunSetup:
    return setup_of(
        DataSource(row.data_source),
        None if row.testing_criteria is None else Criteria(row.testing_criteria),
        spending_of(row.spending),
        model=row.model,
        source_bytes=row.source_bytes,
        extra_body=None if row.options is None else row.options["extra_body"],
    )


def _more_values(found: _Found, now: int) -> dict[str, Any]:
    row, spending = found.row, found.spending
    source = found.source.json.get("source")
    kind = source.get("type") if isinstance(source, dict) else None
    usage = spending.usage
    return {
        "eval_id": row.eval_id,
        "eval_name": row.eval_name,
        "eval_version": row.eval_version,
        "metadata": row.metadata,
        "data_source": str(found.source.json.get("type")),
        "source": kind if isinstance(kind, str) else None,
        "file_id": row.file_id,
        "repeats": repeats_of(row),
        "started_at": row.started_at,
        "duration_s": None if row.started_at is None else max(0, (row.ended_at or now) - row.started_at),
        "times_retried": row.times_retried,
        "regraded_from": None if row.regrading is None else row.regrading["run_id"],
        "imported": row.imported_at is not None,
        "pinned": row.pinned_at is not None,
        "tokens": RunTokens(
            prompt=sum(each.prompt_tokens for each in usage),
            completion=sum(each.completion_tokens for each in usage),
            total=sum(each.total_tokens for each in usage),
        ),
        "cost": spending.cost() if usage else None,
        "cost_target": spending.cost("target") if usage else None,
        "cost_judge": spending.cost("judge") if usage else None,
        "errors": dict(spending.errors),
    }


def _criteria(row: Row[Any], criteria: Criteria) -> list[RunCriterion]:
    tallies: Sequence[Sequence[int]] = row.criteria_tally or [[0, 0, 0]] * len(criteria)
    repeats = repeats_of(row)
    return [
        RunCriterion(
            name=criterion.name,
            type=criterion.type,
            passed=passed,
            failed=failed,
            errored=errored,
            rate=shown_rate(rate_of_repeated_counts(passed, passed + failed, repeats)),
        )
        for criterion, (passed, failed, errored) in zip(criteria, tallies, strict=False)
    ]
