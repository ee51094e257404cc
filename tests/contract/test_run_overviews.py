"""Facts about `GET /api/runs` as a client sees it."""

from typing import Any

import httpx2
import pytest

from tests.contract.conftest import MakeEval, RunToEnd, Upload, file_source, refusal_of, wait_for_end
from tests.contract.test_comparisons import SAYS, rows_of
from tests.contract.test_regrading import imported_copy
from tests.contract.test_report_gaps import sampled


def page_of(http: httpx2.Client, **query: Any) -> dict[str, Any]:
    """Return a page of runs."""
    answer = http.get("/api/runs", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def parent(make_eval: MakeEval) -> dict[str, Any]:
    return make_eval(name="for runs", testing_criteria=[SAYS, {**SAYS, "name": "also", "operation": "ne"}])


@pytest.fixture(scope="module")
def runs(http: httpx2.Client, parent: dict[str, Any], run_to_end: RunToEnd) -> list[dict[str, Any]]:
    """Return a run, the same run again, one over other rows, and one that grades anew by other criteria."""
    one = run_to_end(parent, rows_of("xxy", "xxx"), name="First Ä", metadata={"prompt": "v1"})
    again = run_to_end(parent, rows_of("xyy", "xxx"), name="second")
    other = run_to_end(parent, rows_of("xyyy", "xxxx"), name="third")
    criteria = [{**SAYS, "name": "else"}]
    answer = http.post(f"/api/runs/{other['id']}/regrade", json={"testing_criteria": criteria, "name": "fourth"})
    regraded = answer.json()
    while regraded["status"] not in ("completed", "failed"):
        regraded = http.get(f"/api/runs/{regraded['id']}").json()
    return [one, again, other, regraded]


def test_a_run_is_shown_with_its_figures(
    http: httpx2.Client, parent: dict[str, Any], runs: list[dict[str, Any]]
) -> None:
    shown = page_of(http, eval=parent["id"])["data"]
    one = shown[-1]
    report = http.get(f"/api/runs/{runs[0]['id']}/report").json()

    assert [each["id"] for each in shown] == [each["id"] for each in reversed(runs)]
    assert (one["eval_id"], one["eval_name"], one["name"]) == (parent["id"], "for runs", "First Ä")
    assert (one["status"], one["items"], one["items_planned"], one["partial"]) == ("completed", 3, 3, False)
    assert (one["passed"], one["failed"], one["errored"]) == (0, 3, 0)
    assert one["rate"] == report["rate"]
    assert [(each["name"], each["passed"], each["rate"]) for each in one["criteria"]] == [
        (each["name"], each["passed"], each["rate"]) for each in report["criteria"]
    ]
    assert (one["data_source"], one["source"], one["file_id"], one["repeats"]) == ("jsonl", "file_content", None, 1)
    assert (one["metadata"], one["pinned"], one["imported"]) == ({"prompt": "v1"}, False, False)
    assert (one["cost"], one["tokens"]["total"], one["errors"]) == (None, 0, {})
    assert one["duration_s"] == one["ended_at"] - one["started_at"]
    assert shown[0]["regraded_from"] == runs[2]["id"]
    assert [each["name"] for each in shown[0]["criteria"]] == ["else"]


def test_what_changed_since_the_run_before_is_marked(
    http: httpx2.Client, parent: dict[str, Any], runs: list[dict[str, Any]]
) -> None:
    fourth, third, second, first = page_of(http, eval=parent["id"])["data"]

    assert (first["previous_run"], first["changed"]) == (None, [])
    assert (second["previous_run"], second["changed"]) == (runs[0]["id"], [])
    assert (third["previous_run"], third["changed"]) == (runs[1]["id"], ["data"])
    assert fourth["previous_run"] == runs[2]["id"]
    assert "criteria" in fourth["changed"]
    # The run before is looked up even if it is on another page.
    assert page_of(http, eval=parent["id"], limit=1)["data"][0]["changed"] == fourth["changed"]


def test_a_pinned_run_and_the_file_of_a_run_are_told(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, upload: Upload
) -> None:
    parent = make_eval()
    file_id = upload(b'{"item": {"a": "x", "b": "x"}}\n')
    run = run_to_end(parent, data_source=file_source(file_id))
    http.post(f"/api/runs/{run['id']}/pin")
    (shown,) = page_of(http, eval=parent["id"])["data"]
    assert (shown["file_id"], shown["source"], shown["pinned"]) == (file_id, "file_id", True)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"search": "FIRST ä"}, ["First Ä"]),
        ({"status": "completed"}, ["fourth", "third", "second", "First Ä"]),
        ({"status": ["failed", "queued"]}, []),
        ({"model": "gpt"}, []),
        ({"model": ""}, ["fourth", "third", "second", "First Ä"]),
    ],
)
def test_runs_are_chosen(
    http: httpx2.Client, parent: dict[str, Any], runs: list[dict[str, Any]], query: dict[str, Any], names: list[str]
) -> None:
    assert runs
    assert [each["name"] for each in page_of(http, eval=parent["id"], **query)["data"]] == names


