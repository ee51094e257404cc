"""Simulated releases judged by our gate and by the rules of others; `python -m benchmarks.releases`.

Every rule judges the same releases. A release is a run of the candidate over the items of a baseline's run. In truth it
is better, unchanged or worse by a known number of points, so it is known too whether a rule is right to let it pass.
The rules of others were written down from what they publish:

- promptfoo ends with a failure if a test fails, or if `PROMPTFOO_PASS_RATE_THRESHOLD` is set and the rate of passes is
  below it (its page "Command line"). It knows no baseline.
- `nel gate` of NeMo Evaluator passes if the drop of the rate is at most `max_drop`, from 10 pairs on (its page
  "Implementing quality gates").
- `nel compare --strict` blocks if the one-sided exact McNemar test is below 0.05 and the drop above `--max-drop`; it
  warns if only the first holds, and is inconclusive if 2.8 divided by the root of the number of changed items is above
  ten times `--max-drop` (its page "Comparing evaluation runs", and `engine/comparison.py`).
- A bare threshold: the rate must not be below that of the baseline's run.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from evalhaven.stats.comparisons import compare_pairs
from evalhaven.stats.distributions import fair_coin_tail
from evalhaven.stats.gate import MarginCheck, Outcome, Tier, decide
from evalhaven.stats.paired import PairCounts
from evalhaven.stats.planning import items_for_no_regression

MARGIN = 0.02
SPREAD = 0.1  # of the items change between two runs of the same thing
BASELINE_RATE = 0.85
KINDS = (0.02, 0.0, -0.01, -0.02, -0.04)
_RELEASES = 20_000
_SEED = 16

COLUMNS = (
    ("false passes, worse by 2", -0.02, Outcome.PASS),
    ("false passes, worse by 4", -0.04, Outcome.PASS),
    ("false blocks, unchanged", 0.0, Outcome.FAIL),
    ("false blocks, worse by 1", -0.01, Outcome.FAIL),
    ("inconclusive, unchanged", 0.0, Outcome.INCONCLUSIVE),
    ("inconclusive, worse by 4", -0.04, Outcome.INCONCLUSIVE),
    ("passes, unchanged", 0.0, Outcome.PASS),
    ("passes, better by 2", 0.02, Outcome.PASS),
)

Rule = Callable[[PairCounts], Outcome]


def judge_by_our_gate(counts: PairCounts) -> Outcome:
    """Judge as `evalhaven gate` does, with one critical criterion."""
    return decide([MarginCheck("passed", Tier.CRITICAL, MARGIN, compare_pairs(counts))]).outcome


def judge_by_nel_gate(counts: PairCounts) -> Outcome:
    """Judge as NeMo Evaluator's `nel gate` with `max_drop`."""
    if counts.pairs < 10:
        return Outcome.INCONCLUSIVE
    return _pass_if(counts.regressed - counts.fixed <= MARGIN * counts.pairs)


def judge_by_nel_compare(counts: PairCounts) -> Outcome:
    """Judge as NeMo Evaluator's `nel compare --strict` with `--max-drop`."""
    changed = counts.fixed + counts.regressed
    if changed == 0:
        return Outcome.PASS
    if _is_significantly_worse(counts.fixed, counts.regressed):
        return Outcome.FAIL if counts.regressed - counts.fixed > MARGIN * counts.pairs else Outcome.INCONCLUSIVE
    return Outcome.INCONCLUSIVE if 2.8 / changed**0.5 > 10 * MARGIN else Outcome.PASS


def judge_by_all_tests(counts: PairCounts) -> Outcome:
    """Judge as promptfoo does by default: a test that fails is a failure."""
    return _pass_if(counts.regressed + counts.both_failed == 0)


def judge_by_pass_rate(counts: PairCounts) -> Outcome:
    """Judge as promptfoo does by a threshold: here the baseline's true rate less the margin."""
    # Whole numbers of items, so that a rate on the threshold is not below it by rounding.
    return _pass_if(counts.both_passed + counts.fixed >= round((BASELINE_RATE - MARGIN) * counts.pairs, 6))


