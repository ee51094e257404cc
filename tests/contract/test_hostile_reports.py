"""Facts about reports and comparisons of values at the limits of what numbers and texts can hold."""

import json
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import MakeEval, RunToEnd, string_check
from tests.contract.test_comparisons import SAYS, compare, rows_of

HOSTILE: list[Any] = ["\ud800", "\x00", "a\u2028b", "x:y", 1, 1.0, True, 1e308, 10**40]


def test_texts_with_lone_surrogates_are_reported_and_compared(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[string_check(name="crit\ud800")])
    rows = [{"item": {"a": "y", "b": "y", "g": value, "f\ud800": 1, "\x00": 2}} for value in HOSTILE]
    run, other = (run_to_end(parent, rows, name=f"{name}\ud800") for name in ("one", "other"))
    report = http.get(f"/api/runs/{run['id']}/report", params={"by": "g"}).json()

    assert (report["name"], report["criteria"][0]["name"]) == ("one\ud800", "crit\ud800")
    assert {field["name"] for field in report["fields"]} == {"a", "b", "g", "f\ud800", "\x00"}
    found = [json.dumps(group["value"]) for group in report["breakdowns"][0]["groups"]]
    assert sorted(found) == sorted(map(json.dumps, HOSTILE))

    (one,) = compare(http, other, base=run["id"], margin=0.5)["comparisons"]
    assert (one["candidate"]["name"], one["criteria"][0]["name"]) == ("other\ud800", "crit\ud800")
    assert one["sentence"].startswith("Whether other\ud800 is worse than one\ud800 cannot be told")
    gated = http.post(f"/api/runs/{other['id']}/gate", params={"baseline": run["id"]}, json={"margin": 0.5})
    assert gated.status_code == 200
    assert "other\ud800 passes" in gated.json()["sentence"]


@pytest.mark.parametrize("group", [*HOSTILE[1:4], "1", "1.0", "true", str(10**40)])
def test_a_group_is_chosen_by_the_text_of_its_value(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, group: str
) -> None:
    run = run_to_end(make_eval(), [{"item": {"a": "y", "b": "y", "g": value}} for value in HOSTILE])
    query = {"run": run["id"], "base": run["id"], "group": f"g:{group}"}
    (found,) = http.get("/api/compare/items", params=query).json()["data"]
    value = found["item"]["g"]
    assert (value if isinstance(value, str) else json.dumps(value)) == group


SCORE = {"type": "python", "name": "score", "source": "def grade(sample, item):\n    return float(item['s'])"}


def test_scores_that_are_nearly_too_large_have_a_mean_and_no_difference(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[{**SCORE, "pass_threshold": 0.5}])
    run, other = (
        run_to_end(parent, [{"item": {"n": n, "s": f"{sign}1.7e308"}} for n in range(24)]) for sign in ("", "-")
    )
    mixed = run_to_end(parent, [{"item": {"n": n, "s": f"{'-' if n % 2 else ''}1.7e308"}} for n in range(24)])
    scores = http.get(f"/api/runs/{mixed['id']}/report").json()["criteria"][0]["scores"]
    assert (scores["mean"], scores["high"], scores["histogram"]) == (0.0, 1.7e308, None)
    (one,) = compare(http, other, base=run["id"], key="n")["comparisons"]
    assert one["counts"]["regressed"] == 24
    assert one["criteria"][0]["score_difference"] is None


def test_a_key_may_be_named_as_in_templates(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    rows = [{"item": {"a": "y", "b": "y", "p.q": [n, {"r": n}], "more": more}} for n, more in ((1, 0), (2, 0))]
    run, other = (run_to_end(make_eval(), given) for given in (rows, rows[::-1]))
    for key in ('item["p.q"][1].r', "p.q", "item.more"):
        (one,) = compare(http, other, base=run["id"], key=key)["comparisons"]
        assert (one["paired_by"], one["counts"]["passed"]) == ("fields", 2)


def test_runs_of_one_name_are_told_apart_in_the_sentence(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    run, other = (run_to_end(parent, rows_of("x" * 20 + "y" * given, "x" * 40)) for given in (20, 20))
    (one,) = compare(http, other, base=run["id"])["comparisons"]
    assert one["sentence"].startswith("No difference between the run and the baseline can be told")
    better = run_to_end(parent, rows_of("x" * 40, "x" * 40))
    (one,) = compare(http, better, base=run["id"])["comparisons"]
    assert one["sentence"].startswith("The run is better than the baseline: 50.0 points")


def test_a_sentence_claims_no_more_than_the_verdict(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[SAYS])
    run, other = (run_to_end(parent, rows_of(given * 9, "x" * 9)) for given in "yx")
    for margin in ({}, {"margin": 0.02}):
        (one,) = compare(http, other, base=run["id"], **margin)["comparisons"]
        assert one["difference"]["verdict"] in ("undecided", "inconclusive")
        assert "better" not in one["sentence"]
    assert one["sentence"].startswith("Whether the run is worse than the baseline cannot be told: +100.0 points")
