"""Facts about what a report says that it cannot tell, for figures that need judges and prices."""

from typing import Any

import pytest

from evalhaven.reports.gaps import gaps_of
from evalhaven.wire.reports import RunReport
from tests.unit.storage.stored import make_eval, make_run

RATE = {"value": 0.5, "low": 0.4, "high": 0.6, "items": 100, "method": "wilson", "thin": False}
NO_RATE = {**RATE, "value": None, "low": None, "high": None}
SCORES: dict[str, Any] = {
    "items": 100, "mean": 0.5, "deviation": 0.1, "low": 0, "high": 1, "mean_interval": [0.4, 0.6], "histogram": None,
}  # fmt: skip
SPREAD = {"items": 7, "mean": 1, "p50": 1, "p90": 1, "p95": 1, "p99": 1, "high": 1, "histogram": None}
FEW = "Fewer than 10 independent items tell too little of others"


def criterion(name: str = "right", **changes: Any) -> dict[str, Any]:
    """Return what a report has of a criterion."""
    counts = {"passed": 50, "failed": 50, "errored": 0}
    more = {"scores": None, "labels": [], "agreement": None}
    return {"name": name, "type": "string_check", **counts, "rate": RATE, **more, **changes}


def why(**changes: Any) -> list[str]:
    """Return the reasons that a report of a completed run gives."""
    report = {
        "object": "run.report", "run_id": "run", "eval_id": "eval", "name": "", "model": "", "status": "completed",
        "items": 100, "items_planned": 100, "passed": 50, "failed": 50, "errored": 0, "rate": RATE, "criteria": [],
        "errors": [], "latency_ms": None, "tokens": None, "usage": [], "cost": None, "repeats": None, "fields": [],
        "breakdowns": [], "gaps": [], **changes,
    }  # fmt: skip
    return [gap.why for gap in gaps_of(make_run(make_eval()), RunReport.model_validate(report), is_repeated=False)]


def test_scores_beyond_0_and_1_have_no_interval() -> None:
    wild = {**SCORES, "high": 7, "mean_interval": None, "mean": 3}
    found = why(criteria=[criterion("stars", scores=wild), criterion("same", scores=SCORES)])

    assert found == ["Not all scores of 'stars' are between 0 and 1, so their mean has no interval."]


@pytest.mark.parametrize(("mean", "is_told"), [(0.5, False), (0.6, True)])
def test_a_mean_of_few_scores_is_told_of_unless_it_is_the_rate(mean: float, is_told: bool) -> None:
    found = why(criteria=[criterion(scores={**SCORES, "mean_interval": None, "mean": mean})])

    assert (f"{FEW}: the mean score of 'right' has no interval." in found) == is_told


def test_labels_that_nobody_gave_or_wanted_have_no_precision_or_recall() -> None:
    label = {"support": 40, "predicted": 40, "correct": 30, "precision": RATE, "recall": RATE, "f1": 0.5}
    labels = [
        {"label": "good", **label},
        {"label": "bad", **label, "precision": NO_RATE},
        {"label": "odd", **label, "recall": {**RATE, "low": None}},
        {"label": "new", **label, "recall": NO_RATE},
    ]
    agreement = {"field": "human", "items": 98, "accuracy": RATE, "macro_f1": 0.5, "labels": labels}

    assert why(criteria=[criterion("judge", agreement=agreement)]) == [
        "2 items have no label of 'judge' or nothing in 'human' to compare it with.",
        "'judge' never gave 'bad', so there is no precision.",
        "'human' is never 'new', so there is no recall.",
        f"{FEW}: some rates of 'judge' against 'human' have no interval.",
    ]


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1000, "20 results have no label of 'judge', or one beyond the first 1,000 different ones."),
        (99, "1 result has no label of 'judge'."),
        (100, None),
    ],
)
def test_labels_that_are_not_listed_are_counted(count: int, told: str | None) -> None:
    graded = {"passed": count, "failed": {1000: 20, 99: 1, 100: 0}[count]}
    labels = [{"label": f"{n}", "items": 1} for n in range(count)]

    assert why(criteria=[criterion("judge", labels=labels, **graded)]) == ([] if told is None else [told])


def test_groups_without_a_result_are_counted() -> None:
    group = {"value": "a", "items": 4, "passed": 2, "failed": 2, "errored": 0, "rate": RATE}
    breakdown = {"field": "topic", "values": 3, "groups": [group, {**group, "value": "b", "rate": NO_RATE}]}

    assert why(breakdowns=[breakdown]) == ["1 group of 2 by 'topic' has no item with a result."]


def test_answers_that_do_not_count_their_tokens_are_told_of() -> None:
    assert why(latency_ms=SPREAD) == ["7 answers do not say how many tokens they took."]
    assert why(latency_ms=SPREAD, tokens={**SPREAD, "items": 6}) == ["1 answer does not say how many tokens it took."]
