"""How a run goes on, out of its row: what events about it say."""

from collections import deque
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Row

from evalhaven.domain import jsontext
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.runs import SANDBOX
from evalhaven.domain.statuses import ACTIVE_RUN_STATUSES, RunStatus
from evalhaven.reports.rates import shown_rate
from evalhaven.stats.rates import rate_of_repeated_counts
from evalhaven.storage.spending import spending_of
from evalhaven.wire.extension import RunBudget
from evalhaven.wire.overviews import RunCriterion, RunProblem, RunTokens
from evalhaven.wire.run_events import RunProgress

DELETED = "deleted"
_PACE_S = 30.0
_SHORTEST_PACE_S = 1.0
_ACTIVE = {RunStatus.QUEUED: 0, RunStatus.IN_PROGRESS: 1}
_RETRY = 4  # more than a status can lose by being queued again


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a run at one time.

    Attributes:
        revision: A number that only grows.
        status: The status of the run, or `deleted`.
        text: The data of an event, as JSON.
    """

    revision: int
    status: str
    text: str

    @property
    def is_final(self) -> bool:
        """Tell whether nothing more will happen, unless somebody asks for a retry."""
        return self.status not in ACTIVE_RUN_STATUSES


class Watched:
    """A run that somebody watches: what was last known of it, and how quickly it went on lately."""

    def __init__(self, criteria: Criteria) -> None:
        """Begin.

        Args:
            criteria: Its criteria.
        """
        self._criteria = [(criterion.name, criterion.type) for criterion in criteria]
        self._readings = deque[tuple[float, int]]()
        self._seen: Row[Any] | None = None
        self._progress: Progress | None = None

    @property
    def progress(self) -> Progress | None:
        """Return what was last known of it."""
        return self._progress

    def read(self, row: Row[Any] | None, now: float, loop_s: float) -> bool:
        """Take what is known now; return whether that is news.

        Args:
            row: The run as `storage.run_progress` lists it; None if it is deleted.
            now: Unix seconds.
            loop_s: Seconds on a clock that only goes forward.
        """
        if row is None:
            return self._note_deleted()
        items = row.passed + row.failed + row.errored
        self._readings.append((loop_s, items))
        while len(self._readings) > 2 and loop_s - self._readings[0][0] > _PACE_S:  # noqa: PLR2004 - both ends
            self._readings.popleft()
        if self._seen is not None and tuple(self._seen) == tuple(row):
            return False
        self._seen = row
        shown = self._shown(row, items, now)
        revision = row.items_version + _RETRY * row.times_retried + _ACTIVE.get(RunStatus(row.status), 2)
        self._progress = Progress(revision, row.status, jsontext.render(shown.model_dump()))
        return True

    def _note_deleted(self) -> bool:
        before = self._progress
        if before is None or before.status == DELETED:
            return False
        told = jsontext.parse(before.text)
        text = jsontext.render({**told, "status": DELETED}) if isinstance(told, dict) else before.text
        self._progress = Progress(before.revision + 1, DELETED, text)
        return True

    def _shown(self, row: Row[Any], items: int, now: float) -> RunProgress:
        is_final = RunStatus(row.status).is_final
        repeats = row.options["repeats"] if row.options and (row.model or row.source_run_key is not None) else 1
        spending = spending_of(row.spending)
        usage = spending.usage
        pace = None if is_final else self._pace(row, items, now)
        left = None if row.items_planned is None else max(0, row.items_planned - items)
        budget = None if row.options is None else row.options["budget"]
        flow = {key: value for key, value in cast("JsonObject", row.flow or {}).items() if key != SANDBOX}
        end = now if row.ended_at is None else row.ended_at
        tallies: list[list[int]] = row.criteria_tally or [[0, 0, 0]] * len(self._criteria)
        return RunProgress(
            run_id=row.public_id,
            status=row.status,
            items=items,
            items_planned=row.items_planned,
            passed=row.passed,
            failed=row.failed,
            errored=row.errored,
            partial=not is_final or (row.status != RunStatus.COMPLETED and left != 0),
            rate=shown_rate(rate_of_repeated_counts(row.passed, row.passed + row.failed, repeats)),
            criteria=[
                RunCriterion(
                    name=name,
                    type=kind,
                    passed=passed,
                    failed=failed,
                    errored=errored,
                    rate=shown_rate(rate_of_repeated_counts(passed, passed + failed, repeats)),
                )
                for (name, kind), (passed, failed, errored) in zip(self._criteria, tallies, strict=False)
            ],
            started_at=row.started_at,
            ended_at=row.ended_at,
            elapsed_s=None if row.started_at is None else round(max(0.0, end - row.started_at), 1),
            items_per_s=None if pace is None else round(pace, 2),
            seconds_left=None if not pace or left is None else round(left / pace, 1),
            tokens=RunTokens(
                prompt=sum(each.prompt_tokens for each in usage),
                completion=sum(each.completion_tokens for each in usage),
                total=sum(each.total_tokens for each in usage),
            ),
            cost=spending.cost() if usage else None,
            budget=None if budget is None else RunBudget(**budget),
            errors=dict(spending.errors),
            limiter=flow or None,
            error=None if row.error is None else RunProblem(code=row.error[0], message=row.error[1]),
        )

    def _pace(self, row: Row[Any], items: int, now: float) -> float | None:
        """Return items a second: those of the last half minute or, before anything was seen, since the start."""
        (first_s, first), (last_s, last) = self._readings[0], self._readings[-1]
        if last_s - first_s >= _SHORTEST_PACE_S:
            return (last - first) / (last_s - first_s)
        if row.started_at is None or row.times_retried or now - row.started_at < _SHORTEST_PACE_S:
            return None
        return items / (now - row.started_at)
