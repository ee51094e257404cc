"""Facts about `GET /api/runs/{run_id}/items`, and the place of one of them, as a client sees them."""

import json
import time
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, RunToEnd, items_of, refusal_of, string_check

RIGHT = string_check(name="right", input="{{ sample.output_text }}", reference="{{ item.b }}")
SHORT = string_check(name="short", input="{{ sample.output_text }}", reference="yy", operation="ne")
ANSWERS = ("x", "y", "yy", "x", "x", "yy")


def rows(answers: tuple[str, ...] = ANSWERS) -> list[dict[str, Any]]:
    """Return rows; the right answer is always "x"."""
    return [
        {
            "item": {
                "n": n,
                "q": f"Question {n}: ÄRGER?",
                "b": "x",
                "meta": {"topic": "even" if n % 2 == 0 else "odd"},
            },
            "sample": {"output_text": answer},
        }
        for n, answer in enumerate(answers)
    ]


@pytest.fixture(scope="module")
def parent(make_eval: MakeEval) -> dict[str, Any]:
    return make_eval(testing_criteria=[RIGHT, SHORT])


@pytest.fixture(scope="module")
def run(parent: dict[str, Any], run_to_end: RunToEnd) -> dict[str, Any]:
    return run_to_end(parent, rows())


def page_of(http: httpx2.Client, run: dict[str, Any], **query: Any) -> dict[str, Any]:
    """Return a page of the items of a run."""
    answer = http.get(f"/api/runs/{run['id']}/items", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def positions(page: dict[str, Any]) -> list[int]:
    return [row["datasource_item_id"] for row in page["data"]]


def test_a_row_shows_an_item_at_a_glance(http: httpx2.Client, run: dict[str, Any]) -> None:
    page = page_of(http, run, fields=["meta.topic", "n", "nothing"])
    stored = items_of(http, run)

    assert (page["run_id"], page["status"], page["items"], page["items_planned"]) == (run["id"], "completed", 6, 6)
    assert (page["partial"], page["ranked"], page["from"], page["total"]) == (False, True, 0, 6)
    assert (page["has_more"], page["next"], page["cut"], page["expected_field"]) == (False, None, False, "b")
    assert page["criteria"] == [{"name": "right", "type": "string_check"}, {"name": "short", "type": "string_check"}]
    assert [row["id"] for row in page["data"]] == [item["id"] for item in stored]
    assert [row["status"] for row in page["data"]] == [item["status"] for item in stored]
    second = page["data"][1]
    assert second == {
        "rank": 1,
        "id": stored[1]["id"],
        "datasource_item_id": 1,
        "repeat": 0,
        "status": "fail",
        "score": 0.5,
        "results": [{"passed": False, "score": 0.0, "error": None}, {"passed": True, "score": 1.0, "error": None}],
        "input": "Question 1: ÄRGER?",
        "output": "y",
        "expected": "x",
        "fields": {"meta.topic": "odd", "n": "1", "nothing": None},
        "latency_ms": None,
        "tokens": None,
        "model": None,
        "finish_reason": None,
        "error": None,
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"order": "desc"}, [5, 4, 3, 2, 1, 0]),
        ({"status": "pass"}, [0, 3, 4]),
        ({"status": ["pass", "fail"], "order": "desc"}, [5, 4, 3, 2, 1, 0]),
        ({"status": "error"}, []),
        ({"failed": "right"}, [1, 2, 5]),
        ({"failed": ["right", "short"]}, [2, 5]),
        ({"failed": "right", "passed": "short"}, [1]),
        ({"errored": "right"}, []),
        ({"most_score": 0.5}, [1, 2, 5]),
        ({"least_score": 0.25, "most_score": 0.75}, [1]),
        ({"criterion": "short", "least_score": 1}, [0, 1, 3, 4]),
        ({"sort": "score"}, [2, 5, 1, 0, 3, 4]),
        ({"sort": "score", "order": "desc"}, [4, 3, 0, 1, 5, 2]),
        ({"sort": "score", "criterion": "short"}, [2, 5, 0, 1, 3, 4]),
        ({"sort": "score", "failed": "right"}, [2, 5, 1]),
        ({"sort": "latency"}, [0, 1, 2, 3, 4, 5]),
        ({"sort": "tokens", "order": "desc", "status": "pass"}, [0, 3, 4]),
        ({"least_latency": 0}, []),
        ({"most_tokens": 5}, []),
        ({"group": "meta.topic:odd"}, [1, 3, 5]),
        ({"group": ["meta.topic:odd", "n:3"]}, [3]),
        ({"error": "No such error."}, []),
        ({"error_code": "none"}, []),
        ({"text": "ärger"}, [0, 1, 2, 3, 4, 5]),
        ({"text": "question 4"}, [4]),
        ({"text": "yy", "order": "desc"}, [5, 2]),
        ({"text": "topic"}, []),
    ],
)
def test_items_are_chosen_and_sorted_and_exported_as_they_are_seen(
    http: httpx2.Client, run: dict[str, Any], query: dict[str, Any], found: list[int]
) -> None:
    page = page_of(http, run, **query)
    assert positions(page) == found
    exported = http.get(f"/api/runs/{run['id']}/export", params=query)
    assert exported.status_code == 200, exported.text
    assert [json.loads(line)["datasource_item_id"] for line in exported.text.splitlines()] == found
    assert page["total"] == (None if "text" in query else len(found))
    if "text" not in query:
        assert [row["rank"] for row in page["data"]] == list(range(len(found)))