def judge_by_baseline(counts: PairCounts) -> Outcome:
    """Judge by a bare threshold: the rate of the baseline's run."""
    return _pass_if(counts.fixed >= counts.regressed)


RULES: dict[str, Rule] = {
    "Evalhaven, margin 2 points": judge_by_our_gate,
    "NeMo `nel gate`, `max_drop` 0.02": judge_by_nel_gate,
    "NeMo `nel compare --strict`, `--max-drop` 0.02": judge_by_nel_compare,
    "promptfoo, default": judge_by_all_tests,
    "promptfoo, pass rate 83 %": judge_by_pass_rate,
    "not below the baseline's run": judge_by_baseline,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """What a rule said about releases of one kind.

    Attributes:
        rule: Name of the rule.
        items: Items of each release.
        difference: The true difference.
        releases: Number of releases.
        outcomes: How many of them had each outcome.
    """

    rule: str
    items: int
    difference: float
    releases: int
    outcomes: Counter[Outcome]

    def share(self, outcome: Outcome) -> float:
        """Return of how many of 100 releases a rule said this."""
        return 100 * self.outcomes[outcome] / self.releases


def sizes() -> tuple[int, int]:
    """Return the number of items that the margin is planned with, and twice as many."""
    planned = items_for_no_regression(SPREAD, MARGIN)
    assert planned is not None  # noqa: S101 - the margin is not 0
    return planned, 2 * planned


def judge_releases(releases: int, seed: int = _SEED) -> list[Judged]:
    """Judge simulated releases of every kind and size by every rule.

    Args:
        releases: How many of each kind and size.
        seed: Where chance starts.
    """
    chance = np.random.default_rng(seed)
    judged: list[Judged] = []
    for items in sizes():
        for difference in KINDS:
            drawn = _draw(chance, items, difference, releases)
            for name, rule in RULES.items():
                outcomes: Counter[Outcome] = Counter()
                for counts, number in drawn.items():
                    outcomes[rule(counts)] += number
                judged.append(Judged(name, items, difference, releases, outcomes))
    return judged


def table_of(judged: Iterable[Judged]) -> list[str]:
    """Return the lines of a Markdown table."""
    found = {(each.rule, each.items, each.difference): each for each in judged}
    lines = [
        " | ".join(["| rule", "items", *(title for title, _, _ in COLUMNS)]) + " |",
        "|" + "---|" * (2 + len(COLUMNS)),
    ]
    for items in sizes():
        for rule in RULES:
            shares = [found[rule, items, difference].share(outcome) for _, difference, outcome in COLUMNS]
            lines.append(" | ".join([f"| {rule}", f"{items:,}", *(f"{share:.1f}" for share in shares)]) + " |")
    return lines


def _draw(chance: np.random.Generator, items: int, difference: float, releases: int) -> Counter[PairCounts]:
    fixed, regressed = (SPREAD + difference) / 2, (SPREAD - difference) / 2
    both_passed = BASELINE_RATE - regressed
    shares = [both_passed, fixed, regressed, 1 - both_passed - fixed - regressed]
    return Counter(PairCounts(*row) for row in chance.multinomial(items, shares, releases).tolist())


def _is_significantly_worse(fixed: int, regressed: int) -> bool:
    return regressed > fixed and fair_coin_tail(fixed, fixed + regressed)[0] < 0.05


def _pass_if(holds: bool) -> Outcome:
    return Outcome.PASS if holds else Outcome.FAIL


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Judge simulated releases by our gate and by the rules of others.")
    parser.add_argument("--releases", type=int, default=_RELEASES, help="simulated releases of each kind and size")
    parser.add_argument("--seed", type=int, default=_SEED, help="another seed makes other releases")
    arguments = parser.parse_args()
    print("\n".join(table_of(judge_releases(arguments.releases, arguments.seed))))


if __name__ == "__main__":
    main()
