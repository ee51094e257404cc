"""The report of a run, computed from its columns and its tally."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Eval
from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import ItemStatus
from evalhaven.reports.agreement import agreement_of
from evalhaven.reports.columns.loading import SMALL_RUN_ITEMS, NoColumnsError, Numbers, RunColumns, load_columns
from evalhaven.reports.columns.making import ERRORED, FAILED, PASSED
from evalhaven.reports.figures import shown_rate, shown_scores, shown_spread
from evalhaven.reports.gaps import gaps_of
from evalhaven.stats.rates import Rate, rate_of_counts, rate_of_repeated_counts
from evalhaven.stats.repeats import rate_of_repeats, summarize_repeats
from evalhaven.storage.reading import ReadTransaction
from evalhaven.wire.reports import (
    ReportAgreement,
    ReportBreakdown,
    ReportCriterion,
    ReportError,
    ReportField,
    ReportGap,
    ReportGroup,
    ReportLabel,
    ReportRepeat,
    ReportRepeats,
    ReportSpread,
    ReportUsage,
    RunReport,
)

_ALWAYS = ("position", "status")
_NAMES = (*_ALWAYS, "latency", "tokens", "error", "outcome", "criterion_score", "label")
_Loading = Callable[..., Awaitable[RunColumns]]
_MOST_ERRORS = 100
_MOST_UNSTABLE = 100
_DEFAULT_KS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class ReportQuestion:
    """What a report is asked for beyond what every report has.

    Attributes:
        by: Fields to break it down by.
        ks: Numbers of samples for pass@k and pass^k; by default 1, 5 and 10 as far as there are so many.
        criterion: Name of the criterion whose labels are compared with `reference`.
        reference: Field that holds the right labels.
    """

    by: Sequence[str] = ()
    ks: Sequence[int] = ()
    criterion: str | None = None
    reference: str | None = None


async def compute_report(
    tx: ReadTransaction, run: Run, parent: Eval, question: ReportQuestion, *, is_piecemeal: bool = False
) -> RunReport:
    """Compute the report of a run from all of its items.

    Args:
        tx: Open transaction.
        run: The run.
        parent: Its eval.
        question: What is asked for.
        is_piecemeal: Whether to read the columns one after another, for a run whose columns together are too large.

    Raises:
        InvalidRequestError: A field or criterion that is named does not exist or cannot be used so.
    """
    count = len(run.criteria(parent))
    fields = [*question.by, *([] if question.reference is None else [question.reference])]
    try:
        columns = await load_columns(tx, run, count, _ALWAYS if is_piecemeal else _NAMES, fields)
    except NoColumnsError:
        _refuse_without_columns(question)
        return _without_columns(run, parent)

    async def load(*names: str) -> RunColumns:
        return await load_columns(tx, run, count, names) if is_piecemeal else columns

    return await _Reporter(run, parent, columns, question, load).report()


def _refuse_without_columns(question: ReportQuestion) -> None:
    if question.by or question.reference is not None:
        raise InvalidRequestError(
            "The items of this run are still being prepared for reports. Ask again in a moment, or leave 'by' and "
            "'reference' out.",
            param="by" if question.by else "reference",
            code="report_not_ready",
        )


class _Reporter:
    """Computes one report; columns that it needs only once are loaded then."""

    def __init__(self, run: Run, parent: Eval, columns: RunColumns, question: ReportQuestion, load: _Loading) -> None:
        self._run = run
        self._parent = parent
        self._columns = columns
        self._question = question
        self._load = load
        self._status = columns.array("status")
        self._position = columns.array("position")
        # An imported run does not say how many samples its items have.
        self._is_repeated = run.samples_of_item > 1 or not np.diff(self._position).all()

    async def report(self) -> RunReport:
        """Return the report."""
        passed, failed, errored = _counts(self._status)
        repeats, rate = self._repeats(), rate_of_counts(passed, passed + failed)
        if self._is_repeated:
            rate = rate_of_repeats(self._by_item().get(0, {}))
        criteria = [await self._criterion(number) for number in range(len(self._run.criteria(self._parent)))]
        report = _report_of(
            self._run,
            self._parent,
            counts=(passed, failed, errored),
            rate=rate,
            criteria=criteria,
            errors=await self._errors(),
            latency_ms=await self._spread("latency", 0),
            tokens=await self._spread("tokens", 1),
            repeats=repeats,
            fields=self._fields(),
            breakdowns=[self._breakdown(name) for name in self._question.by],
            gaps=[],
        )
        return report.model_copy(update={"gaps": gaps_of(self._run, report, is_repeated=self._is_repeated)})

    async def _spread(self, name: str, least: int) -> ReportSpread | None:
        values = (await self._load(name)).array(name)
        return shown_spread(values[values >= least])

    async def _criterion(self, number: int) -> ReportCriterion:
        criterion = self._run.criteria(self._parent)[number]
        columns = await self._load(*(f"{kind}:{number}" for kind in ("outcome", "criterion_score", "label")))
        outcome = columns.outcome(number)
        counts = np.bincount(outcome, minlength=ERRORED + 1)
        passed, failed = int(counts[PASSED]), int(counts[FAILED])
        rate = rate_of_counts(passed, passed + failed)
        if self._is_repeated:
            rate = rate_of_repeats(self._by_item(outcome).get(0, {}))
        known = columns.labels.get(number, ())
        labels = np.bincount(columns.label(number), minlength=len(known) + 1) if known else ()
        shown = [ReportLabel(label=label, items=int(count)) for label, count in zip(known, labels[1:], strict=True)]
        return ReportCriterion(
            name=criterion.name,
            type=criterion.type,
            passed=passed,
            failed=failed,
            errored=int(counts[ERRORED]),
            rate=shown_rate(rate),
            scores=shown_scores(columns.criterion_score(number), self._position if self._is_repeated else None),
            labels=sorted(shown, key=lambda each: -each.items),
            agreement=self._agreement(columns, number, criterion.name),
        )

    def _agreement(self, columns: RunColumns, number: int, name: str) -> ReportAgreement | None:
        field = self._question.reference
        if field is None or self._question.criterion not in (None, name):
            return None
        given = columns.labels.get(number)
        if given is None:
            if self._question.criterion is not None:
                raise InvalidRequestError(
                    f"The criterion {name!r} gives no labels, so it cannot be compared with a reference.",
                    param="criterion",
                    code="invalid_value",
                )
            return None
        self._require_field(field, "reference")
        return agreement_of(
            field,
            (self._columns.fields[field], self._columns.field(field)),
            (given, columns.label(number)),
            self._position if self._is_repeated else None,
        )

    async def _errors(self) -> list[ReportError]:
        numbers = (await self._load("error")).array("error")
        counts = np.bincount(numbers, minlength=len(self._columns.errors) + 1)
        found: list[ReportError] = []
        for number in np.argsort(-counts[1:], kind="stable")[:_MOST_ERRORS] + 1:
            if not counts[number]:
                break
            code, message = self._columns.errors[int(number) - 1]
            first = self._position[np.argmax(numbers == number)]
            found.append(ReportError(code=code, message=message, items=int(counts[number]), first_item=str(first)))
        return found

    def _by_item(
        self, outcome: Numbers | None = None, groups: Numbers | None = None
    ) -> dict[int, dict[tuple[int, int], int]]:
        """Return for each group how many items have each number of samples with a result, and of these that passed.

        Args:
            outcome: Outcomes of a criterion; None for all together.
            groups: The group of each sample, the same for all samples of an item; None: all are in group 0.
        """
        if outcome is None:
            passed, known = self._status == ItemStatus.PASS, self._status != ItemStatus.ERROR
        else:
            passed, known = outcome == PASSED, (outcome == PASSED) | (outcome == FAILED)
        starts = np.flatnonzero(np.diff(self._position, prepend=-1))
        if not len(starts):
            return {}
        samples = np.add.reduceat(known.astype(np.int64), starts)
        passes = np.add.reduceat((passed & known).astype(np.int64), starts)
        width = int(samples.max()) + 1
        of_group = 0 if groups is None else groups[starts].astype(np.int64) * width * width
        found: dict[int, dict[tuple[int, int], int]] = {}
        for each, count in zip(*np.unique(of_group + samples * width + passes, return_counts=True), strict=True):
            group, pair = divmod(int(each), width * width)
            if pair >= width:  # others have no sample with a result
                found.setdefault(group, {})[divmod(pair, width)] = int(count)
        return found

    def _repeats(self) -> ReportRepeats | None:
        if not self._is_repeated:
            return None
        counts = self._by_item().get(0, {})
        most = max((samples for samples, _ in counts), default=0)
        ks = self._question.ks or [k for k in _DEFAULT_KS if k <= most]
        passed = self._status == ItemStatus.PASS
        failed = self._status == ItemStatus.FAIL
        starts = np.flatnonzero(np.diff(self._position, prepend=-1))
        unstable: Any = ()
        if len(starts):
            mixed = (np.add.reduceat(passed.astype(np.int64), starts) > 0) & (
                np.add.reduceat(failed.astype(np.int64), starts) > 0
            )
            unstable = self._position[starts[mixed]]
        by_k: list[ReportRepeat] = []
        for k in ks:
            summary = summarize_repeats(counts, k)
            by_k.append(
                ReportRepeat(
                    k=k,
                    items=summary.items,
                    # Those without any result are not among the counts.
                    left_out=len(starts) - summary.items,
                    at_least_one=shown_rate(summary.at_least_one),
                    all_of_them=shown_rate(summary.all_of_them),
                )
            )
        return ReportRepeats(
            items=sum(count for (samples, _), count in counts.items() if samples > 1),
            unstable=len(unstable),
            unstable_items=[str(position) for position in unstable[:_MOST_UNSTABLE]],
            by_k=by_k,
        )

    def _fields(self) -> list[ReportField]:
        columns = self._columns
        return [
            ReportField(name=name, values=None if name in columns.dropped else len(columns.fields[name]))
            for name in columns.numbers
        ]

    def _breakdown(self, name: str) -> ReportBreakdown:
        self._require_field(name, "by")
        values = self._columns.fields[name]
        counts = np.bincount(
            self._columns.field(name).astype(np.int64) * 3 + self._status, minlength=3 * len(values) + 3
        )
        groups: list[ReportGroup] = []
        by_item = self._by_item(groups=self._columns.field(name)) if self._is_repeated else {}
        for number, value in enumerate([None, *values]):
            failed, passed, errored = (int(count) for count in counts[3 * number : 3 * number + 3])
            if passed + failed + errored:
                rate = rate_of_counts(passed, passed + failed)
                if self._is_repeated:
                    rate = rate_of_repeats(by_item.get(number, {}))
                groups.append(
                    ReportGroup(
                        value=value,
                        items=passed + failed + errored,
                        passed=passed,
                        failed=failed,
                        errored=errored,
                        rate=shown_rate(rate),
                    )
                )
        groups.sort(key=lambda group: -group.items)
        return ReportBreakdown(field=name, values=len(values), groups=groups)

    def _require_field(self, name: str, param: str) -> None:
        columns = self._columns
        if name in columns.fields:
            return
        if name in columns.dropped:
            reason = f"The field {name!r} has more than 200 different values, or long ones."
        else:
            known = ", ".join(map(repr, columns.fields)) or "none"
            reason = f"The items have no field {name!r} with single values; those that can be used: {known}."
        address = f"/api/runs/{self._run.id}/breakdown?field={quote(name)}"
        if param == "by":
            reason += f" A breakdown by any field is computed on request: GET {address}."
        raise InvalidRequestError(reason, param=param, code="invalid_value")


def _without_columns(run: Run, parent: Eval) -> RunReport:
    """Return what the tally alone tells of a run."""
    tally = run.tally
    tallies = tally.criteria or ()
    criteria = [
        ReportCriterion(
            name=criterion.name,
            type=criterion.type,
            passed=each.passed,
            failed=each.failed,
            errored=each.errored,
            rate=shown_rate(rate_of_repeated_counts(each.passed, each.passed + each.failed, run.samples_of_item)),
            scores=None,
            labels=[],
            agreement=None,
        )
        for criterion, each in zip(run.criteria(parent), tallies, strict=False)
    ]
    why = (
        f"More than {SMALL_RUN_ITEMS:,} items of this run are still being prepared for reports. Ask again in a moment."
    )
    report = _report_of(
        run,
        parent,
        counts=(tally.passed, tally.failed, tally.errored),
        rate=rate_of_repeated_counts(tally.passed, tally.passed + tally.failed, run.samples_of_item),
        criteria=criteria,
        errors=[],
        latency_ms=None,
        tokens=None,
        repeats=None,
        fields=[],
        breakdowns=[],
        gaps=[],
    )
    unready = [
        ReportGap(what=what, why=why)
        for what in ("criteria.scores", "criteria.labels", "errors", "latency_ms", "tokens", "repeats", "fields")
    ]
    found = gaps_of(run, report, is_repeated=run.samples_of_item > 1)
    return report.model_copy(update={"gaps": [*unready, *found]})


def _report_of(run: Run, parent: Eval, *, counts: tuple[int, int, int], rate: Rate, **more: Any) -> RunReport:
    passed, failed, errored = counts
    return RunReport(
        object="run.report",
        run_id=run.id,
        eval_id=parent.id,
        items=passed + failed + errored,
        passed=passed,
        failed=failed,
        errored=errored,
        rate=shown_rate(rate),
        **told_by_run(run),
        **more,
    )


def told_by_run(run: Run) -> dict[str, Any]:
    """Return what the run itself says of a report, without its items."""
    spending = run.tally.spending
    return {
        "name": run.name,
        "model": run.model,
        "status": run.status.value,
        "items_planned": run.items_planned,
        "usage": [
            ReportUsage(
                model=usage.model,
                role=usage.role,
                calls=usage.calls,
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                total_tokens=usage.total_tokens,
                cost=usage.cost,
            )
            for usage in spending.usage
        ],
        "cost": spending.cost() if spending.usage else None,
    }


def _counts(status: Numbers) -> tuple[int, int, int]:
    counts = np.bincount(status, minlength=3)
    return int(counts[ItemStatus.PASS]), int(counts[ItemStatus.FAIL]), int(counts[ItemStatus.ERROR])
