"""The figures of real runs: 1,319 questions answered by four models, with their published verdicts.

Data: GSM8K's model solutions (openai/grade-school-math, MIT).
"""

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evalhaven.stats.comparisons import compare_pairs
from evalhaven.stats.paired import PairCounts
from evalhaven.stats.rates import rate_of_counts
from evalhaven.stats.verdicts import Verdict, judge_difference
from tests.on_use import on_use

if TYPE_CHECKING:
    from statsmodels.stats import contingency_tables
else:
    contingency_tables = on_use("statsmodels.stats.contingency_tables")


@pytest.fixture(scope="module")
def rows(shared_dir: Path) -> list[dict[str, Any]]:
    path = shared_dir / "data" / "gsm8k_model_solutions.jsonl"
    if not path.is_file():
        pytest.skip(f"{path} is not beside this checkout")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pair(rows: list[dict[str, Any]], candidate: str, baseline: str) -> PairCounts:
    counts = Counter((row[candidate]["is_correct"], row[baseline]["is_correct"]) for row in rows)
    return PairCounts(counts[True, True], counts[True, False], counts[False, True], counts[False, False])


@pytest.mark.parametrize(
    ("model", "passed"),
    [("6b_finetuning", 286), ("6b_verification", 515), ("175b_finetuning", 458), ("175b_verification", 742)],
)
def test_totals_are_the_published_ones(rows: list[dict[str, Any]], model: str, passed: int) -> None:
    rate = rate_of_counts(sum(row[model]["is_correct"] for row in rows), len(rows))

    assert (rate.items, rate.value) == (1_319, passed / 1_319)


def test_verification_is_better_than_finetuning(rows: list[dict[str, Any]]) -> None:
    counts = pair(rows, "175b_verification", "175b_finetuning")
    comparison = compare_pairs(counts)
    table = [[counts.both_passed, counts.fixed], [counts.regressed, counts.both_failed]]
    theirs: Any = contingency_tables.mcnemar(table, exact=True)

    assert (counts.fixed, counts.regressed, counts.pairs) == (360, 76, 1_319)
    assert comparison.interval == pytest.approx((0.186615, 0.244225), abs=5e-7)
    assert comparison.exact is not None
    assert comparison.exact.exact == pytest.approx(2.891395e-45, rel=2e-7)
    assert comparison.exact.exact == pytest.approx(theirs.pvalue, rel=1e-9)
    assert judge_difference(comparison, 0.02).verdict is Verdict.BETTER


def test_a_small_model_with_verification_is_better_than_a_large_one_without(rows: list[dict[str, Any]]) -> None:
    counts = pair(rows, "6b_verification", "175b_finetuning")
    comparison = compare_pairs(counts)

    assert (counts.fixed, counts.regressed) == (209, 152)
    assert comparison.interval == pytest.approx((0.015052, 0.071458), abs=5e-7)
    assert judge_difference(comparison, 0.0).verdict is Verdict.BETTER


def test_a_run_against_itself_is_no_regression(rows: list[dict[str, Any]]) -> None:
    comparison = compare_pairs(pair(rows, "175b_finetuning", "175b_finetuning"))

    assert comparison.interval == pytest.approx((-0.002904, 0.002904), abs=5e-7)
    assert judge_difference(comparison, 0.01).verdict is Verdict.NO_REGRESSION


def test_twenty_rows_settle_nothing(rows: list[dict[str, Any]]) -> None:
    judgement = judge_difference(compare_pairs(pair(rows[:20], "6b_verification", "175b_finetuning")), 0.02)

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert judgement.items_needed == 5_352
