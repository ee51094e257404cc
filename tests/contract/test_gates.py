"""Facts about `POST /api/runs/{run_id}/gate` as a client sees it."""

from typing import Any

import httpx2
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, RunToEnd, refusal_of, string_check
from tests.contract.test_comparisons import SAYS, rows_of

COUNT = 400


@pytest.fixture(scope="module")
def runs(make_eval: MakeEval, run_to_end: RunToEnd) -> dict[str, dict[str, Any]]:
    """Runs over the same rows: all right, the same, a few wrong, many wrong, and one with errors."""
    parent = make_eval(testing_criteria=[SAYS, string_check(name="short", input="{{ item.b }}", reference="x")])
    answers = {
        "base": "x" * COUNT,
        "same": "x" * COUNT,
        "slightly worse": "x" * (COUNT - 4) + "y" * 4,
        "much worse": "x" * (COUNT - 80) + "y" * 80,
    }
    return {name: run_to_end(parent, rows_of(texts, "x" * COUNT)) for name, texts in answers.items()}


def gate(http: httpx2.Client, run: dict[str, Any], baseline: str = "auto", **policy: Any) -> dict[str, Any]:
    """Return what the gate decides."""
    answer = http.post(f"/api/runs/{run['id']}/gate", params={"baseline": baseline}, json=policy)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("name", "margin", "outcome", "verdict"),
    [
        ("same", 0.02, "pass", "no_regression"),
        ("slightly worse", 0.05, "pass", "no_regression"),
        ("slightly worse", 0.011, "inconclusive", "inconclusive"),
        ("much worse", 0.02, "fail", "regression"),
    ],
)
def test_a_margin_decides(
    http: httpx2.Client, runs: dict[str, dict[str, Any]], name: str, margin: float, outcome: str, verdict: str
) -> None:
    result = gate(http, runs[name], runs["base"]["id"], margin=margin)

    assert (result["outcome"], result["checks"][0]["verdict"]) == (outcome, verdict)
    assert result["exit_status"] == {"pass": 0, "fail": 1, "inconclusive": 2}[outcome]
    assert result["chosen"] == "named"
    assert ("would settle it" in result["sentence"]) == (outcome == "inconclusive")


@pytest.mark.parametrize(
    ("name", "threshold", "outcome"),
    [("same", 0.99, "pass"), ("much worse", 0.9, "fail"), ("much worse", 0.8, "inconclusive"), ("same", 1, "pass")],
)
def test_a_threshold_needs_no_baseline(
    http: httpx2.Client, runs: dict[str, dict[str, Any]], name: str, threshold: float, outcome: str
) -> None:
    result = gate(http, runs[name], "none", threshold=threshold)

    assert (result["outcome"], result["baseline"], result["chosen"]) == (outcome, None, "none")


def test_tiers_say_what_a_criterion_can_do(http: httpx2.Client, runs: dict[str, dict[str, Any]]) -> None:
    def outcome(tier: str) -> str:
        criteria = {"right": {"tier": tier}, "short": {"tier": "critical"}}
        return gate(http, runs["much worse"], runs["base"]["id"], margin=0.02, criteria=criteria)["outcome"]

    assert (outcome("critical"), outcome("supporting"), outcome("advisory")) == ("fail", "fail", "pass")


def test_items_without_a_result_can_turn_a_decision(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[string_check(input="{{ sample.output_text }}", reference="x")])

    def sampled(faulty: int) -> dict[str, Any]:
        # Without a question there is nothing to ask a model: such an item is errored.
        content = [{"item": {"n": n} if n < faulty else {"n": n, "q": "why"}} for n in range(100)]
        template = [{"role": "user", "content": "{{ item.q }} ANSWER: x"}]
        return {
            "data_source": {
                "type": "completions",
                "model": "scripted",
                "input_messages": {"type": "template", "template": template},
                "source": {"type": "file_content", "content": content},
            }
        }

    base = run_to_end(parent, **sampled(0))
    outcomes = {
        faulty: gate(http, run_to_end(parent, **sampled(faulty)), base["id"], margin=0.05, key=["n"])
        for faulty in (0, 3, 10)
    }

    assert {faulty: result["outcome"] for faulty, result in outcomes.items()} == {
        0: "pass",
        3: "inconclusive",
        10: "inconclusive",
    }
    assert [outcomes[faulty]["checks"][0]["reason"] for faulty in (3, 10)] == [
        "unknown_outcomes_decide",
        "too_many_errors",
    ]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("policy", "param", "code"),
    [
        ({}, "margin", "no_margin"),
        ({"criteria": {"right": {"tier": "advisory"}}, "margin": 0.1}, "margin", "no_margin"),
        ({"criteria": {"wrong": {}}, "margin": 0.1}, "criteria.wrong", "invalid_value"),
        ({"margins": 0.1}, "margins", "invalid_value"),
        ({"margin": 2}, "margin", None),
        ({"criteria": {"right": {"teir": "critical"}}, "margin": 0.1}, "criteria.right.teir", "invalid_value"),
    ],
)
def test_a_policy_that_cannot_decide_is_refused(
    http: httpx2.Client, runs: dict[str, dict[str, Any]], policy: dict[str, Any], param: str, code: str | None
) -> None:
    answer = http.post(f"/api/runs/{runs['same']['id']}/gate", params={"baseline": runs["base"]["id"]}, json=policy)
    refusal = refusal_of(answer)

    assert refusal["param"] == param
    assert code is None or refusal["code"] == code


def test_a_margin_without_a_baseline_is_refused(http: httpx2.Client, runs: dict[str, dict[str, Any]]) -> None:
    answer = http.post(f"/api/runs/{runs['same']['id']}/gate?baseline=none", json={"margin": 0.1})

    assert refusal_of(answer)["code"] == "no_baseline"


def test_no_pinned_run_is_an_error_where_one_is_asked_for(http: httpx2.Client, runs: dict[str, dict[str, Any]]) -> None:
    answer = http.post(f"/api/runs/{runs['same']['id']}/gate?baseline=pinned", json={"margin": 0.1})

    assert refusal_of(answer)["code"] == "no_baseline"
