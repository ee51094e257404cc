"""Runs as rows, and rows as runs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.evals import Caution
from evalhaven.domain.ids import EvalId, FileId, RunId
from evalhaven.domain.run_options import DEFAULT_OPTIONS, Budget, RunOptions
from evalhaven.domain.runs import Regrading, RetryChoice, Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.tallies import CriterionTally, Tally
from evalhaven.storage.imports import imported_document
from evalhaven.storage.spending import spending_of, spending_values


def warning_values(warnings: Sequence[Caution]) -> list[list[str]]:
    """Return warnings as they are stored."""
    return [[caution.pointer, caution.message] for caution in warnings]


def error_values(error: ItemError | None) -> list[str] | None:
    """Return an error as it is stored."""
    return None if error is None else [error.code, error.message, error.origin]


def tally_values(tally: Tally) -> dict[str, Any]:
    """Return the columns of a tally."""
    criteria = tally.criteria
    return {
        "passed": tally.passed,
        "failed": tally.failed,
        "errored": tally.errored,
        "unresolved": tally.unresolved,
        "criteria_tally": None if criteria is None else [[each.passed, each.failed, each.errored] for each in criteria],
        "spending": spending_values(tally.spending),
    }


def tally_of(row: Row[*tuple[Any, ...]]) -> Tally:
    """Return the tally in a row."""
    criteria = row.criteria_tally
    return Tally(
        passed=row.passed,
        failed=row.failed,
        errored=row.errored,
        unresolved=row.unresolved,
        criteria=None if criteria is None else tuple(CriterionTally(*counts) for counts in criteria),
        spending=spending_of(row.spending),
    )


def regrading_values(regrading: Regrading | None) -> dict[str, Any] | None:
    """Return what is stored of a regrading, apart from the key of the run that it grades again."""
    if regrading is None:
        return None
    values = asdict(regrading)
    del values["source_key"]
    return values


def _regrading(source_key: int | None, values: dict[str, Any] | None) -> Regrading | None:
    if source_key is None or values is None:
        return None
    return Regrading(
        source_key, RunId(values["run_id"]), RunStatus(values["status"]), values["times_retried"], values["origin"]
    )


def choice_values(choice: RetryChoice | None) -> dict[str, Any] | None:
    """Return as it is stored which errored items a retry executes again."""
    if choice is None:
        return None
    return {"messages": sorted(choice.messages), "items": [list(key) for key in sorted(choice.items)]}


def _choice(values: dict[str, Any] | None) -> RetryChoice | None:
    if values is None:
        return None
    items = frozenset((position, repeat) for position, repeat in values["items"])
    return RetryChoice(frozenset(values["messages"]), items)


def option_values(options: RunOptions) -> dict[str, Any] | None:
    """Return options as they are stored; None if all have their defaults."""
    return None if options == DEFAULT_OPTIONS else asdict(options)


def _options(values: dict[str, Any] | None) -> RunOptions:
    if values is None:
        return DEFAULT_OPTIONS
    budget = values["budget"]
    return RunOptions(
        repeats=values["repeats"],
        cache=values["cache"],
        max_concurrency=values["max_concurrency"],
        extra_body=values["extra_body"],
        budget=None if budget is None else Budget(**budget),
        labels=tuple(values["labels"]),
        strict=values.get("strict", False),
    )


def run_of(row: Row[Any]) -> Run:
    """Return the run from a row of `runs` that includes the id of its eval."""
    return Run(
        id=RunId(row.public_id),
        eval_id=EvalId(row.eval_id),
        eval_key=row.eval_key,
        scope=ProjectScope(row.project_id),
        created_at=row.created_at,
        name=row.name,
        model=row.model,
        metadata=row.metadata,
        data_source=DataSource(row.data_source),
        has_inline_rows=row.has_inline_rows,
        file_id=None if row.file_id is None else FileId(row.file_id),
        status=RunStatus(row.status),
        error=None if row.error is None else ItemError(*row.error),
        tally=tally_of(row),
        items_planned=row.items_planned,
        started_at=row.started_at,
        ended_at=row.ended_at,
        warnings=[Caution(*pair) for pair in row.warnings],
        imported=imported_document(row.imported_document),
        options=_options(row.options),
        flow=row.flow,
        key=row.key,
        times_retried=row.times_retried,
        regrading=_regrading(row.source_run_key, row.regrading),
        own_criteria=None if row.testing_criteria is None else Criteria(row.testing_criteria),
        source_bytes=row.source_bytes,
        evaluated_by=row.evaluated_by,
        deaths=row.deaths,
        retry_choice=_choice(row.retry_choice),
        format=row.format,
        traceparent=row.traceparent,
    )
