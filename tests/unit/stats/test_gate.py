"""Facts about the gate's decision."""

import pytest

from evalhaven.stats.comparisons import Comparison, compare_pairs
from evalhaven.stats.gate import Check, Coverage, Decision, MarginCheck, Outcome, ThresholdCheck, Tier, decide
from evalhaven.stats.paired import PairCounts, Unknown
from evalhaven.stats.rates import rate_of_counts
from evalhaven.stats.verdicts import Reason, Verdict

UNCHANGED = PairCounts(900, 20, 20, 60)
BETTER = PairCounts(800, 60, 10, 130)
CLEARLY_WORSE = PairCounts(800, 10, 90, 100)
BARELY_WORSE = PairCounts(890, 20, 41, 49)  # beyond .002, alone
UNCERTAIN = PairCounts(40, 5, 5, 10)


def compare(counts: PairCounts) -> Comparison:
    return compare_pairs(counts)


def check(counts: PairCounts, tier: Tier = Tier.CRITICAL, *, name: str = "exact", margin: float = 0.03) -> MarginCheck:
    return MarginCheck(name, tier, margin, compare(counts))


def verdicts(decision: Decision) -> list[Verdict]:
    return [result.judgement.verdict for result in decision.results]


@pytest.mark.parametrize(
    ("counts", "outcome", "status"),
    [
        (UNCHANGED, Outcome.PASS, 0),
        (BETTER, Outcome.PASS, 0),
        (CLEARLY_WORSE, Outcome.FAIL, 1),
        (UNCERTAIN, Outcome.INCONCLUSIVE, 2),
    ],
)
def test_a_critical_check_decides(counts: PairCounts, outcome: Outcome, status: int) -> None:
    decision = decide([check(counts)])

    assert decision.outcome is outcome
    assert decision.outcome.exit_status == status
    assert decision.decisive is decision.results[0]
    assert decision.reason is (Reason.WIDE if outcome is Outcome.INCONCLUSIVE else None)


def test_every_critical_check_has_to_pass() -> None:
    decision = decide([check(BETTER, name="a"), check(UNCERTAIN, name="b"), check(UNCHANGED, name="c")])

    assert decision.outcome is Outcome.INCONCLUSIVE
    assert [result.check.name for result in decision.undecided] == ["b"]
    assert decision.decisive is decision.results[1]


def test_a_supporting_check_blocks_by_a_regression_only() -> None:
    assert decide([check(UNCHANGED), check(UNCERTAIN, Tier.SUPPORTING, name="b")]).outcome is Outcome.PASS
    blocked = decide([check(UNCHANGED), check(CLEARLY_WORSE, Tier.SUPPORTING, name="b")])

    assert blocked.outcome is Outcome.FAIL
    assert blocked.decisive is blocked.results[1]


def test_a_regression_outweighs_what_is_uncertain() -> None:
    decision = decide([check(UNCERTAIN, name="a"), check(CLEARLY_WORSE, Tier.SUPPORTING, name="b")])

    assert decision.outcome is Outcome.FAIL


def test_an_advisory_check_never_blocks_and_weakens_no_other() -> None:
    advisory: list[Check] = [check(CLEARLY_WORSE, Tier.ADVISORY, name=f"advisory {index}") for index in range(9)]
    alone = decide([check(BARELY_WORSE, margin=0.002)])
    decision = decide([check(UNCHANGED), *advisory])

    assert decision.outcome is Outcome.PASS
    assert verdicts(decision) == [Verdict.NO_REGRESSION, *[Verdict.REGRESSION] * 9]
    assert alone.outcome is decide([check(BARELY_WORSE, margin=0.002), *advisory]).outcome is Outcome.FAIL


