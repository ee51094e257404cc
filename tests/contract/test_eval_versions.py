"""Facts about versions of an eval: one follows another, and runs are compared across them."""

import json
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import MakeEval, RunToEnd, eval_body, refusal_of
from tests.contract.test_comparisons import SAYS, compare, rows_of

ALSO = {**SAYS, "name": "also"}


def following(parent: dict[str, Any]) -> dict[str, Any]:
    """Return what makes a new eval follow another one."""
    return {"evalhaven": {"follows": parent["id"]}}


def versions_of(http: httpx2.Client, parent: dict[str, Any]) -> dict[str, Any]:
    """Return the versions of an eval."""
    answer = http.get(f"/api/evals/{parent['id']}/versions")
    assert answer.status_code == 200, answer.text
    return answer.json()


def runs_of(http: httpx2.Client, parent: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the runs of an eval and of those that it follows."""
    return http.get("/api/runs", params={"eval": parent["id"], "versions": True}).json()["data"]


def test_an_eval_that_follows_another_one_is_its_next_version_wherever_it_is_shown(
    http: httpx2.Client, make_eval: MakeEval
) -> None:
    first = make_eval()
    second = make_eval(**following(first))
    third = make_eval(name="the third of three", **following(second))

    assert [each["evalhaven"]["version"] for each in (first, second, third)] == [1, 2, 3]
    assert [each["evalhaven"]["follows"] for each in (first, second, third)] == [None, first["id"], second["id"]]
    assert http.get(f"/v1/evals/{third['id']}").json() == third
    assert third in http.get("/v1/evals", params={"order": "desc", "limit": 5}).json()["data"]
    (listed,) = http.get("/api/evals", params={"search": "the third of three"}).json()["data"]
    assert (listed["version"], listed["follows"]) == (3, second["id"])


def test_several_evals_may_follow_the_same_one(http: httpx2.Client, make_eval: MakeEval) -> None:
    first = make_eval()
    branches = [make_eval(name=f"branch {n}", **following(first)) for n in range(2)]

    assert [each["evalhaven"]["version"] for each in branches] == [2, 2]
    for each in branches:
        assert [one["id"] for one in versions_of(http, each)["data"]] == [each["id"], first["id"]]
    followers = versions_of(http, first)["followers"]
    assert followers == [{"id": each["id"], "name": each["name"], "version": 2} for each in reversed(branches)]


@pytest.mark.parametrize("follows", ["eval_00000000000000000000000000000000", "nothing", "", 7, "\ud800"])
def test_following_what_is_no_eval_is_refused_by_name(http: httpx2.Client, follows: Any) -> None:
    answer = http.post("/v1/evals", content=json.dumps(eval_body(evalhaven={"follows": follows})))

    assert refusal_of(answer)["param"] == "evalhaven.follows"


def test_a_repeated_request_makes_one_version_even_if_the_eval_before_is_gone(
    http: httpx2.Client, make_eval: MakeEval
) -> None:
    first = make_eval()
    body, headers = json.dumps(eval_body(**following(first))), {"Idempotency-Key": "version two"}
    made = http.post("/v1/evals", content=body, headers=headers).json()
    http.delete(f"/v1/evals/{first['id']}")
    again = http.post("/v1/evals", content=body, headers=headers)

    assert (again.status_code, again.json()) == (201, made)


def test_versions_tell_what_each_of_them_changed(http: httpx2.Client, make_eval: MakeEval) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}, "b": {}}, "required": ["b"]}
    config = {"type": "custom", "item_schema": schema, "include_sample_schema": True}
    first = make_eval(data_source_config=config, testing_criteria=[SAYS])
    second = make_eval(
        data_source_config=config, testing_criteria=[{**SAYS, "operation": "ne"}, ALSO], **following(first)
    )
    stricter = {**config, "item_schema": {**schema, "required": ["n", "b"]}}
    third = make_eval(data_source_config=stricter, testing_criteria=[ALSO], **following(second))

    shown = versions_of(http, third)["data"]
    assert [(each["version"], each["id"], each["runs"]) for each in shown] == [
        (3, third["id"], 0), (2, second["id"], 0), (1, first["id"], 0)
    ]  # fmt: skip
    assert [each["changes"] for each in shown] == [
        ["criterion 'right' is gone", "field 'n' of items is required now"],
        ["criterion 'right' differs in 'operation'", "criterion 'also' is new"],
        None,
    ]


def test_a_deleted_version_leaves_the_others(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    first, rows = make_eval(testing_criteria=[SAYS]), rows_of("xy", "xx")
    old = run_to_end(first, rows)
    second = make_eval(testing_criteria=[SAYS], **following(first))
    third = make_eval(testing_criteria=[SAYS], **following(second))
    run = run_to_end(third, rows)
    http.delete(f"/v1/evals/{second['id']}")

    assert http.get(f"/v1/evals/{third['id']}").json() == third
    shown = versions_of(http, third)["data"]
    assert [(each["id"], each["changes"]) for each in shown] == [(third["id"], None), (first["id"], None)]
    assert [each["id"] for each in runs_of(http, third)] == [run["id"], old["id"]]
    assert compare(http, run)["baseline"]["run_id"] == old["id"]


def test_runs_of_followed_evals_are_listed_on_demand_and_what_changed_between_is_marked(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    first = make_eval(testing_criteria=[SAYS])
    old = run_to_end(first, rows_of("xy", "xx"))
    second = make_eval(testing_criteria=[ALSO], **following(first))
    new = run_to_end(second, rows_of("xyx", "xxx"))
    again = run_to_end(second, rows_of("xyx", "xxx"))

    shown = runs_of(http, second)
    assert [(each["id"], each["eval_version"]) for each in shown] == [(again["id"], 2), (new["id"], 2), (old["id"], 1)]
    assert [each["previous_run"] for each in shown] == [new["id"], old["id"], None]
    assert [each["changed"] for each in shown] == [[], ["data", "criteria"], []]
    own = http.get("/api/runs", params={"eval": second["id"]}).json()["data"]
    assert [each["id"] for each in own] == [again["id"], new["id"]]
    assert [each["id"] for each in runs_of(http, first)] == [old["id"]], "those that follow are not among them"


def test_the_baseline_of_a_first_run_is_one_of_the_version_before(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    rows = rows_of("x" * 30 + "y" * 10, "x" * 40)
    first = make_eval(name="line", testing_criteria=[SAYS, ALSO])
    old = run_to_end(first, rows)
    second = make_eval(name="line", testing_criteria=[SAYS, {**ALSO, "name": "else"}], **following(first))
    new = run_to_end(second, rows)

    found = compare(http, new)
    (one,) = found["comparisons"]
    assert (found["chosen"], found["baseline"]["run_id"], found["baseline"]["eval_id"]) == (
        "earlier", old["id"], first["id"]
    )  # fmt: skip
    assert [each["name"] for each in one["criteria"]] == ["right"]
    assert (one["counts"]["passed"], one["counts"]["failed"]) == (30, 10)
    assert [(each["what"], each["message"]) for each in one["warnings"]] == [
        ("evals_differ", "The baseline is of version 1 of the eval, and the run of version 2."),
        ("criteria_missing", "Only one of the runs has the criteria 'also', 'else'."),
    ]
    policy = {"criteria": {"right": {"tier": "critical", "margin": 0.1}, "else": {"margin": 0.1}}}
    gate = http.post(f"/api/runs/{new['id']}/gate", json=policy).json()
    assert (gate["outcome"], gate["chosen"], gate["baseline"]["run_id"]) == ("pass", "earlier", old["id"])
    assert [check["name"] for check in gate["checks"]] == ["right"]
    assert gate["warnings"] == [each["message"] for each in one["warnings"]]


def test_the_nearest_pinned_run_of_a_line_is_the_baseline(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    rows = rows_of("xy", "xx")
    first = make_eval(testing_criteria=[SAYS])
    second = make_eval(testing_criteria=[SAYS], **following(first))
    third = make_eval(testing_criteria=[SAYS], **following(second))
    oldest, old, later = run_to_end(first, rows), run_to_end(second, rows), run_to_end(third, rows)
    last = run_to_end(third, rows)
    for run, chosen in ((None, ("earlier", later)), (oldest, ("pinned", oldest)), (old, ("pinned", old))):
        if run is not None:
            http.post(f"/api/runs/{run['id']}/pin").raise_for_status()
        found = compare(http, last)
        assert (found["chosen"], found["baseline"]["run_id"]) == (chosen[0], chosen[1]["id"])


def test_an_imported_eval_keeps_its_version_and_a_circle_of_them_ends(http: httpx2.Client, make_eval: MakeEval) -> None:
    made = make_eval()
    ids = [f"eval_{made['id'][5:][::-1]}", f"eval_{made['id'][6:][::-1]}0"]
    documents = [
        {**made, "id": ids[n], "evalhaven": {"warnings": [], "version": n + 4, "follows": ids[1 - n]}} for n in range(2)
    ]
    lines = "\n".join(json.dumps(each) for each in documents)
    answer = http.post("/api/import/evals", params={"origin": "elsewhere"}, content=lines.encode())
    assert (answer.status_code, answer.json()["refused"]) == (200, []), answer.text

    shown = versions_of(http, {"id": ids[1]})["data"]
    assert [(each["id"], each["version"], each["follows"]) for each in shown] == [
        (ids[1], 5, ids[0]), (ids[0], 4, ids[1])
    ]  # fmt: skip
    extension = http.get(f"/v1/evals/{ids[1]}").json()["evalhaven"]
    assert (extension["version"], extension["follows"]) == (5, ids[0])
    for each in ids:
        http.delete(f"/v1/evals/{each}")
