"""Facts about `GET /api/evals/{eval_id}/plan` as a client sees it."""

from typing import Any

import httpx2
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, RunToEnd, refusal_of
from tests.contract.test_comparisons import SAYS, rows_of


def plan(http: httpx2.Client, parent: dict[str, Any], **query: Any) -> dict[str, Any]:
    """Return a plan."""
    answer = http.get(f"/api/evals/{parent['id']}/plan", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_without_history_a_tenth_of_the_items_is_assumed_to_change(http: httpx2.Client, make_eval: MakeEval) -> None:
    found = plan(http, make_eval(), difference=0.03, margin=0.02, threshold=0.95)

    (one,) = found["plans"]
    assert (one["repeats"], one["difference"], one["margin"], one["threshold"]) == (1, 870, 1963, 73)
    assert (found["history"]["is_assumed"], found["history"]["spread"], found["history"]["runs"]) == (True, 0.1, [])
    assert "it is assumed that 10 % of the items change" in found["notes"][0]
    assert "only if all of them pass" in found["notes"][1]
    assert "870 items" in found["sentence"]


def test_the_spread_is_that_of_the_last_comparable_runs(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    first = run_to_end(parent, rows_of("x" * 98, "x" * 98))
    run_to_end(parent, rows_of("x" * 98, "x" * 98, start=500))
    last = run_to_end(parent, rows_of("x" * 94 + "y" * 4, "x" * 98))
    found = plan(http, parent, difference=0.03)

    assert found["history"]["runs"] == [last["id"], first["id"]]
    assert (found["history"]["pairs"], found["history"]["items"]) == (98, 98)
    assert found["history"]["spread"] == pytest.approx(0.05)
    assert found["history"]["rate"] == pytest.approx(94 / 98)
    assert found["plans"][0]["difference"] == 434
    assert "what repeats would save is not known" in found["notes"][1]


def test_a_difference_that_is_larger_than_what_changed_is_planned_too(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    for _ in range(2):
        run_to_end(parent, rows_of("x" * 98, "x" * 98))
    found = plan(http, parent, difference=0.1, threshold=1)

    assert found["history"]["spread"] == pytest.approx(0.01)
    assert 10 <= found["plans"][0]["difference"] < 100
    assert "as many were taken to change" in found["notes"][-1]
    assert found["plans"][0]["threshold"] is None
    assert "more items than there can be" in found["sentence"]


def test_repeats_take_away_what_varies_within_items(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    source = "import random\ndef grade(sample, item):\n    return float(random.random() < 0.5)\n"
    parent = make_eval(testing_criteria=[{"type": "python", "name": "luck", "source": source, "pass_threshold": 0.5}])

    def sampled(word: str) -> dict[str, Any]:
        template = [{"role": "user", "content": word + " {{ item.n }}"}]
        return {
            "data_source": {
                "type": "completions",
                "model": "scripted",
                "input_messages": {"type": "template", "template": template},
                "source": {"type": "file_content", "content": [{"item": {"n": n}} for n in range(40)]},
            },
            "evalhaven": {"repeats": 2},
        }

    run_to_end(parent, **sampled("a"))
    run_to_end(parent, **sampled("b"))
    found = plan(http, parent, margin=0.02)

    assert 0 < found["history"]["within"] <= 0.5
    needed = [each["margin"] for each in found["plans"]]
    assert [each["repeats"] for each in found["plans"]] == [1, 2, 3, 5, 10]
    assert needed == sorted(needed, reverse=True)
    assert needed[0] > 2 * needed[-1]


def test_criteria_that_pass_together_need_more_items(http: httpx2.Client, make_eval: MakeEval) -> None:
    parent = make_eval()
    one, five = (plan(http, parent, margin=0.02, criteria=count) for count in (1, 5))

    assert five["power"] == pytest.approx(0.8**0.2)
    assert five["plans"][0]["margin"] > one["plans"][0]["margin"]


def test_nothing_asked_is_answered_by_what_the_items_show(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    assert "Nothing is known" in plan(http, parent)["sentence"]
    for _ in range(2):
        run_to_end(parent, rows_of("xy" * 100, "x" * 200))
    assert "200 items show" in plan(http, parent)["sentence"]


@ON_ONE_DATABASE
@pytest.mark.parametrize("query", [{"difference": 0}, {"margin": -0.1}, {"threshold": 2}, {"criteria": 0}])
def test_a_question_out_of_range_is_refused(http: httpx2.Client, make_eval: MakeEval, query: dict[str, Any]) -> None:
    answer = http.get(f"/api/evals/{make_eval()['id']}/plan", params=query)

    assert refusal_of(answer)["param"] in query


def test_items_are_paired_by_the_fields_that_are_named(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    for release in ("1.4", "1.5"):
        rows = rows_of("x" * 20, "x" * 20)
        for row in rows:
            row["item"]["release"] = release
        run_to_end(parent, rows)

    by_content, by_number = plan(http, parent, margin=0.02), plan(http, parent, margin=0.02, key="n")

    assert (by_content["history"]["is_assumed"], by_number["history"]["is_assumed"]) == (True, False)
    assert by_number["history"]["pairs"] == 20


def test_a_field_that_items_lack_is_refused(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    run_to_end(parent, rows_of("xx", "xx"))
    refused = http.get(f"/api/evals/{parent['id']}/plan", params={"margin": 0.02, "key": "absent"})

    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "key"