def test_a_regression_has_to_be_certain_among_all_that_gate() -> None:
    """One of five at 2.5 % is no longer certain, while one that is certain stays so."""
    others: list[Check] = [check(UNCHANGED, Tier.SUPPORTING, name=f"other {index}") for index in range(4)]
    barely = decide([check(BARELY_WORSE, margin=0.002), *others])
    clearly = decide([check(CLEARLY_WORSE), *others])

    assert barely.results[0].judgement.reason is Reason.ONE_OF_MANY
    assert barely.outcome is Outcome.INCONCLUSIVE
    assert (barely.results[0].p_regression or 1) <= 0.025 < (barely.results[0].p_adjusted or 0)
    assert clearly.outcome is Outcome.FAIL


def test_a_check_without_a_verdict_is_one_of_the_many_too() -> None:
    decision = decide([check(BARELY_WORSE, margin=0.002), check(PairCounts(4, 0, 0, 0), name="few")])

    assert decision.results[1].judgement.reason is Reason.TOO_FEW
    assert decision.results[1].p_regression is None
    assert decision.results[1].p_adjusted == 1.0
    assert decision.results[0].p_adjusted == pytest.approx(2 * (decision.results[0].p_regression or 0))


def test_passing_is_not_harder_among_many() -> None:
    checks: list[Check] = [check(UNCHANGED, name=f"criterion {index}") for index in range(20)]

    assert decide(checks).outcome is Outcome.PASS


def test_unknown_outcomes_that_could_turn_the_verdict_leave_it_open() -> None:
    known = PairCounts(200, 10, 10, 280)
    filled = known.filled(Unknown(candidate_on_passed=12, candidate_on_failed=3))
    coverage = Coverage(rows=515, errored=15)
    decision = decide([MarginCheck("exact", Tier.CRITICAL, 0.03, compare(known), compare(filled), coverage)])

    assert decide([MarginCheck("exact", Tier.CRITICAL, 0.03, compare(known))]).outcome is Outcome.PASS
    assert decision.outcome is Outcome.INCONCLUSIVE
    assert decision.reason is Reason.UNKNOWN_OUTCOMES
    assert decision.results[0].on_complete is Verdict.NO_REGRESSION
    assert decision.results[0].on_filled is Verdict.INCONCLUSIVE


def test_unknown_outcomes_that_cannot_turn_the_verdict_change_nothing() -> None:
    filled = UNCHANGED.filled(Unknown(candidate_on_passed=2))
    decision = decide([MarginCheck("exact", Tier.CRITICAL, 0.03, compare(UNCHANGED), compare(filled))])

    assert decision.outcome is Outcome.PASS
    assert verdicts(decision) == [Verdict.NO_REGRESSION]


def test_better_holds_only_if_it_holds_whatever_is_unknown() -> None:
    known = PairCounts(800, 25, 10, 165)
    filled = known.filled(Unknown(candidate_on_passed=10))
    decision = decide([MarginCheck("exact", Tier.CRITICAL, 0.03, compare(known), compare(filled))])

    assert decision.results[0].on_complete is Verdict.BETTER
    assert verdicts(decision) == [Verdict.NO_REGRESSION]
    assert decision.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("coverage", "reason"),
    [
        (Coverage(1_000, errored=51), Reason.ERRORS),
        (Coverage(1_000, unshared=51), Reason.UNSHARED),
        (Coverage(1_000, errored=50, unshared=50), None),
    ],
)
def test_more_than_5_in_100_unknown_rows_leave_it_open(coverage: Coverage, reason: Reason | None) -> None:
    decision = decide([MarginCheck("exact", Tier.CRITICAL, 0.03, compare(UNCHANGED), coverage=coverage)])

    assert decision.reason is reason
    assert decision.outcome is (Outcome.PASS if reason is None else Outcome.INCONCLUSIVE)


def test_the_share_of_unknown_rows_can_be_set() -> None:
    checks = [MarginCheck("exact", Tier.CRITICAL, 0.03, compare(UNCHANGED), coverage=Coverage(1_000, 51, 51))]

    assert decide(checks, most_unknown=0.06).outcome is Outcome.PASS
    assert decide(checks, most_unknown=0.0).outcome is Outcome.INCONCLUSIVE


