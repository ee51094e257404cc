"""Facts about our gate and the rules of others on simulated releases (benchmarks/releases.py)."""

import math
from pathlib import Path

import pytest

from benchmarks.releases import COLUMNS, RULES, Judged, judge_releases, sizes
from evalhaven.stats.gate import Outcome
from evalhaven.stats.paired import PairCounts
from tests.sizes import SEED, SIZES

PASS, FAIL, OPEN = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


@pytest.fixture(scope="module")
def judged() -> dict[tuple[str, int, float], Judged]:
    judged = judge_releases(SIZES.releases, SEED)
    return {(each.rule, each.items, each.difference): each for each in judged}


def test_the_margin_is_planned_with_1963_items() -> None:
    assert sizes() == (1_963, 3_926)


@pytest.mark.parametrize(
    ("counts", "outcomes"),
    [
        # In the order of the rules: ours, nel gate, nel compare, every test, a pass rate of 83 %, the baseline's run.
        (PairCounts(1_663, 100, 100, 100), (PASS, PASS, PASS, FAIL, PASS, PASS)),
        (PairCounts(1_573, 70, 130, 190), (OPEN, FAIL, FAIL, FAIL, PASS, FAIL)),
        (PairCounts(1_573, 80, 110, 200), (OPEN, PASS, OPEN, FAIL, PASS, FAIL)),
        (PairCounts(1_600, 60, 50, 253), (PASS, PASS, OPEN, FAIL, PASS, PASS)),
        (PairCounts(9, 0, 0, 0), (OPEN, OPEN, PASS, PASS, PASS, PASS)),
        (PairCounts(500, 10, 100, 390), (FAIL, FAIL, FAIL, FAIL, FAIL, FAIL)),
    ],
)
def test_rules_judge_as_they_are_written_down(counts: PairCounts, outcomes: tuple[Outcome, ...]) -> None:
    assert tuple(rule(counts) for rule in RULES.values()) == outcomes


@pytest.mark.proof
@pytest.mark.timeout(3_600)
def test_our_gate_seldom_passes_a_regression_and_mostly_an_unchanged_release(
    judged: dict[tuple[str, int, float], Judged],
) -> None:
    ours = next(iter(RULES))
    for items in sizes():
        slack = 400 * math.sqrt(0.027 * 0.973 / SIZES.releases)
        assert judged[ours, items, -0.02].share(PASS) <= 2.7 + slack
        assert judged[ours, items, 0.0].share(FAIL) <= 0.1
    assert judged[ours, sizes()[0], 0.0].share(PASS) >= 78


@pytest.mark.proof
@pytest.mark.timeout(3_600)
def test_the_published_table_is_what_a_repetition_finds(
    judged: dict[tuple[str, int, float], Judged], repository: Path
) -> None:
    page = (repository / "docs" / "explanation" / "statistics.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()]
    assert [title for title, _, _ in COLUMNS] in [row[2:] for row in rows]
    for rule in RULES:
        published = [row for row in rows if row[0] == rule]
        assert [row[1] for row in published] == ["1,963", "3,926"]
        for items, row in zip(sizes(), published, strict=True):
            for (_, difference, outcome), cell in zip(COLUMNS, row[2:], strict=True):
                share = float(cell) / 100
                # The published table has chance in it, too: 20,000 releases.
                slack = 0.2 + 400 * math.sqrt(share * (1 - share) * (1 / SIZES.releases + 1 / 20_000))
                assert judged[rule, items, difference].share(outcome) == pytest.approx(100 * share, abs=slack)
