"""The gate: decides by a policy whether a run passes, with or without a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.wording import counted, in_points, signed_points
from evalhaven.reports.comparing import Chosen
from evalhaven.reports.comparison import (
    ComparedSide,
    PairedRuns,
    compared_run,
    compared_warnings,
    rate_of,
    shown_difference,
)
from evalhaven.reports.figures import shown_rate
from evalhaven.stats.gate import (
    Check,
    CheckResult,
    Coverage,
    Decision,
    MarginCheck,
    Outcome,
    ThresholdCheck,
    Tier,
    decide,
)
from evalhaven.stats.verdicts import Reason, Verdict
from evalhaven.wire.gates import CriterionPolicy, GateCheck, GatePolicy, GateResult

ALL = "all criteria"
"""Name of the check of items as a whole."""

_REASONS = {
    Reason.TOO_FEW: "there are too few items",
    Reason.TOO_FEW_CLUSTERS: "there are too few independent items",
    Reason.NO_SPREAD: "all differences are equal, which says nothing of others",
    Reason.WIDE: "the interval is too wide",
    Reason.ONE_OF_MANY: "among several criteria one such difference is to be expected by chance",
    Reason.UNKNOWN_OUTCOMES: "items without a result could turn it",
    Reason.ERRORS: "too many items have no result",
    Reason.UNSHARED: "too many items are in one of the runs only",
    Reason.CANCELED: "a run did not complete",
}


@dataclass(frozen=True, slots=True)
class _Wish:
    name: str
    criterion: str | None
    tier: Tier
    margin: float | None
    threshold: float | None


def decided(side: ComparedSide, pair: PairedRuns | None, chosen: Chosen, policy: GatePolicy) -> GateResult:
    """Return what the gate decides about a run.

    Args:
        side: The run.
        pair: The run with its baseline; None without one.
        chosen: How the baseline was chosen.
        policy: What the run has to achieve.

    Raises:
        InvalidRequestError: The policy has neither a margin nor a threshold that could decide, or names a criterion
            that the run does not have.
    """
    wishes = _wishes(side, policy)
    checks: list[Check] = []
    for wish in wishes:
        if wish.margin is not None and pair is not None and _is_shared(pair, wish.criterion):
            checks.append(_margin_check(pair, wish, wish.margin))
        if wish.threshold is not None:
            checks.append(_threshold_check(side, wish, wish.threshold))
    if not any(check.tier is not Tier.ADVISORY for check in checks):
        raise _undecidable(wishes, pair)
    runs = [side.run, *([] if pair is None else [pair.baseline.run])]
    decision = decide(
        checks,
        is_canceled=any(run.status is not RunStatus.COMPLETED for run in runs),
        most_unknown=policy.most_unknown,
    )
    return GateResult(
        object="run.gate",
        outcome=decision.outcome.value,
        exit_status=decision.outcome.exit_status,
        sentence=_sentence(decision, side, pair),
        run=compared_run(side.run),
        baseline=None if pair is None else compared_run(pair.baseline.run),
        chosen=chosen,
        paired_by=None if pair is None or pair.pairing is None else pair.pairing.by,
        checks=[_shown(result) for result in decision.results],
        warnings=[] if pair is None else [warning.message for warning in compared_warnings(pair)],
    )


def _wishes(side: ComparedSide, policy: GatePolicy) -> list[_Wish]:
    if policy.criteria is None:
        return [_Wish(ALL, None, Tier.CRITICAL, policy.margin, policy.threshold)]
    names = side.criteria
    if unknown := [name for name in policy.criteria if name not in names]:
        raise InvalidRequestError(
            f"The run has no criterion {unknown[0]!r}; it has {', '.join(map(repr, names))}.",
            param=f"criteria.{unknown[0]}",
            code="invalid_value",
        )
    advisory = CriterionPolicy(tier="advisory")
    found = [(name, policy.criteria.get(name, advisory)) for name in dict.fromkeys(names)]
    wishes = [
        _Wish(name, name, Tier(each.tier), policy.margin if each.margin is None else each.margin, each.threshold)
        for name, each in found
    ]
    return [*wishes, *([] if policy.threshold is None else [_Wish(ALL, None, Tier.CRITICAL, None, policy.threshold)])]


def _is_shared(pair: PairedRuns, criterion: str | None) -> bool:
    return criterion is None or criterion in pair.shared_criteria


def _undecidable(wishes: Sequence[_Wish], pair: PairedRuns | None) -> InvalidRequestError:
    gating = [wish for wish in wishes if wish.tier is not Tier.ADVISORY]
    if any(wish.margin is not None for wish in gating) and pair is None:
        return InvalidRequestError(
            "There is no baseline, so a margin decides nothing: name a baseline, pin one, or give the policy a "
            "'threshold'.",
            param="baseline",
            code="no_baseline",
        )
    return InvalidRequestError(
        "The policy has no margin and no threshold that could decide: say how much worse a run may be, as in "
        '{"margin": 0.02}.',
        param="margin",
        code="no_margin",
    )


def _margin_check(pair: PairedRuns, wish: _Wish, margin: float) -> MarginCheck:
    coverage, has_unknown = _coverage(pair, wish.criterion)
    return MarginCheck(
        name=wish.name,
        tier=wish.tier,
        margin=margin,
        complete=pair.compare(wish.criterion),
        filled=pair.compare(wish.criterion, is_filled=True) if has_unknown else None,
        coverage=coverage,
    )


def _coverage(pair: PairedRuns, criterion: str | None) -> tuple[Coverage, bool]:
    pairing = pair.pairing
    if pairing is None:
        unknown = sum(
            int(np.isnan(side.items.values(None if criterion is None else side.criteria.index(criterion))).sum())
            for side in (pair.baseline, pair.candidate)
        )
        rows = len(pair.baseline.items.position) + len(pair.candidate.items.position)
        return Coverage(rows, unknown, 0), unknown > 0
    before, after = pair.values(criterion)
    unknown = int((np.isnan(before) | np.isnan(after)).sum())
    unshared = len(pairing.baseline_only) + len(pairing.candidate_only)
    return Coverage(len(before) + unshared, unknown, unshared), unknown > 0


def _threshold_check(side: ComparedSide, wish: _Wish, threshold: float) -> ThresholdCheck:
    values = side.items.values(None if wish.criterion is None else side.criteria.index(wish.criterion))
    unknown = int(np.isnan(values).sum())
    return ThresholdCheck(
        name=wish.name if wish.margin is None else f"{wish.name} (threshold)",
        tier=wish.tier,
        threshold=threshold,
        complete=rate_of(values, side.items.samples_each),
        filled=rate_of(values, side.items.samples_each, unknown=0.0) if unknown else None,
        coverage=Coverage(len(values), unknown, 0),
    )


def _shown(result: CheckResult) -> GateCheck:
    check, judgement = result.check, result.judgement
    is_margin = isinstance(check, MarginCheck)
    return GateCheck(
        name=check.name,
        tier=check.tier.value,
        margin=check.margin if isinstance(check, MarginCheck) else None,
        threshold=check.threshold if isinstance(check, ThresholdCheck) else None,
        verdict=judgement.verdict.value,
        reason=None if judgement.reason is None else judgement.reason.value,
        difference=shown_difference(check.complete, check.margin) if isinstance(check, MarginCheck) else None,
        rate=shown_rate(check.complete) if isinstance(check, ThresholdCheck) else None,
        p_regression=result.p_regression,
        p_adjusted=result.p_adjusted if is_margin else None,
        items_needed=judgement.items_needed,
        items_if_true=judgement.items_if_true,
    )


def _sentence(decision: Decision, side: ComparedSide, pair: PairedRuns | None) -> str:
    name = side.run.name or side.run.id
    result = decision.decisive
    if decision.outcome is Outcome.PASS:
        begins = f"{name} passes"
    elif decision.outcome is Outcome.FAIL:
        begins = f"{name} fails"
    else:
        begins = f"Whether {name} passes cannot be told"
    if result is None:
        return f"{begins}: {_REASONS[decision.reason or Reason.CANCELED]}."
    text = f"{begins}: {_of_check(result, pair)}"
    judgement = result.judgement
    if decision.outcome is Outcome.INCONCLUSIVE:
        reason = decision.reason or judgement.reason
        if reason is not None:
            text += f", and {_REASONS[reason]}"
        needed = judgement.items_needed
        if needed is not None and reason in (Reason.WIDE, Reason.TOO_FEW):
            text += f". {counted(needed, 'item')} would settle it if nothing has changed"
            if judgement.items_if_true is not None:
                text += f", {judgement.items_if_true:,} if the estimate is true"
    return f"{text}."


def _of_check(result: CheckResult, pair: PairedRuns | None) -> str:
    check = result.check
    what = "items" if check.name.startswith(ALL) else f"the criterion {check.name!r}"
    if isinstance(check, ThresholdCheck):
        rate = check.complete
        if rate.value is None:
            return f"no {what} have a result" if what == "items" else f"{what} has no result"
        shown = f"{100 * rate.value:.1f} %" + (
            "" if rate.interval is None else f", likely {100 * rate.interval.low:.1f} to {100 * rate.interval.high:.1f}"
        )
        said = {Verdict.REACHED: "reach", Verdict.BELOW: "are below"}.get(result.judgement.verdict, "are about at")
        return f"{what} {said} {100 * check.threshold:g} % ({shown})"
    difference, interval = check.complete.difference, check.complete.interval
    baseline = "the baseline" if pair is None else (pair.baseline.run.name or pair.baseline.run.id)
    shown = f"{signed_points(difference)} points" + (
        "" if interval is None else f", likely {signed_points(interval.low)} to {signed_points(interval.high)}"
    )
    where = "" if what == "items" else f"by {what} "
    verdict = result.judgement.verdict
    margin = in_points(check.margin)
    if verdict is Verdict.BETTER:
        return f"{where}it is better than {baseline} ({shown})"
    if verdict is Verdict.REGRESSION:
        return f"{where}it is more than {margin} worse than {baseline} ({shown})"
    if verdict is Verdict.NO_REGRESSION:
        worse = ", though certainly worse" if result.judgement.is_worse else ""
        return f"{where}it is no more than {margin} worse than {baseline}{worse} ({shown})"
    return f"{where}it differs from {baseline} by {shown}, where up to {margin} may be lost"