def test_a_canceled_run_decides_nothing() -> None:
    for counts in (UNCHANGED, CLEARLY_WORSE):
        decision = decide([check(counts)], is_canceled=True)

        assert (decision.outcome, decision.reason) == (Outcome.INCONCLUSIVE, Reason.CANCELED)


@pytest.mark.parametrize(("passed", "outcome"), [(990, Outcome.PASS), (950, Outcome.INCONCLUSIVE), (900, Outcome.FAIL)])
def test_a_threshold_needs_no_baseline(passed: int, outcome: Outcome) -> None:
    decision = decide([ThresholdCheck("exact", Tier.CRITICAL, 0.95, rate_of_counts(passed, 1_000))])

    assert decision.outcome is outcome
    assert decision.results[0].p_regression is None


def test_a_criterion_may_have_a_margin_and_a_threshold() -> None:
    """It is no worse than the baseline, and both are too bad."""
    decision = decide([check(UNCHANGED), ThresholdCheck("exact", Tier.CRITICAL, 0.95, rate_of_counts(920, 1_000))])

    assert verdicts(decision) == [Verdict.NO_REGRESSION, Verdict.BELOW]
    assert decision.outcome is Outcome.FAIL
    assert decision.decisive is decision.results[1]


def test_an_error_may_be_the_failure_that_a_threshold_of_1_forbids() -> None:
    def judge(errors: int) -> Decision:
        filled = rate_of_counts(100, 100 + errors) if errors else None
        return decide([ThresholdCheck("exact", Tier.CRITICAL, 1.0, rate_of_counts(100, 100), filled)])

    assert judge(0).outcome is Outcome.PASS
    assert judge(1).reason is Reason.UNKNOWN_OUTCOMES


def test_the_sentence_is_about_the_surest_failure_or_the_narrowest_pass() -> None:
    failed = decide([check(CLEARLY_WORSE, name="a"), check(PairCounts(700, 5, 200, 95), name="b")])
    passed = decide([check(BETTER, name="a"), check(UNCHANGED, name="b"), check(UNCHANGED, Tier.SUPPORTING, name="c")])
    undecided = decide([check(UNCERTAIN, name="a"), check(UNCERTAIN, name="b", margin=0.01)])

    assert failed.decisive is not None
    assert failed.decisive.check.name == "b"
    assert [result.check.name for result in failed.failed] == ["a", "b"]
    assert passed.decisive is not None
    assert passed.decisive.check.name == "b"
    assert undecided.decisive is not None
    assert undecided.decisive.check.name == "b"
    both = decide([check(PairCounts(700, 5, 200, 95), Tier.SUPPORTING, name="a"), check(CLEARLY_WORSE, name="b")])
    assert both.decisive is both.results[1]  # less sure, and critical
    below = ThresholdCheck("c", Tier.CRITICAL, 0.95, rate_of_counts(900, 1_000))
    missed = decide([check(CLEARLY_WORSE, name="b"), below])
    assert missed.decisive is missed.results[1]  # no correction weakens it
    by_margin = decide([check(UNCHANGED, name="a", margin=0.05), check(UNCHANGED, name="b", margin=0.03)])
    assert by_margin.decisive is by_margin.results[1]


def test_a_gate_that_cannot_fail_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one check must be critical or supporting"):
        decide([])
    with pytest.raises(ValueError, match="at least one check must be critical or supporting"):
        decide([check(UNCHANGED, Tier.ADVISORY)])


def test_names_and_shares_are_checked() -> None:
    with pytest.raises(ValueError, match="at most one margin and one threshold"):
        decide([check(UNCHANGED), check(BETTER)])
    with pytest.raises(ValueError, match="most_unknown must be between 0 and 1"):
        decide([check(UNCHANGED)], most_unknown=1.5)