@pytest.mark.parametrize("query", [{}, {"sort": "score", "order": "desc"}, {"text": "ärger"}])
def test_windows_and_pages_show_the_same(http: httpx2.Client, run: dict[str, Any], query: dict[str, Any]) -> None:
    whole = positions(page_of(http, run, **query))
    for start in range(7):
        window = page_of(http, run, limit=2, **{"from": start}, **query)
        assert (positions(window), window["from"]) == (whole[start : start + 2], start)
    found: list[int] = []
    page = page_of(http, run, limit=2, **query)
    while page["has_more"]:
        found += positions(page)
        page = page_of(http, run, limit=2, after=page["next"], **query)
    assert found + positions(page) == whole


def test_previews_are_cut(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    text = 'long \\"text\\" ä' * 40_000
    row = {"item": {"q": text, "b": "x"}, "sample": {"output_text": text}}
    (shown,) = page_of(http, run_to_end(make_eval(testing_criteria=[RIGHT]), [row]), chars=20)["data"]
    assert (len(shown["input"]), shown["input"][-1]) == (21, "…")
    assert (len(shown["output"]), shown["output"][-1]) == (21, "…")
    assert shown["expected"] is None or shown["expected"] == "x"


def test_items_are_found_again_after_a_retry_or_a_new_version(
    http: httpx2.Client, parent: dict[str, Any], run_to_end: RunToEnd
) -> None:
    other = run_to_end(parent, rows(("y",)))
    assert [row["output"] for row in page_of(http, other)["data"]] == ["y"]
    assert page_of(http, other, status="pass")["total"] == 0


def place_of(http: httpx2.Client, run: dict[str, Any], item_id: str, **query: Any) -> dict[str, Any]:
    """Return where an item stands."""
    answer = http.get(f"/api/runs/{run['id']}/items/{item_id}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_item_has_neighbours_within_a_choice(http: httpx2.Client, run: dict[str, Any]) -> None:
    ids = [row["id"] for row in page_of(http, run)["data"]]
    found = place_of(http, run, ids[2], failed="right")

    assert (found["run_id"], found["eval_id"], found["datasource_item_id"]) == (run["id"], run["eval_id"], 2)
    assert (found["rank"], found["total"], found["previous"], found["next"]) == (1, 3, ids[1], ids[5])
    first, last = place_of(http, run, ids[0]), place_of(http, run, ids[5])
    assert (first["rank"], first["previous"], first["next"]) == (0, None, ids[1])
    assert (last["rank"], last["previous"], last["next"]) == (5, ids[4], None)
    outside = place_of(http, run, ids[0], failed="right")
    assert (outside["rank"], outside["total"], outside["previous"], outside["next"]) == (None, 3, None, None)


def test_the_same_item_is_found_in_other_runs(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    parent = make_eval(testing_criteria=[RIGHT])
    twice = [*rows(), rows()[4]]
    runs = [
        run_to_end(parent, rows(), name="alike"),
        run_to_end(parent, rows()[::-1], name="turned"),
        run_to_end(parent, rows()[:2], name="without"),
        run_to_end(parent, twice, name="twice"),
    ]
    ids = [row["id"] for row in page_of(http, runs[-1])["data"]]

    def where(item_id: str) -> dict[str, list[int]]:
        # Columns, which tell where else an item is, are made soon after a run has ended.
        deadline = time.monotonic() + 60
        while not (found := place_of(http, runs[-1], item_id))["elsewhere_complete"]:
            assert time.monotonic() < deadline
        assert [each["run_name"] for each in found["elsewhere"]] == ["without", "turned", "alike"]
        return {each["run_name"]: [one["datasource_item_id"] for one in each["samples"]] for each in found["elsewhere"]}

    assert where(ids[4]) == {"alike": [4], "turned": [1], "without": []}
    assert where(ids[0]) == {"alike": [0], "turned": [5], "without": [0]}
    # The second of two equal items has no partner where there is one alone.
    assert where(ids[6]) == {"alike": [], "turned": [], "without": []}
    sample = place_of(http, runs[-1], ids[1])["elsewhere"][2]["samples"][0]
    assert (sample["status"], sample["output"], sample["score"]) == ("fail", "y", 0.0)


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"status": "over"}, "status"),
        ({"passed": "none"}, "passed"),
        ({"failed": "none"}, "failed"),
        ({"errored": "none"}, "errored"),
        ({"criterion": "none", "least_score": 0}, "criterion"),
        ({"group": "none"}, "group"),
        ({"group": "none:x"}, "group"),
        ({"sort": "name"}, "sort"),
        ({"from": -1}, "from"),
        ({"after": "x"}, "after"),
        ({"chars": 1}, "chars"),
        ({"limit": 0}, "limit"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    http: httpx2.Client, run: dict[str, Any], query: dict[str, Any], param: str
) -> None:
    assert refusal_of(http.get(f"/api/runs/{run['id']}/items", params=query))["param"] == param


def test_what_is_not_there_is_not_found(http: httpx2.Client, run: dict[str, Any]) -> None:
    assert refusal_of(http.get("/api/runs/evalrun_none/items"), 404)["param"] == "run_id"
    answer = http.get(f"/api/runs/{run['id']}/items/outputitem_none")
    assert refusal_of(answer, 404)["param"] == "output_item_id"
    item = page_of(http, run)["data"][0]["id"]
    refused = http.get(f"/api/runs/{run['id']}/items/{item}", params={"text": "x"})
    assert refusal_of(refused)["param"] == "text"


def test_an_item_is_found_by_its_id_alone(
    http: httpx2.Client, make_eval: MakeEval, parent: dict[str, Any], run_to_end: RunToEnd
) -> None:
    first, other = run_to_end(parent, rows()), run_to_end(make_eval(testing_criteria=[RIGHT]), rows(("x", "y")))
    wanted = items_of(http, first)[1]

    assert http.get(f"/api/output_items/{wanted['id']}").json() == {
        "object": "run.item_found",
        "id": wanted["id"],
        "run_id": first["id"],
        "run_name": first["name"],
        "eval_id": parent["id"],
        "eval_name": parent["name"],
        "datasource_item_id": 1,
        "repeat": 0,
        "status": "fail",
    }
    last = items_of(http, other)[-1]
    assert http.get(f"/api/output_items/{last['id']}").json()["run_id"] == other["id"]
    http.delete(f"/v1/evals/{other['eval_id']}/runs/{other['id']}").raise_for_status()
    for gone in (last["id"], "outputitem_00000000000000000000000000000000", "x", "%00", "a b"):
        assert refusal_of(http.get(f"/api/output_items/{gone}"), 404)["param"] == "output_item_id"
