"""Facts about `POST /api/runs/{run_id}/regrade` and `/retry` as a client sees them."""

import json
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from typing import Any

import httpx2
import psycopg
import pytest

from tests.contract.conftest import (
    ON_ONE_DATABASE,
    MakeEval,
    MakeRun,
    RunToEnd,
    items_of,
    refusal_of,
    string_check,
    wait_for_end,
)
from tests.server import Server

ROWS: list[dict[str, Any]] = [
    {"item": {"a": "x", "b": "x"}, "sample": {"output_text": "x", "n": 1.50}},
    {"item": {"a": "x", "b": "y"}, "sample": {"output_text": "y"}},
    {"item": {"a": "z", "b": "z"}},
]
SAYS_Y = string_check(name="y", input="{{ sample.output_text }}", reference="y")


def regrade(http: httpx2.Client, run: dict[str, Any], query: str = "", **body: Any) -> dict[str, Any]:
    answer = http.post(f"/api/runs/{run['id']}/regrade{query}", json=body)
    assert answer.status_code == 201, answer.text
    return wait_for_end(http, answer.json())


def sampled(count: int, **item: Any) -> dict[str, Any]:
    """Return a data source that asks the model that answers by rules."""
    template = [{"role": "user", "content": "{{ item.a }} ANSWER: {{ item.a }}"}]
    return {
        "type": "completions",
        "model": "scripted",
        "input_messages": {"type": "template", "template": template},
        "sampling_params": {"temperature": 0.5},
        "source": {"type": "file_content", "content": [{"item": {"a": f"{n}", **item}} for n in range(count)]},
    }


