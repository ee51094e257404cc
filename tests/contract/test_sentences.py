"""Facts about sentences of comparisons, gates and plans: counts agree with their nouns and have their commas."""

from typing import Any

import httpx2
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, RunToEnd
from tests.contract.test_comparisons import SAYS, compare, rows_of
from tests.contract.test_gates import gate
from tests.contract.test_html_reports import Seen, page_of

pytestmark = ON_ONE_DATABASE


@pytest.fixture(scope="module")
def runs(make_eval: MakeEval, run_to_end: RunToEnd) -> dict[str, dict[str, Any]]:
    """Runs with one item, with 400 that pass, and with 1,318 beside one that another run has, too."""
    parent = make_eval(testing_criteria=[SAYS])

    def run(name: str, count: int, start: int = 0) -> dict[str, Any]:
        return run_to_end(parent, rows_of("x" * count, "x" * count, start), name=name)

    return {"one": run("one", 1), "many": run("many", 400), "others": run("others", 1319)}


def test_one_item_is_one_item(http: httpx2.Client, runs: dict[str, dict[str, Any]]) -> None:
    (one,) = compare(http, runs["one"], base=runs["others"]["id"])["comparisons"]

    assert one["warnings"][0]["message"] == "1,318 items are in the baseline only, 0 in the other run only."
    page = {"run": runs["one"]["id"], "base": runs["others"]["id"]}
    assert "1 item, paired by their content" in Seen(page_of(http, "/api/compare/report.html", **page)).text


def test_a_margin_of_one_point_is_one_point(http: httpx2.Client, runs: dict[str, dict[str, Any]]) -> None:
    (one,) = compare(http, runs["many"], base=runs["many"]["id"], margin=0.01)["comparisons"]
    decided = gate(http, runs["many"], runs["many"]["id"], margin=0.01)
    undecided = gate(http, runs["many"], runs["many"]["id"], margin=0.005)

    assert one["sentence"].startswith("The run is no more than 1 point worse than the baseline: +0.0 points")
    assert decided["sentence"].startswith("many passes: it is no more than 1 point worse than many (+0.0 points")
    assert ", where up to 0.5 points may be lost, and the interval is too wide. " in undecided["sentence"]


def test_plans_count_items_and_points(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, runs: dict[str, dict[str, Any]]
) -> None:
    address = f"/api/evals/{runs['one']['eval_id']}/plan"
    told = http.get(address, params={"margin": 0.01}).json()["sentence"]
    lonely = make_eval(testing_criteria=[SAYS])
    run_to_end(lonely, rows_of("x", "x"))

    assert told.startswith("To show that a run is no more than 1 point worse takes ")
    assert http.get(f"/api/evals/{lonely['id']}/plan").json()["sentence"].startswith("1 item shows ")
