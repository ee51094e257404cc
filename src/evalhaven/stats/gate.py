"""The gate's decision: verdicts of several criteria, by their tiers, in one of three outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from evalhaven.stats.comparisons import Comparison
from evalhaven.stats.multiple import holm
from evalhaven.stats.rates import Rate
from evalhaven.stats.verdicts import Judgement, Reason, Verdict, judge_difference, judge_threshold

MOST_UNKNOWN = 0.05
"""Share of rows with errors, or of one run only, above which nothing is decided."""


class Tier(StrEnum):
    """What a criterion can do to the outcome."""

    CRITICAL = "critical"
    SUPPORTING = "supporting"
    ADVISORY = "advisory"


class Outcome(StrEnum):
    """What the gate says."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_status(self) -> int:
        """Return the status with which a command ends."""
        return {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.INCONCLUSIVE: 2}[self]


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many rows a check does not know.

    Attributes:
        rows: Rows that either run planned.
        errored: Of these, rows that both planned, with an error or nothing in either.
        unshared: Of these, rows that only one of the runs planned.
    """

    rows: int = 0
    errored: int = 0
    unshared: int = 0


@dataclass(frozen=True, slots=True)
class MarginCheck:
    """A criterion that may be worse by a margin.

    Attributes:
        name: Name of the criterion; it may have a margin and a threshold.
        tier: What it can do to the outcome.
        margin: How much worse the candidate may be, at least 0.
        complete: The comparison over items with an outcome in both runs.
        filled: The same with unknown outcomes filled for the worst: an unknown candidate failed, an unknown baseline
            passed; scores take the ends of their range. None: nothing is unknown.
        coverage: Rows that are not known.
    """

    name: str
    tier: Tier
    margin: float
    complete: Comparison
    filled: Comparison | None = None
    coverage: Coverage = Coverage()


@dataclass(frozen=True, slots=True)
class ThresholdCheck:
    """A criterion that has to reach a rate, without a baseline.

    Attributes:
        name: Name of the criterion; it may have a margin and a threshold.
        tier: What it can do to the outcome.
        threshold: The rate, 0 to 1.
        complete: The rate of items with an outcome.
        filled: The same with unknown outcomes taken as failed. None: nothing is unknown.
        coverage: Rows that are not known.
    """

    name: str
    tier: Tier
    threshold: float
    complete: Rate
    filled: Rate | None = None
    coverage: Coverage = Coverage()


Check = MarginCheck | ThresholdCheck


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A check with its judgement.

    Attributes:
        check: The check.
        judgement: What counts.
        on_complete: What the complete items alone would say.
        on_filled: What would be said if everything unknown were as bad as can be; None: nothing is unknown.
        p_regression: One-sided p-value against "no regression", before other criteria; None for a threshold, or if
            there is none.
        p_adjusted: The same after Holm's correction; None for an advisory check too.
    """

    check: Check
    judgement: Judgement
    on_complete: Verdict
    on_filled: Verdict | None
    p_regression: float | None
    p_adjusted: float | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate decided, and the facts for the sentence that says so.

    Attributes:
        outcome: The outcome.
        results: All checks, in the order given.
        decisive: The check that the sentence is about: of a failure the surest one, of an inconclusive outcome the one
            that needs most items, else the one that passed most narrowly, critical ones first. None if a canceled run
            decided.
        reason: Why the outcome is inconclusive, else None.
    """

    outcome: Outcome
    results: tuple[CheckResult, ...]
    decisive: CheckResult | None
    reason: Reason | None = None

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """Return the checks that block."""
        return tuple(each for each in self.results if _gates(each.check) and each.judgement.verdict.blocks)

    @property
    def undecided(self) -> tuple[CheckResult, ...]:
        """Return the critical checks without a conclusion."""
        return tuple(
            each
            for each in self.results
            if each.check.tier is Tier.CRITICAL and each.judgement.verdict is Verdict.INCONCLUSIVE
        )


def decide(checks: Sequence[Check], *, is_canceled: bool = False, most_unknown: float = MOST_UNKNOWN) -> Decision:
    """Decide whether a candidate passes.

    Every critical check has to pass by itself at the full level, since all of them have to (intersection-union test).
    A regression has to be certain among all critical and supporting checks with a margin (Holm). A supporting check
    blocks by a regression, or by being below its threshold, and an advisory one never does.

    Args:
        checks: The checks, at least one of them critical or supporting.
        is_canceled: Whether one of the runs was canceled; then nothing is decided.
        most_unknown: Share of rows, 0 to 1, that may have errors, and share that may be of one run only.

    Returns:
        The decision.

    Raises:
        ValueError: No check can decide, a criterion has two margins or two thresholds, or a number is out of range.

    Source: Berger 1982, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24; Holm 1979,
        Scand. J. Stat. 6.
    """
    gating = [index for index, check in enumerate(checks) if _gates(check)]
    if not gating:
        raise ValueError("at least one check must be critical or supporting")
    if len({(type(check), check.name) for check in checks}) < len(checks):
        raise ValueError("a criterion must have at most one margin and one threshold")
    if not 0 <= most_unknown <= 1:
        raise ValueError(f"most_unknown must be between 0 and 1, got {most_unknown!r}")
    complete, adjusted = _judge_all(checks, gating, is_filled=False)
    filled, _ = _judge_all(checks, gating, is_filled=True)
    results = tuple(
        CheckResult(
            check=check,
            judgement=_combine(check, complete[index], filled[index], most_unknown),
            on_complete=complete[index].verdict,
            on_filled=None if check.filled is None else filled[index].verdict,
            p_regression=_p_regression(check, is_filled=False),
            p_adjusted=adjusted.get(index),
        )
        for index, check in enumerate(checks)
    )
    return _conclude(results, is_canceled=is_canceled)


def _judge_all(
    checks: Sequence[Check], gating: Sequence[int], *, is_filled: bool
) -> tuple[list[Judgement], dict[int, float]]:
    family = [index for index in gating if isinstance(checks[index], MarginCheck)]
    # A check without a verdict cannot be rejected, and still is one of the family.
    p_values = [_p_regression(checks[index], is_filled=is_filled) for index in family]
    adjusted = dict(zip(family, holm([1.0 if p is None else p for p in p_values]), strict=True))
    judgements: list[Judgement] = []
    for index, check in enumerate(checks):
        if isinstance(check, MarginCheck):
            comparison = check.filled if is_filled and check.filled else check.complete
            judgements.append(judge_difference(comparison, check.margin, adjusted.get(index)))
        else:
            rate = check.filled if is_filled and check.filled else check.complete
            judgements.append(judge_threshold(rate, check.threshold))
    return judgements, adjusted


def _p_regression(check: Check, *, is_filled: bool) -> float | None:
    if isinstance(check, ThresholdCheck):
        return None
    comparison = check.filled if is_filled and check.filled else check.complete
    return comparison.p_regression(check.margin) if comparison.can_be_judged else None


def _combine(check: Check, complete: Judgement, filled: Judgement, most_unknown: float) -> Judgement:
    coverage = check.coverage
    reason = None
    if coverage.errored > most_unknown * coverage.rows:
        reason = Reason.ERRORS
    elif coverage.unshared > most_unknown * coverage.rows:
        reason = Reason.UNSHARED
    elif (complete.verdict.passes, complete.verdict.blocks) != (filled.verdict.passes, filled.verdict.blocks):
        reason = Reason.UNKNOWN_OUTCOMES
    if reason is not None:
        return Judgement(Verdict.INCONCLUSIVE, reason)
    # Both pass, or both do not: "better" holds only if it holds whatever the unknown outcomes are.
    return filled if complete.verdict.passes else complete


def _conclude(results: tuple[CheckResult, ...], *, is_canceled: bool) -> Decision:
    if is_canceled:
        return Decision(Outcome.INCONCLUSIVE, results, None, Reason.CANCELED)
    passed = Decision(Outcome.PASS, results, None)
    if passed.failed:
        surest = min(passed.failed, key=lambda each: (_rank(each), each.p_adjusted or 0.0))
        return Decision(Outcome.FAIL, results, surest)
    if passed.undecided:
        hardest = max(passed.undecided, key=lambda each: each.judgement.items_needed or 0)
        return Decision(Outcome.INCONCLUSIVE, results, hardest, hardest.judgement.reason)
    return Decision(Outcome.PASS, results, min((each for each in results if _gates(each.check)), key=_narrowness))


def _gates(check: Check) -> bool:
    return check.tier is not Tier.ADVISORY


def _rank(result: CheckResult) -> int:
    return 0 if result.check.tier is Tier.CRITICAL else 1


def _narrowness(result: CheckResult) -> tuple[int, float]:
    check = result.check
    interval = check.complete.interval
    if interval is None:
        return _rank(result), 0.0
    bound = -check.margin if isinstance(check, MarginCheck) else check.threshold
    return _rank(result), interval.low - bound