def test_a_run_is_graded_again_by_its_evals_criteria(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval()
    source = run_to_end(parent, ROWS)
    run = regrade(http, source, metadata={"k": "v"})

    assert (run["status"], run["result_counts"]) == ("completed", source["result_counts"])
    assert (run["name"], run["metadata"]) == (f"{source['name']} (graded again)", {"k": "v"})
    assert run["data_source"] == {"type": "jsonl", "source": {"type": "file_content", "content": []}}
    assert run["evalhaven"]["regraded"] == {
        "run_id": source["id"],
        "status": "completed",
        "times_retried": 0,
        "imported_from": None,
        "criteria": "eval",
        "testing_criteria": parent["testing_criteria"],
    }
    assert source["evalhaven"]["regraded"] is None
    before, after = items_of(http, source), items_of(http, run)
    for key in (
        "datasource_item_id",
        "datasource_item",
        "sample",
        "results",
        "status",
        "_datasource_item_content_hash",
    ):
        assert [item[key] for item in after] == [item[key] for item in before]
    assert {item["run_id"] for item in after} == {run["id"]}


def test_other_criteria_hold_for_the_new_run_alone(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval()
    source = run_to_end(parent, ROWS)
    formula = {"type": "multi", "name": "half", "graders": {"y": SAYS_Y}, "calculate_output": "y / 2"}
    run = regrade(http, source, testing_criteria=[SAYS_Y, formula], name="anew")

    regraded = run["evalhaven"]["regraded"]
    ids = [criterion["id"] for criterion in regraded["testing_criteria"]]
    assert regraded["criteria"] == "request"
    assert [each["testing_criteria"] for each in run["per_testing_criteria_results"]] == ids
    assert [[result["name"] for result in item["results"]] for item in items_of(http, run)] == [ids] * 3
    assert (run["name"], run["result_counts"]) == ("anew", {"total": 3, "errored": 0, "failed": 2, "passed": 1})
    [_, half] = items_of(http, run)[1]["results"]
    assert (half["type"], half["score"], half["passed"]) == ("multi-grader", 0.5, True)
    assert half["evalhaven"]["parts"] == {"y": {"score": 1.0, "sample": None}}
    assert http.get(f"/v1/evals/{parent['id']}").json()["testing_criteria"] == parent["testing_criteria"]


def test_samples_of_a_model_are_graded_again_without_a_call(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    source = run_to_end(make_eval(), data_source=sampled(4), evalhaven={"repeats": 2})
    assert source["per_model_usage"][0]["invocation_count"] == 8
    run = regrade(http, source, testing_criteria=[string_check(input="{{ sample.output_text }}", reference="2")])

    assert run["per_model_usage"] == []
    assert (run["model"], run["data_source"]["sampling_params"]) == ("scripted", {"temperature": 0.5})
    assert (run["result_counts"]["total"], run["result_counts"]["passed"]) == (8, 2)
    before, after = items_of(http, source), items_of(http, run)
    assert [item["sample"] for item in after] == [item["sample"] for item in before]
    assert all(item["evalhaven"]["reused"] for item in after)
    assert sorted((item["datasource_item_id"], item["evalhaven"]["repeat"]) for item in after) == [
        (position, repeat) for position in range(4) for repeat in range(2)
    ]


def imported_copy(
    http: httpx2.Client, source: dict[str, Any], changed: Callable[[dict[str, Any]], Any] = lambda item: item
) -> dict[str, Any]:
    """Import a run with its items under other ids, as if it came from elsewhere, perhaps with changes; return it."""
    items = items_of(http, source)
    digits = source["id"].removeprefix("evalrun_")
    imported = {**source, "id": f"evalrun_{digits[::-1]}", "evalhaven": {}}
    moved = [
        {**item, "id": f"outputitem_{digits}{n}", "run_id": imported["id"], "evalhaven": {}}
        | {"datasource_item": changed(item["datasource_item"])}
        for n, item in enumerate(items)
    ]
    at = f"/api/import/evals/{source['eval_id']}/runs"
    for path, documents in ((at, [imported]), (f"{at}/{imported['id']}/output_items", moved)):
        lines = "\n".join(json.dumps(document) for document in documents)
        answer = http.post(path, params={"origin": "elsewhere"}, content=lines.encode())
        assert (answer.status_code, answer.json()["refused"]) == (200, []), answer.text
    return imported


def test_an_imported_run_is_graded_again(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    parent = make_eval()
    source = run_to_end(parent, data_source=sampled(3))
    items = items_of(http, source)
    imported = imported_copy(http, source)

    run = regrade(http, imported, testing_criteria=[string_check(input="{{ sample.output_text }}", reference="2")])
    assert run["evalhaven"]["regraded"]["imported_from"] == "elsewhere"
    assert run["result_counts"] == {"total": 3, "errored": 0, "failed": 2, "passed": 1}
    for key in ("input", "output", "model", "usage", "finish_reason"):
        assert [item["sample"][key] for item in items_of(http, run)] == [item["sample"][key] for item in items]
    error = refusal_of(http.post(f"/api/runs/{imported['id']}/retry"))
    assert error["code"] == "imported_run"


def test_a_regrading_is_made_once_for_an_idempotency_key(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    source = run_to_end(make_eval(), ROWS)
    headers = {"idempotency-key": source["id"]}
    first, second = (http.post(f"/api/runs/{source['id']}/regrade", json={}, headers=headers) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    other = http.post(f"/api/runs/{source['id']}/regrade", json={"name": "n"}, headers=headers)
    assert refusal_of(other)["param"] == "Idempotency-Key"


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"testing_criteria": [{"type": "x"}]}, "testing_criteria[0].type"),
        ({"testing_criteria": [{**SAYS_Y, "operation": "is"}]}, "testing_criteria[0].operation"),
        (
            {"testing_criteria": [{"type": "multi", "name": "m", "graders": {"y": SAYS_Y}, "calculate_output": "y+"}]},
            "testing_criteria[0].calculate_output",
        ),
        ({"name": 5}, "name"),
        ({"metadata": {"k": 5}}, "metadata.k"),
        ([], None),
    ],
)
def test_a_regrading_that_makes_no_sense_is_refused(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, body: Any, param: str | None
) -> None:
    source = run_to_end(make_eval(), ROWS)
    assert refusal_of(http.post(f"/api/runs/{source['id']}/regrade", json=body))["param"] == param


def test_criteria_that_never_resolve_are_warned_of_or_refused(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    source = run_to_end(make_eval(), ROWS)
    criteria = [string_check(input="{{ item.a.strip() }}")]
    run = regrade(http, source, testing_criteria=criteria, evalhaven={"repeats": 5}, extra=1)
    pointers = [warning["pointer"] for warning in run["evalhaven"]["warnings"]]
    assert pointers == ["/testing_criteria/0/input", "/extra", "/evalhaven/repeats", "/testing_criteria"]
    assert run["evalhaven"]["repeats"] == 1
    answer = http.post(f"/api/runs/{source['id']}/regrade?strict=true", json={"testing_criteria": criteria})
    assert refusal_of(answer)["code"] == "unresolvable_template"


def test_runs_that_are_unknown_or_have_no_items_are_not_graded_again(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, upload: Any
) -> None:
    for action in ("regrade", "retry"):
        assert refusal_of(http.post(f"/api/runs/evalrun_unknown/{action}"), 404)["param"] == "run_id"
    source = {"type": "jsonl", "source": {"type": "file_id", "id": upload(b"no row")}}
    failed = run_to_end(make_eval(), data_source=source)
    assert refusal_of(http.post(f"/api/runs/{failed['id']}/regrade"))["code"] == "no_output_items"
    again = http.post(f"/api/runs/{failed['id']}/retry")
    assert (again.status_code, again.json()["status"], again.json()["error"]) == (200, "queued", None)
    assert wait_for_end(http, failed)["error"]["code"] == "invalid_data_source"


def test_a_whole_run_that_is_tried_again_is_returned_unchanged(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_to_end(make_eval(), ROWS)
    answer = http.post(f"/api/runs/{run['id']}/retry", json={})
    assert (answer.status_code, answer.json()) == (200, run)


def test_a_canceled_run_goes_on_unless_its_file_is_gone(
    http: httpx2.Client, make_eval: MakeEval, make_run: MakeRun, upload: Any
) -> None:
    rows = b"".join(b'{"item": {"a": "x", "b": "x"}}\n' for _ in range(20_000))
    file_id = upload(rows)
    run = make_run(make_eval(), data_source={"type": "jsonl", "source": {"type": "file_id", "id": file_id}})
    at = f"/v1/evals/{run['eval_id']}/runs/{run['id']}"
    assert http.post(at).json()["status"] == "canceled"
    http.delete(f"/v1/files/{file_id}")
    assert refusal_of(http.post(f"/api/runs/{run['id']}/retry"))["code"] == "file_not_found"

    run = make_run(make_eval(), data_source={"type": "jsonl", "source": {"type": "file_id", "id": upload(rows)}})
    at = f"/v1/evals/{run['eval_id']}/runs/{run['id']}"
    http.post(at)
    assert http.post(f"/api/runs/{run['id']}/retry").json()["status"] == "queued"
    ended = wait_for_end(http, run)
    assert (ended["status"], ended["result_counts"]["passed"]) == ("completed", 20_000)
    assert ended["evalhaven"]["times_retried"] == 1


def test_errored_items_are_chosen_by_message_or_by_id(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    sometimes = {"type": "multi", "name": "m", "graders": {"s": string_check()}, "calculate_output": "1 / (s - 1)"}
    run = run_to_end(make_eval(testing_criteria=[sometimes]), ROWS)
    report = http.get(f"/api/runs/{run['id']}/report").json()
    [error] = report["errors"]
    items = items_of(http, run)
    errored = [each["id"] for each in items if each["status"] == "error"]
    passing = next(each["id"] for each in items if each["status"] != "error")
    path = f"/api/runs/{run['id']}/retry"
    for body, param in (
        ({"errors": ["No such message."]}, "errors"),
        ({"errors": [error["message"], "No such message."]}, "errors"),
        ({"items": [errored[0], passing]}, "items"),
        ({"items": ["outputitem_none"]}, "items"),
        ({"items": []}, "items"),
        ({"errors": [""]}, "errors[0]"),
    ):
        assert refusal_of(http.post(path, json=body))["param"].startswith(param)
    assert http.get(f"/api/runs/{run['id']}").json()["evalhaven"]["times_retried"] == 0
    for number, body in enumerate(({"errors": [error["message"]]}, {"items": errored[:1]}), 1):
        answer = http.post(path, json=body)
        assert (answer.status_code, answer.json()["status"]) == (200, "queued"), answer.text
        ended = wait_for_end(http, answer.json())
        assert (ended["status"], ended["evalhaven"]["times_retried"]) == ("completed", number)
        assert ended["result_counts"] == run["result_counts"]


def test_a_run_with_errors_never_looks_clean(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    nothing = {"type": "multi", "name": "m", "graders": {"s": string_check()}, "calculate_output": "1 / (s - 1)"}
    run = run_to_end(make_eval(testing_criteria=[nothing]), [ROWS[0]])
    assert (run["status"], run["result_counts"]["errored"]) == ("completed", 1)
    assert run["evalhaven"]["errors"] == {"formula_has_no_value": 1}
    [item] = items_of(http, run, status="error")
    assert item["results"][0]["evalhaven"]["error"]["code"] == "formula_has_no_value"
    report = http.get(f"/api/runs/{run['id']}/report").json()
    assert (report["errored"], report["rate"]["value"]) == (1, None)
    [listed] = http.get("/api/runs", params={"eval": run["eval_id"]}).json()["data"]
    assert (listed["errored"], listed["rate"]["value"]) == (1, None)


def test_a_run_of_repeats_that_is_graded_again_is_reported_by_item(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    source = run_to_end(make_eval(), data_source=sampled(12, topic="t"), evalhaven={"repeats": 5})
    run = regrade(http, source, testing_criteria=[string_check(input="{{ sample.output_text }}", reference="2")])

    report = http.get(f"/api/runs/{run['id']}/report", params={"by": "topic"}).json()
    assert (report["items"], report["rate"]["items"], report["rate"]["method"]) == (60, 12, "wilson_effective_size")
    assert report["criteria"][0]["rate"]["items"] == report["breakdowns"][0]["groups"][0]["rate"]["items"] == 12
    assert [each["k"] for each in report["repeats"]["by_k"]] == [1, 5]
    lines = http.get(f"/api/runs/{run['id']}/breakdown", params={"field": "item.topic"}).text.splitlines()
    assert json.loads(lines[1])["rate"] == report["rate"]


@contextmanager
def writes_held_up(server: Server) -> Generator[None]:
    """Keep everybody from writing to a run during a block."""
    if server.database_url is None:
        with closing(sqlite3.connect(server.database_path, isolation_level=None)) as held:
            held.execute("BEGIN IMMEDIATE")
            yield
    else:
        address = server.database_url.replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(address) as held:
            held.execute("LOCK TABLE runs IN EXCLUSIVE MODE")
            yield


def test_errors_are_looked_through_while_others_write(
    server: Server, http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    nothing = {"type": "multi", "name": "m", "graders": {"s": string_check()}, "calculate_output": "1 / (s - 1)"}
    run = run_to_end(make_eval(testing_criteria=[nothing]), [ROWS[0]])
    with writes_held_up(server):
        answer = http.post(f"/api/runs/{run['id']}/retry", json={"errors": ["No such message."]}, timeout=20)
    assert "No such message." in refusal_of(answer)["message"]
