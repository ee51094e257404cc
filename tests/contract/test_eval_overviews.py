"""Facts about `GET /api/evals` as a client sees it."""

import time
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, RunToEnd, refusal_of
from tests.contract.test_comparisons import SAYS, rows_of

TEAM = "overviews of evals"


def page_of(http: httpx2.Client, **query: Any) -> dict[str, Any]:
    """Return a page of evals."""
    answer = http.get("/api/evals", params={"metadata[team]": TEAM, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def evals(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> dict[str, dict[str, Any]]:
    """Three evals: one with two runs, one whose run could not be executed, one without runs."""
    metadata = {"team": TEAM}
    two = make_eval(name="Zwölf Äpfel", testing_criteria=[SAYS, {**SAYS, "name": "also"}], metadata=metadata)
    before = run_to_end(two, rows_of("xxxxyyyyyy", "xxxxxxxxxx"), name="before")
    after = run_to_end(two, rows_of("xxxxxxxxyy", "xxxxxxxxxx"), name="after")
    none = make_eval(name="nothing yet", metadata=metadata)
    return {"two": two, "none": none, "before": before, "after": after}


def test_an_eval_is_shown_with_its_last_runs(http: httpx2.Client, evals: dict[str, dict[str, Any]]) -> None:
    shown, empty = page_of(http)["data"]

    assert (shown["id"], shown["name"], shown["data_source"]) == (evals["two"]["id"], "Zwölf Äpfel", "custom")
    assert (shown["runs"], shown["metadata"], shown["imported"]) == (2, {"team": TEAM}, False)
    assert shown["criteria"] == [{"name": "right", "type": "string_check"}, {"name": "also", "type": "string_check"}]
    assert shown["criteria_count"] == 2
    assert [each["name"] for each in shown["recent"]] == ["before", "after"]
    assert [(each["passed"], each["failed"], each["items"]) for each in shown["recent"]] == [(4, 6, 10), (8, 2, 10)]
    assert not any(each["partial"] for each in shown["recent"])
    assert shown["last_run"] == shown["recent"][1]
    report = http.get(f"/api/runs/{evals['after']['id']}/report").json()
    assert shown["last_rate"] == {"run_id": evals["after"]["id"], "rate": report["rate"]}

    assert (empty["id"], empty["runs"], empty["recent"]) == (evals["none"]["id"], 0, [])
    assert (empty["last_run"], empty["last_rate"], empty["change"]) == (None, None, None)


def test_the_change_is_what_the_comparison_says(http: httpx2.Client, evals: dict[str, dict[str, Any]]) -> None:
    # Columns are made soon after a run has ended; until then the rates are compared.
    deadline = time.monotonic() + 60
    while not (change := page_of(http)["data"][0]["change"])["paired_by"] and time.monotonic() < deadline:
        assert change["difference"]["value"] == pytest.approx(0.4)
        assert change["difference"]["method"] == "newcombe_unpaired"
    compared = http.get("/api/compare", params={"runs": evals["after"]["id"], "base": evals["before"]["id"]}).json()

    assert (change["run_id"], change["baseline_id"]) == (evals["after"]["id"], evals["before"]["id"])
    assert change["paired_by"] == "content"
    assert change["difference"] == compared["comparisons"][0]["difference"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"search": "ZWÖLF Ä"}, ["Zwölf Äpfel"]),
        ({"search": "nowhere to be found"}, []),
        ({"type": "custom"}, ["Zwölf Äpfel", "nothing yet"]),
        ({"type": "logs"}, []),
        ({"type": ["logs", "custom"]}, ["Zwölf Äpfel", "nothing yet"]),
        ({"status": "completed"}, ["Zwölf Äpfel"]),
        ({"status": "none"}, ["nothing yet"]),
        ({"status": ["failed", "none"]}, ["nothing yet"]),
        ({"metadata[team]": "another"}, []),
        ({"sort": "created"}, ["nothing yet", "Zwölf Äpfel"]),
        ({"sort": "created", "order": "asc"}, ["Zwölf Äpfel", "nothing yet"]),
        ({"sort": "last_run", "order": "asc"}, ["nothing yet", "Zwölf Äpfel"]),
    ],
)
def test_evals_are_chosen_and_sorted(
    http: httpx2.Client, evals: dict[str, dict[str, Any]], query: dict[str, Any], names: list[str]
) -> None:
    assert evals["two"]
    assert [each["name"] for each in page_of(http, **query)["data"]] == names


def test_an_eval_is_found_by_its_id(http: httpx2.Client, evals: dict[str, dict[str, Any]]) -> None:
    found = page_of(http, search=evals["none"]["id"].upper())["data"]
    assert [each["id"] for each in found] == [evals["none"]["id"]]


@pytest.mark.parametrize("sort", ["last_run", "created", "updated"])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_follow_each_other(http: httpx2.Client, evals: dict[str, dict[str, Any]], sort: str, order: str) -> None:
    assert evals["two"]
    whole = [each["id"] for each in page_of(http, sort=sort, order=order)["data"]]
    first = page_of(http, sort=sort, order=order, limit=1)
    assert (first["has_more"], len(first["data"])) == (True, 1)
    second = page_of(http, sort=sort, order=order, limit=1, after=first["next"])
    assert (second["has_more"], second["next"]) == (False, None)
    assert [first["data"][0]["id"], second["data"][0]["id"]] == whole


def test_an_update_moves_an_eval(http: httpx2.Client, make_eval: MakeEval) -> None:
    old, new = (make_eval(name=name, metadata={"team": "moved"}) for name in ("old", "new"))
    http.post(f"/v1/evals/{old['id']}", json={"name": "renamed"})
    found = page_of(http, sort="updated", **{"metadata[team]": "moved"})["data"]
    assert {each["id"]: each["name"] for each in found} == {old["id"]: "renamed", new["id"]: "new"}
    assert all(each["updated_at"] >= each["created_at"] for each in found)


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"after": "nonsense"}, "after"),
        ({"after": "12.x y"}, "after"),
        ({"sort": "name"}, "sort"),
        ({"status": "over"}, "status"),
        ({"type": "other"}, "type"),
        ({"limit": 0}, "limit"),
        ({"metadata": "x"}, "metadata"),
    ],
)
def test_what_cannot_be_understood_is_refused(http: httpx2.Client, query: dict[str, Any], param: str) -> None:
    assert refusal_of(http.get("/api/evals", params=query))["param"] == param
