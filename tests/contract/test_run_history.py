"""Facts about `GET /api/runs/{run_id}/events`: what happened to a run, from its creation on."""

import json
from typing import Any

import httpx2

from tests.contract.conftest import MakeEval, RunToEnd, refusal_of


def life_of(http: httpx2.Client, run_id: str) -> list[dict[str, Any]]:
    answer = http.get(f"/api/runs/{run_id}/events")
    assert answer.status_code == 200, answer.text
    assert answer.json()["has_more"] is False
    return answer.json()["data"]


def test_a_run_that_went_well_was_created_started_planned_and_completed(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_to_end(make_eval(), [{"item": {"a": "x", "b": "x"}}] * 3)
    life = life_of(http, run["id"])

    assert [each["type"] for each in life] == ["created", "started", "planned", "completed"]
    assert life[2]["items"] == 3
    told = run["evalhaven"]
    assert [life[n]["at"] for n in (0, 1, 3)] == [run["created_at"], told["started_at"], told["ended_at"]]
    assert sorted(each["at"] for each in life) == [each["at"] for each in life]


def test_an_imported_run_shows_the_times_that_came_with_it_and_its_import(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    source = run_to_end(make_eval(), [{"item": {"a": "x", "b": "x"}}])
    run_id = f"evalrun_{source['id'].removeprefix('evalrun_')[::-1]}"
    imported = {**source, "id": run_id, "created_at": 1_700_000_000, "evalhaven": {}}
    path = f"/api/import/evals/{source['eval_id']}/runs"
    answer = http.post(path, params={"origin": "elsewhere"}, content=json.dumps(imported))
    assert (answer.status_code, answer.json()["refused"]) == (200, []), answer.text
    life = life_of(http, run_id)

    assert (life[0]["type"], life[0]["at"], life[-1]["type"]) == ("created", 1_700_000_000, "imported")
    assert life[-1]["at"] >= source["created_at"]


def test_a_run_that_is_not_there_has_no_events(http: httpx2.Client) -> None:
    assert refusal_of(http.get("/api/runs/evalrun_none/events"), status=404)["param"] == "run_id"
