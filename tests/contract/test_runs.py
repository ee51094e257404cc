"""`/v1/evals/{eval_id}/runs`: create, get, list by status, cancel, delete, counts."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import (
    FINAL,
    MakeEval,
    MakeRun,
    RunToEnd,
    Upload,
    file_source,
    inline_source,
    items_of,
    refusal_of,
    string_check,
    wait_for_end,
)
from tests.server import Server

LONG_ROWS = 50_000
PASSES = {"item": {"a": "x", "b": "x"}}
FAILS = {"item": {"a": "x", "b": "y"}}
NO_COUNTS = {"total": 0, "errored": 0, "failed": 0, "passed": 0}


@pytest.fixture(scope="module")
def long_file(upload: Upload) -> str:
    """A file whose run takes long enough to be interrupted."""
    return upload(b'{"item": {"a": "x", "b": "x"}}\n' * LONG_ROWS)


def _path(run: dict[str, Any]) -> str:
    return f"/v1/evals/{run['eval_id']}/runs/{run['id']}"


def test_a_new_run_answers_as_the_hosted_one_was_recorded(
    http: httpx2.Client, make_eval: MakeEval, upload: Upload, server: Server, shared_dir: Path
) -> None:
    recorded = json.loads((shared_dir / "spec/recorded/run_queued_file_id_completions__2025-05.json").read_text())
    parent = make_eval()
    source = {**recorded["data_source"], "source": {"type": "file_id", "id": upload(b'{"item": {"ticket_text": ""}}')}}
    sent = {key: value for key, value in source.items() if key != "sampling_params"}
    answer = http.post(f"/v1/evals/{parent['id']}/runs", json={"name": "Categorization text run", "data_source": sent})
    assert answer.status_code == 201
    made = answer.json()
    assert re.fullmatch(r"evalrun_[0-9a-f]{12}819[01][0-9a-f]{16}", made["id"])
    assert int(made["id"][8:16], 16) == made["created_at"]
    assert made["report_url"] == f"{server.url}/ui/evals/{parent['id']}/runs/{made['id']}"
    assert made.pop("evalhaven") == {
        "items_planned": None,
        "started_at": None,
        "ended_at": None,
        "unresolved": 0,
        "warnings": [],
        "repeats": 1,
        "cache": False,
        "max_concurrency": None,
        "extra_body": None,
        "budget": None,
        "labels": [],
        "strict": False,
        "errors": {},
        "latency": None,
        "cost": None,
        "usage_split": None,
        "retries": 0,
        "cache_hits": 0,
        "limiter": None,
        "sandbox": None,
        "times_retried": 0,
        "regraded": None,
    }
    recorded["data_source"]["source"] = source["source"]
    for key in ("id", "eval_id", "report_url", "created_at"):
        recorded[key] = made[key]
    assert json.dumps(made) == json.dumps(recorded), "keys, values and their order are the recorded ones"


def test_a_finished_run_counts_items_and_criteria(make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    parent = make_eval(testing_criteria=[string_check(), string_check(name="other", operation="ne")])
    run = run_to_end(parent, [PASSES, FAILS, FAILS])
    assert (run["status"], run["error"]) == ("completed", None)
    assert run["result_counts"] == {"total": 3, "errored": 0, "failed": 3, "passed": 0}
    ids = [criterion["id"] for criterion in parent["testing_criteria"]]
    assert run["per_testing_criteria_results"] == [
        {"testing_criteria": ids[0], "testing_criteria_id": ids[0], "passed": 1, "failed": 2, "errored": 0},
        {"testing_criteria": ids[1], "testing_criteria_id": ids[1], "passed": 2, "failed": 1, "errored": 0},
    ]
    assert run["per_model_usage"] == []
    own = run["evalhaven"]
    assert own["items_planned"] == 3
    assert run["created_at"] <= own["started_at"] <= own["ended_at"] <= time.time() + 1


def test_an_item_passes_only_if_every_criterion_does(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval(testing_criteria=[string_check(), string_check(name="x", reference="x")])
    run = run_to_end(parent, [PASSES, FAILS, {"item": {"a": "y", "b": "y"}}])
    assert [item["status"] for item in items_of(http, run)] == ["pass", "fail", "fail"]
    assert run["result_counts"] == {"total": 3, "errored": 0, "failed": 2, "passed": 1}


def test_names_and_models_have_defaults(make_eval: MakeEval, make_run: MakeRun, upload: Upload) -> None:
    parent = make_eval(name="the eval")
    assert [make_run(parent)[key] for key in ("name", "model", "metadata")] == ["the eval", "", {}]
    named = make_run(parent, name="mine", metadata={"k": "v"})
    assert (named["name"], named["metadata"]) == ("mine", {"k": "v"})
    assert make_run(parent, name=None, metadata=None)["name"] == "the eval"
    sampled = {
        "type": "completions",
        "source": {"type": "file_id", "id": upload(b"{}")},
        "input_messages": {"type": "item_reference", "item_reference": "item.m"},
        "model": "vendor/model:free",
    }
    run = make_run(parent, data_source=sampled)
    assert (run["name"], run["model"]) == ("vendor/model:free", "vendor/model:free")


def test_get_answers_what_create_did(http: httpx2.Client, make_eval: MakeEval, make_run: MakeRun) -> None:
    made = make_run(make_eval(), name="n", metadata={"k": "v"})
    found = wait_for_end(http, made)
    unchanged = ("id", "eval_id", "report_url", "model", "name", "created_at", "data_source", "error", "metadata")
    assert {key: found[key] for key in unchanged} == {key: made[key] for key in unchanged}
    assert list(found) == list(made)


def test_runs_are_filtered_by_status(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    parent = make_eval(testing_criteria=[string_check()])
    done, failed = (
        run_to_end(parent),
        run_to_end(parent, data_source={"type": "responses", "source": NO_CALLS["responses"]}),
    )
    for status, expected in (
        ("completed", [done["id"]]),
        ("failed", [failed["id"]]),
        ("canceled", []),
        ("queued", []),
        ("in_progress", []),
    ):
        listed = http.get(f"/v1/evals/{parent['id']}/runs", params={"status": status}).json()["data"]
        assert [run["id"] for run in listed] == expected
    listed = http.get(f"/v1/evals/{parent['id']}/runs").json()["data"]
    assert listed == [failed, done]


@pytest.mark.parametrize("path", ["", "/cancel"])
def test_a_canceled_run_stops_counting_and_keeps_finished_items(
    http: httpx2.Client, make_eval: MakeEval, make_run: MakeRun, long_file: str, path: str
) -> None:
    run = make_run(make_eval(), data_source=file_source(long_file))
    answer = http.post(f"{_path(run)}{path}")
    assert answer.status_code == 200
    canceled = answer.json()
    assert (canceled["status"], canceled["error"]) == ("canceled", None)
    total = canceled["result_counts"]["total"]
    assert total < LONG_ROWS
    time.sleep(0.5)
    later = http.get(_path(run)).json()
    assert later == canceled
    assert len(_all_ids(http, run)) == total
    again = http.post(f"{_path(run)}{path}")
    assert (again.status_code, again.json()) == (200, canceled)


def _all_ids(http: httpx2.Client, run: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    query: dict[str, Any] = {"limit": 1000}
    while True:
        page = http.get(f"{_path(run)}/output_items", params=query).json()
        found |= {item["id"] for item in page["data"]}
        if not page["has_more"]:
            return found
        query["after"] = page["last_id"]


@pytest.mark.parametrize("body", ["", "{}", "null", "not read"])
def test_cancelling_a_finished_run_returns_it_unchanged(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, body: str
) -> None:
    run = run_to_end(make_eval())
    answer = http.post(_path(run), content=body)
    assert (answer.status_code, answer.json()) == (200, run)


def test_a_deleted_run_is_gone_at_once(
    http: httpx2.Client, make_eval: MakeEval, make_run: MakeRun, run_to_end: RunToEnd, long_file: str
) -> None:
    parent = make_eval()
    kept = run_to_end(parent)
    for run in (run_to_end(parent), make_run(parent, data_source=file_source(long_file))):
        answer = http.delete(_path(run))
        assert answer.status_code == 200
        assert answer.text == f'{{"object":"eval.run.deleted","deleted":true,"run_id":"{run["id"]}"}}'
        assert refusal_of(http.get(_path(run)), 404)["param"] == "run_id"
        refusal_of(http.delete(_path(run)), 404)
        refusal_of(http.post(_path(run)), 404)
        refusal_of(http.post(f"{_path(run)}/cancel"), 404)
        refusal_of(http.get(f"{_path(run)}/output_items"), 404)
        after = http.get(f"/v1/evals/{parent['id']}/runs", params={"after": run["id"]})
        assert [each["id"] for each in after.json()["data"]] == [kept["id"]], "its id stays a valid cursor"
    assert [each["id"] for each in http.get(f"/v1/evals/{parent['id']}/runs").json()["data"]] == [kept["id"]]


def test_a_run_belongs_to_its_eval_alone(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    run, other = run_to_end(make_eval()), make_eval()
    foreign = f"/v1/evals/{other['id']}/runs/{run['id']}"
    for answer in (http.get(foreign), http.post(foreign), http.delete(foreign), http.get(f"{foreign}/output_items")):
        refusal_of(answer, 404)
    assert http.get(_path(run)).json() == run


NO_CALLS: dict[str, Any] = {
    "completions": {"type": "stored_completions", "metadata": {"nothing": "has this"}},
    "responses": {"type": "responses", "metadata": {"nothing": "has this"}},
}


@pytest.mark.parametrize("kind", NO_CALLS)
def test_a_run_for_which_there_are_no_logged_calls_fails_and_says_so(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, kind: str
) -> None:
    run = run_to_end(make_eval(), data_source={"type": kind, "source": NO_CALLS[kind]})
    assert (run["status"], run["error"]["code"]) == ("failed", "invalid_data_source")
    assert '{"metadata":{"nothing":"has this"}}' in run["error"]["message"]
    assert run["result_counts"] == NO_COUNTS
    assert run["per_testing_criteria_results"] is None
    assert items_of(http, run) == []


@pytest.mark.parametrize("kind", ["text_similarity", "label_model", "score_model", "python", "multi"])
def test_a_grader_that_is_not_built_fails_the_run_or_is_executed(
    make_eval: MakeEval, run_to_end: RunToEnd, kind: str
) -> None:
    messages = [{"role": "user", "content": "x"}]
    criterion: dict[str, Any] = {
        "text_similarity": {"input": "", "reference": "", "evaluation_metric": "bleu", "pass_threshold": 1},
        "label_model": {"model": "scripted", "input": messages, "labels": ["a"], "passing_labels": ["a"]},
        "score_model": {"model": "scripted", "input": messages},
        "python": {"source": "def grade(sample, item):\n    return 1.0\n"},
        "multi": {"graders": {"s": string_check()}, "calculate_output": "s"},
    }[kind]
    run = run_to_end(make_eval(testing_criteria=[string_check(), {"type": kind, "name": "its name", **criterion}]))
    assert run["status"] in FINAL
    if run["status"] == "failed":
        assert run["error"]["code"] == "unsupported"
        assert kind in run["error"]["message"]
        assert "its name" in run["error"]["message"]


@pytest.mark.parametrize("kind", ["completions", "responses"])
@pytest.mark.parametrize("nulls", [{}, {"input_messages": None, "model": None, "sampling_params": None}])
def test_without_messages_and_model_the_rows_own_samples_are_graded(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, kind: str, nulls: dict[str, Any]
) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}
    rows = [{**PASSES, "sample": {"model": "m", "choices": [choice]}}]
    run = run_to_end(
        make_eval(testing_criteria=[string_check(input="{{ sample.output_text }}")]),
        data_source={"type": kind, "source": inline_source(rows)["source"], **nulls},
    )
    assert (run["status"], run["model"], run["result_counts"]["passed"]) == ("completed", "", 1)
    [item] = items_of(http, run)
    assert item["sample"]["output"] == [{"role": "assistant", "content": "x"}]


def test_the_sdk_does_the_whole_life_of_a_run(client: openai.OpenAI, make_eval: MakeEval, long_file: str) -> None:
    parent = make_eval()["id"]
    source: Any = file_source(long_file)
    run = client.evals.runs.create(parent, data_source=source, name="sdk", metadata={"k": "v"})
    assert (run.status, run.name, run.metadata) == ("queued", "sdk", {"k": "v"})
    assert client.evals.runs.cancel(run.id, eval_id=parent).status == "canceled"
    assert client.evals.runs.retrieve(run.id, eval_id=parent).status == "canceled"
    assert [each.id for each in client.evals.runs.list(parent, status="canceled", order="asc")] == [run.id]
    assert client.evals.runs.delete(run.id, eval_id=parent).run_id == run.id
    with pytest.raises(openai.NotFoundError):
        client.evals.runs.retrieve(run.id, eval_id=parent)