def test_pages_follow_each_other(http: httpx2.Client, parent: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    found: list[str] = []
    page = page_of(http, eval=parent["id"], limit=1)
    while page["has_more"]:
        found += [each["id"] for each in page["data"]]
        page = page_of(http, eval=parent["id"], limit=1, after=page["next"])
    assert found + [each["id"] for each in page["data"]] == [each["id"] for each in reversed(runs)]
    assert page["next"] is None


def test_runs_of_all_evals_are_in_one_list(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    made = [run_to_end(make_eval(name=f"eval {n}"), name="of all evals")["id"] for n in range(2)]
    shown = page_of(http, search="of all evals")["data"]
    assert [each["id"] for each in shown] == made[::-1]
    assert [each["eval_name"] for each in shown] == ["eval 1", "eval 0"]
    http.delete(f"/v1/evals/{shown[0]['eval_id']}")
    assert [each["id"] for each in page_of(http, search="of all evals")["data"]] == made[:1]


@pytest.mark.parametrize(
    ("query", "status", "param"),
    [
        ({"after": "nonsense"}, 400, "after"),
        ({"after": "a12"}, 400, "after"),
        ({"status": "over"}, 400, "status"),
        ({"limit": 0}, 400, "limit"),
        ({"eval": "eval_none"}, 404, "eval_id"),
    ],
)
def test_what_cannot_be_understood_is_refused(
    http: httpx2.Client, query: dict[str, Any], status: int, param: str
) -> None:
    assert refusal_of(http.get("/api/runs", params=query), status)["param"] == param


def test_imported_samples_of_an_item_are_no_items(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(name="for imports", testing_criteria=[SAYS])
    made = run_to_end(parent, **sampled(12, repeats=4))
    imported = imported_copy(http, made)
    regraded = http.post(f"/api/runs/{imported['id']}/regrade", json={}).json()
    wait_for_end(http, regraded)
    shown = {each["id"]: each for each in page_of(http, eval=parent["id"])["data"]}
    overview = next(each for each in http.get("/api/evals").json()["data"] if each["id"] == parent["id"])
    points = {each["id"]: each for each in overview["recent"]}

    assert shown[imported["id"]]["imported"] is True
    for run_id in (made["id"], imported["id"], regraded["id"]):
        assert shown[run_id]["repeats"] == 4
        assert (shown[run_id]["rate"]["items"], shown[run_id]["rate"]["method"]) == (12, "wilson_effective_size")
        assert shown[run_id]["rate"] == points[run_id]["rate"] == shown[made["id"]]["rate"]
        assert shown[run_id]["criteria"][0]["rate"]["items"] == 12
        assert http.get(f"/api/runs/{run_id}/report").json()["rate"]["items"] == 12
