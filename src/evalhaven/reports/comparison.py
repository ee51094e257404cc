"""How a run differs from a baseline: counts, differences with intervals, and a sentence that says what it comes to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalhaven.domain.evals import Eval
from evalhaven.domain.runs import Run
from evalhaven.domain.wording import counted, in_points, listed, signed_points
from evalhaven.reports.columns.loading import Numbers
from evalhaven.reports.figures import MOST_EXACT, shown_rate, sums_by_cluster, sums_of
from evalhaven.reports.pairing import FEW_PAIRS, Pairing, RunItems
from evalhaven.stats.comparisons import (
    Comparison,
    compare_pairs,
    compare_scores,
    compare_sums,
    compare_unpaired_rates,
)
from evalhaven.stats.intervals import Interval
from evalhaven.stats.paired import PairCounts
from evalhaven.stats.rates import Rate, rate_of_counts, rate_of_sums
from evalhaven.stats.verdicts import Judgement, judge_difference
from evalhaven.wire.comparisons import (
    ComparedCounts,
    ComparedCriterion,
    ComparedRun,
    ComparisonWarning,
    Difference,
    RunComparison,
)

CHANGES = ("fixed", "regressed", "passed", "failed", "errored", "missing", "new")
"""What can happen to an item; the first five to those that both runs have."""
FIXED, REGRESSED, BOTH_PASSED, BOTH_FAILED, ERRORED, MISSING, NEW = range(7)


@dataclass(frozen=True, slots=True)
class ComparedSide:
    """One of the runs that are compared, with its eval and its items."""

    run: Run
    parent: Eval
    items: RunItems

    @property
    def criteria(self) -> list[str]:
        """Return the names of its criteria."""
        return [criterion.name for criterion in self.run.criteria(self.parent)]


@dataclass(frozen=True, slots=True)
class PairedRuns:
    """Two runs with their items paired.

    Attributes:
        pairing: Which items belong together; None if they cannot be paired.
        cluster: Field whose values make clusters of items, else None.
    """

    baseline: ComparedSide
    candidate: ComparedSide
    pairing: Pairing | None
    cluster: str | None = None

    def changes(self, criterion: str | None = None) -> Numbers:
        """Return what happened to each pair: the numbers of the first five `CHANGES`."""
        before, after = self.values(criterion)
        with np.errstate(invalid="ignore"):
            return np.select(
                [np.isnan(before) | np.isnan(after), after > before, after < before, after == 1],
                [ERRORED, FIXED, REGRESSED, BOTH_PASSED],
                BOTH_FAILED,
            ).astype(np.uint8)

    def values(self, criterion: str | None = None) -> tuple[Numbers, Numbers]:
        """Return the shares of passed samples of each pair, of the baseline and of the candidate."""
        pairing = self._pairs
        before = self.baseline.items.values(self._number(self.baseline, criterion))[pairing.baseline]
        after = self.candidate.items.values(self._number(self.candidate, criterion))[pairing.candidate]
        return before, after

    def scores(self, criterion: str | None = None) -> tuple[Numbers, Numbers]:
        """Return the mean scores of each pair, of the baseline and of the candidate."""
        pairing = self._pairs
        before = self.baseline.items.scores(self._number(self.baseline, criterion))[pairing.baseline]
        after = self.candidate.items.scores(self._number(self.candidate, criterion))[pairing.candidate]
        return before, after

    def _rate(self, side: ComparedSide, criterion: str | None, unknown: float | None) -> Rate:
        return rate_of(side.items.values(self._number(side, criterion)), side.items.samples_each, unknown)

    def compare(self, criterion: str | None = None, *, is_filled: bool = False) -> Comparison:
        """Compare the shares of passed samples.

        Args:
            criterion: Name of a criterion that both have; None for all together.
            is_filled: Whether items that one run alone knows count as the worst case has them: an unknown candidate
                failed, an unknown baseline passed.
        """
        if self.pairing is None:
            return compare_unpaired_rates(
                self._rate(self.candidate, criterion, 0.0 if is_filled else None),
                self._rate(self.baseline, criterion, 1.0 if is_filled else None),
            )
        before, after = self.values(criterion)
        clusters = self._clusters()
        is_used = ~(np.isnan(before) & np.isnan(after)) if is_filled else ~(np.isnan(before) | np.isnan(after))
        before, after = before[is_used], after[is_used]
        if is_filled:
            before, after = np.nan_to_num(before, nan=1.0), np.nan_to_num(after, nan=0.0)
        if clusters is not None:
            return compare_sums(sums_by_cluster(after - before, clusters[is_used]))
        return compare_values(
            before, after, is_repeated=self.baseline.items.is_repeated or self.candidate.items.is_repeated
        )

    def compare_scores(self, criterion: str | None = None) -> Comparison | None:
        """Compare mean scores; None if they are not paired, only 0 and 1, too large to compute with, or not there."""
        if self.pairing is None:
            return None
        before, after = self.scores(criterion)
        is_known = ~(np.isnan(before) | np.isnan(after))
        before, after = before[is_known], after[is_known]
        both = np.concatenate((before, after))
        if not len(both) or np.isin(both, (0.0, 1.0)).all() or np.abs(both).max() > MOST_EXACT:
            return None
        clusters = self._clusters()
        differences = after - before
        sums = sums_of(differences) if clusters is None else sums_by_cluster(differences, clusters[is_known])
        return compare_sums(sums) if both.min() >= 0 and both.max() <= 1 else compare_scores(sums)

    @property
    def shared_criteria(self) -> list[str]:
        """Return the names of the criteria that both runs have."""
        others = set(self.baseline.criteria)
        return [name for name in dict.fromkeys(self.candidate.criteria) if name in others]

    @property
    def _pairs(self) -> Pairing:
        if self.pairing is None:
            raise ValueError("the items are not paired")
        return self.pairing

    @staticmethod
    def _number(side: ComparedSide, criterion: str | None) -> int | None:
        return None if criterion is None else side.criteria.index(criterion)

    def _clusters(self) -> Numbers | None:
        if self.cluster is None:
            return None
        items = self.candidate.items
        return items.columns.field(self.cluster)[items.starts][self._pairs.candidate]


def compare_values(before: Numbers, after: Numbers, *, is_repeated: bool) -> Comparison:
    """Compare pairs of items.

    Args:
        before: Share of passed samples of each in the baseline; no NaN.
        after: The same in the candidate.
        is_repeated: Whether any item has more than one sample.
    """
    return compare_sums(sums_of(after - before)) if is_repeated else compare_pairs(_counts(before, after))


def compared(pair: PairedRuns, margin: float | None) -> RunComparison:
    """Return how a run differs from its baseline.

    Args:
        pair: The two runs.
        margin: How much worse the run may be, at least 0; None to ask only which is better.
    """
    comparison = pair.compare()
    difference = shown_difference(comparison, margin)
    return RunComparison(
        candidate=compared_run(pair.candidate.run),
        sentence=sentence_of(pair, comparison, margin),
        paired_by=None if pair.pairing is None else pair.pairing.by,
        counts=_shown_counts(pair, None),
        baseline_rate=shown_rate(_paired_rate(pair, None, 0)),
        candidate_rate=shown_rate(_paired_rate(pair, None, 1)),
        difference=difference,
        criteria=[_criterion(pair, name, margin) for name in pair.shared_criteria],
        warnings=compared_warnings(pair),
    )


def compared_run(run: Run) -> ComparedRun:
    """Return what names a run in a comparison."""
    return ComparedRun(
        run_id=run.id,
        eval_id=run.eval_id,
        name=run.name,
        model=run.model,
        status=run.status.value,
        created_at=run.created_at,
        items=run.tally.total,
    )


def sentence_of(pair: PairedRuns, comparison: Comparison, margin: float | None) -> str:
    """Return what a comparison comes to, in plain words first."""
    candidate, baseline = _name(pair.candidate.run), _name(pair.baseline.run)
    if candidate == baseline:
        candidate, baseline = "the run", "the baseline"
    sentence = _untold(pair, comparison, candidate, baseline) or _told(comparison, margin, candidate, baseline)
    # Names are not changed, and words of ours begin a sentence.
    return f"T{sentence[1:]}" if sentence.startswith(("the run ", "the baseline ")) else sentence


def _untold(pair: PairedRuns, comparison: Comparison, candidate: str, baseline: str) -> str | None:
    """Return why nothing can be told; None if something can."""
    for side, name in ((pair.candidate, candidate), (pair.baseline, baseline)):
        if pair.pairing is None and not side.items.columns.count:
            return f"{name} has no items."
    if not comparison.items:
        return f"{candidate} and {baseline} have no items with a result in both."
    if comparison.interval is None:
        too_few = counted(comparison.items, "item is", "items are")
        return f"{too_few} too few to tell {candidate} from {baseline}."
    return None


def _told(comparison: Comparison, margin: float | None, candidate: str, baseline: str) -> str:
    interval = comparison.interval or Interval(-1.0, 1.0)
    points = abs(100 * comparison.difference)
    low, high = sorted((abs(100 * interval.low), abs(100 * interval.high)))
    differs = interval.low > 0 or interval.high < 0
    if differs and comparison.has_enough:
        word = "better" if interval.low > 0 else "worse"
        return f"{candidate} is {word} than {baseline}: {points:.1f} points, likely {low:.1f} to {high:.1f}."
    likely = f"likely {signed_points(interval.low)} to {signed_points(interval.high)}"
    shown = f"{signed_points(comparison.difference)} points, {likely}"
    if margin is not None:
        judgement = judge_difference(comparison, margin)
        if judgement.verdict.passes:
            return f"{candidate} is no more than {in_points(margin)} worse than {baseline}: {shown}."
        needed = judgement.items_needed
        more = "" if needed is None else f" {counted(needed, 'item')} would settle it."
        return f"Whether {candidate} is worse than {baseline} cannot be told: {shown}.{more}"
    if differs:
        what = "items" if comparison.clusters == comparison.items else "groups"
        return f"There are too few {what} to tell {candidate} from {baseline}, although it looks so: {shown}."
    return f"No difference between {candidate} and {baseline} can be told: {shown}."


def _name(run: Run) -> str:
    return run.name or run.id


def _criterion(pair: PairedRuns, name: str, margin: float | None) -> ComparedCriterion:
    scores = pair.compare_scores(name)
    return ComparedCriterion(
        name=name,
        counts=_shown_counts(pair, name),
        baseline=shown_rate(_paired_rate(pair, name, 0)),
        candidate=shown_rate(_paired_rate(pair, name, 1)),
        difference=shown_difference(pair.compare(name), margin),
        score_difference=None if scores is None else shown_difference(scores, None),
    )


def shown_difference(comparison: Comparison, margin: float | None) -> Difference:
    """Return a difference as it is shown, with a verdict by the margin if there is one."""
    interval = comparison.interval
    judgement: Judgement | None = None
    if margin is None:
        verdict = "undecided"
        if interval is not None and comparison.can_be_judged and (interval.low > 0 or interval.high < 0):
            verdict = "better" if interval.low > 0 else "worse"
    else:
        judgement = judge_difference(comparison, margin)
        verdict = judgement.verdict.value
    more: dict[str, Any] = {"reason": None, "items_needed": None, "items_if_true": None}
    if judgement is not None:
        more = {
            "reason": None if judgement.reason is None else judgement.reason.value,
            "items_needed": judgement.items_needed,
            "items_if_true": judgement.items_if_true,
        }
    return Difference(
        value=comparison.difference,
        low=None if interval is None else interval.low,
        high=None if interval is None else interval.high,
        p=comparison.p,
        p_exact=None if comparison.exact is None else comparison.exact.exact,
        newcombe=None if comparison.newcombe is None else list(comparison.newcombe),
        visible=comparison.visible,
        method=comparison.method.value,
        items=comparison.items,
        verdict=verdict,
        **more,
    )


def _shown_counts(pair: PairedRuns, criterion: str | None) -> ComparedCounts:
    pairing = pair.pairing
    if pairing is None:
        return counts_of((), len(pair.baseline.items.position), len(pair.candidate.items.position))
    return counts_of(pair.changes(criterion), len(pairing.baseline_only), len(pairing.candidate_only))


def counts_of(changes: Numbers | Sequence[int], missing: int = 0, new: int = 0) -> ComparedCounts:
    """Count items by what happened to them.

    Args:
        changes: The number of it in `CHANGES`, for each item.
        missing: Further items that only the baseline has.
        new: Further items that only the candidate has.
    """
    found: list[int] = np.bincount(changes, minlength=len(CHANGES)).tolist() if len(changes) else [0] * len(CHANGES)
    found[MISSING] += missing
    found[NEW] += new
    return ComparedCounts(
        **dict(zip(CHANGES, found, strict=True)),
        different=found[FIXED] + found[REGRESSED],
        same=found[BOTH_PASSED] + found[BOTH_FAILED],
        unpaired=found[MISSING] + found[NEW],
        total=sum(found),
    )


def _paired_rate(pair: PairedRuns, criterion: str | None, side: int) -> Rate:
    if pair.pairing is None:
        chosen = (pair.baseline, pair.candidate)[side]
        number = None if criterion is None else chosen.criteria.index(criterion)
        return rate_of(chosen.items.values(number), chosen.items.samples_each)
    values = pair.values(criterion)
    known = ~(np.isnan(values[0]) | np.isnan(values[1]))
    return rate_of(values[side][known], (pair.baseline, pair.candidate)[side].items.samples_each)


def rate_of(values: Numbers, samples_each: float, unknown: float | None = None) -> Rate:
    """Return the rate of items.

    Args:
        values: Share of passed samples of each; NaN where none has a result.
        samples_each: Samples of an item: more of them tell more, as far as they differ.
        unknown: What to take for NaN; None to leave such items out.
    """
    values = values[~np.isnan(values)] if unknown is None else np.nan_to_num(values, nan=unknown)
    if np.isin(values, (0.0, 1.0)).all():
        return rate_of_counts(int(values.sum()), len(values))
    return rate_of_sums(sums_of(values), max(1, round(len(values) * samples_each)))


def _counts(before: Numbers, after: Numbers) -> PairCounts:
    both = np.bincount(2 * before.astype(np.int64) + after.astype(np.int64), minlength=4)
    failed, fixed, regressed, passed = (int(count) for count in both)
    return PairCounts(passed, fixed, regressed, failed)


def compared_warnings(pair: PairedRuns) -> list[ComparisonWarning]:
    """Return what makes a comparison less than it seems."""
    baseline, candidate = pair.baseline.run, pair.candidate.run
    found: list[ComparisonWarning] = []

    def warn(what: str, message: str) -> None:
        found.append(ComparisonWarning(what=what, message=message))

    if of_pairing := _pairing_warning(pair.pairing):
        warn(*of_pairing)
    if of_evals := _evals_warning(pair.baseline.parent, pair.candidate.parent):
        warn("evals_differ", of_evals)
    theirs = {each.name: each for each in baseline.criteria(pair.baseline.parent)}
    ours = {each.name: each for each in candidate.criteria(pair.candidate.parent)}
    differing = [name for name in ours if name in theirs and _essence(ours[name].json) != _essence(theirs[name].json)]
    if differing:
        warn("criteria_differ", f"Not the same in both runs: {_criteria(differing)}.")
    if alone := sorted(ours.keys() ^ theirs.keys()):
        warn("criteria_missing", f"Only one of the runs has {_criteria(alone)}.")
    before, after = (_judges(run) for run in (baseline, candidate))
    if before and after and before != after:
        warn("judges_differ", f"Graded by {', '.join(before)} in the baseline, and by {', '.join(after)} in the run.")
    messages = [run.data_source.json.get("input_messages") for run in (baseline, candidate)]
    # Recorded answers come without what was asked.
    if None not in messages and messages[0] != messages[1]:
        warn("prompts_differ", "The runs send different messages to the model.")
    for run, role in ((baseline, "baseline"), (candidate, "run")):
        if not run.status.is_final:
            warn("not_ended", f"The {role} has not ended, so its figures will change.")
        elif run.status.value != "completed":
            warn("not_completed", f"The {role} ended as {run.status}.")
    return found


def _evals_warning(before: Eval, after: Eval) -> str | None:
    if before.id == after.id:
        return None
    if after.version != before.version and after.name == before.name:
        return f"The baseline is of version {before.version} of the eval, and the run of version {after.version}."
    return f"The runs are of two evals, {listed([before.name or before.id, after.name or after.id])}."


def _pairing_warning(pairing: Pairing | None) -> tuple[str, str] | None:
    if pairing is None:
        return "not_paired", "The runs have no items in common, so their rates were compared: that shows far less."
    if pairing.by == "position":
        return (
            "contents_differ",
            "Hardly any items have the same content in both runs, so they were paired by their position in the file.",
        )
    only = len(pairing.baseline_only), len(pairing.candidate_only)
    if not any(only):
        return None
    told = f"{counted(only[0], 'item is', 'items are')} in the baseline only, {only[1]:,} in the other run only."
    if pairing.by == "content" and pairing.share < FEW_PAIRS:
        told += " If they are the same items with other content, name the fields that tell which is which ('key')."
    return "rows_differ", told


def _criteria(names: list[str]) -> str:
    return f"{'the criterion' if len(names) == 1 else 'the criteria'} {listed(names)}"


def _essence(criterion: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in criterion.items() if key != "id"}


def _judges(run: Run) -> list[str]:
    """Return which models graded, as their endpoints named them: one name can mean another model later."""
    return sorted({usage.model for usage in run.tally.spending.usage if usage.role == "judge"})
