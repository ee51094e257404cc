"""`/api/runs/{run_id}` and `evalhaven watch`, which reads it: runs of every end, on a real server."""

import json
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, MakeRun, RunToEnd, Upload, file_source, refusal_of
from tests.server import SLOW_MODEL, Server
from tests.system.commands import call_command

ROWS = [{"item": {"a": "x", "b": "x"}}, {"item": {"a": "x", "b": "y"}}, {"item": {"a": "x", "b": "x"}}]
_REPEATED = 100
_MANY = 3_000  # times the rows of a run that is still under way whenever it is canceled


def run_by_id(http: httpx2.Client, run: dict[str, Any], **query: str) -> dict[str, Any]:
    answer = http.get(f"/api/runs/{run['id']}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def slow_source(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a data source whose run takes its time."""
    messages = {"type": "template", "template": [{"role": "user", "content": "{{ item.a }}"}]}
    source = {"type": "file_content", "content": rows}
    return {"type": "completions", "model": SLOW_MODEL, "input_messages": messages, "source": source}


def watch(server: Server, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Watch a run with JSON lines; return the exit status and the lines."""
    watched = call_command("watch", *arguments, "--json", "--interval", "0.1", directory=None, **server.of_commands)
    assert watched.stderr == ""
    return watched.returncode, [json.loads(line) for line in watched.stdout.splitlines()]


def test_a_run_is_found_by_its_id_alone(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    run = run_to_end(make_eval(), ROWS)

    assert run_by_id(http, run) == run
    assert run_by_id(http, run, rows="true") == run


def test_inline_rows_are_left_out_where_they_are_not_wanted(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_to_end(make_eval(), ROWS)
    assert run["data_source"]["source"]["content"] == ROWS

    source = {"type": "jsonl", "source": {"type": "file_content"}}
    assert run_by_id(http, run, rows="false") == {**run, "data_source": source}


def test_a_source_without_rows_stays_as_it_is(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, upload: Upload
) -> None:
    file_id = upload(json.dumps(ROWS[0]).encode())
    run = run_to_end(make_eval(), data_source=file_source(file_id))

    assert run_by_id(http, run, rows="false") == run


def test_an_imported_run_is_found_with_and_without_its_rows(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    parent = make_eval()
    run = run_to_end(parent, ROWS)
    imported = {**run, "id": f"{run['id']}_elsewhere"}
    path = f"/api/import/evals/{parent['id']}/runs"
    answer = http.post(path, params={"origin": "elsewhere"}, content=json.dumps(imported))
    assert answer.json() == {"created": 1, "unchanged": 0, "refused": []}

    found = run_by_id(http, imported)
    assert found["data_source"]["source"]["content"] == ROWS
    bare = run_by_id(http, imported, rows="false")
    assert bare == {**found, "data_source": {"type": "jsonl", "source": {"type": "file_content"}}}


@pytest.mark.parametrize("run_id", ["evalrun_unknown", "x", "evalrun_%00", "e" * 129])
def test_an_unknown_run_is_not_found(http: httpx2.Client, run_id: str) -> None:
    error = refusal_of(http.get(f"/api/runs/{run_id}"), 404)

    assert (error["param"], error["code"]) == ("run_id", "not_found")


def test_a_deleted_run_is_not_found(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    parent = make_eval()
    alone, with_its_eval = run_to_end(parent, ROWS), run_to_end(parent, ROWS)
    assert http.delete(f"/v1/evals/{parent['id']}/runs/{alone['id']}").status_code == 200
    refusal_of(http.get(f"/api/runs/{alone['id']}"), 404)
    assert http.delete(f"/v1/evals/{parent['id']}").status_code == 200
    refusal_of(http.get(f"/api/runs/{with_its_eval['id']}"), 404)


@ON_ONE_DATABASE
def test_an_invalid_choice_about_rows_is_refused(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_to_end(make_eval(), ROWS)

    assert refusal_of(http.get(f"/api/runs/{run['id']}", params={"rows": "perhaps"}))["param"] == "rows"


def test_watching_shows_a_run_until_it_completes(server: Server, make_eval: MakeEval, make_run: MakeRun) -> None:
    run = make_run(make_eval(), data_source=slow_source(ROWS * _REPEATED))
    status, lines = watch(server, run["report_url"])
    done = [line["done"] for line in lines]
    last = lines[-1]

    assert status == 0
    assert [line["status"] for line in lines[:-1]].count("completed") == 0
    assert (last["status"], last["done"], last["planned"], last["fraction"]) == ("completed", 300, 300, 1.0)
    assert (last["passed"], last["failed"], last["errored"]) == (200, 100, 0)
    assert done == sorted(done)
    assert [line for line in lines if (line["items_per_s"] or 0) > 0 and (line["eta_s"] or 0) > 0]
    assert (last["tokens"]["total_tokens"], last["limiter"]["endpoint"], last["errors"]) == (600, "slow", {})


def test_a_run_that_failed_ends_watching_with_1(
    server: Server, make_eval: MakeEval, run_to_end: RunToEnd, upload: Upload
) -> None:
    run = run_to_end(make_eval(), data_source=file_source(upload(b"no row")))
    status, lines = watch(server, run["id"])

    assert status == 1
    assert (lines[-1]["status"], lines[-1]["error"]["code"]) == ("failed", "invalid_data_source")


def test_a_run_that_is_canceled_ends_watching_with_3(
    server: Server, http: httpx2.Client, make_eval: MakeEval, make_run: MakeRun
) -> None:
    run = make_run(make_eval(), data_source=slow_source(ROWS * _MANY))
    assert http.post(f"/v1/evals/{run['eval_id']}/runs/{run['id']}").json()["status"] == "canceled"
    status, lines = watch(server, run["id"])

    assert (status, lines[-1]["status"], len(lines)) == (3, "canceled", 1)


def test_an_unknown_run_cannot_be_watched(server: Server) -> None:
    watched = call_command("watch", "evalrun_unknown", directory=None, **server.of_commands)

    assert watched.returncode == 70
    assert watched.stderr.startswith("Error: ")
    assert "answers 404: Run not found: no run with id 'evalrun_unknown'." in watched.stderr
    assert "Traceback" not in watched.stderr
