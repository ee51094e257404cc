"""Rows in the forms that public programs send: untyped leaves, bare items, answers in forms of our own."""

import json
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import (
    ON_ONE_DATABASE,
    MakeEval,
    RunToEnd,
    Upload,
    file_source,
    inline_source,
    items_of,
    refusal_of,
    string_check,
    wait_for_end,
)
from tests.contract.test_regrading import regrade

LEAVES = {
    "type": "object",
    "properties": {
        "query": {"type": "string"},
        "passed": {"type": "string"},
        "score": {"type": ["string", "null"]},
        "deep": {"type": "object", "properties": {"turns": {"type": "array", "items": {"type": "string"}}}},
    },
    "required": ["query"],
}
LOOSE = {"query": "q", "passed": True, "score": 0.5, "deep": {"turns": ["a", None]}}
SHOWS_JSON = string_check(
    input="{{ item.passed }} {{ item.score }} {{ item.deep.turns[1] }}", reference="true 0.5 null"
)
BOTH = pytest.mark.parametrize("kind", ["inline", "file"])
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def parent(make_eval: MakeEval) -> dict[str, Any]:
    return make_eval(data_source_config={"type": "custom", "item_schema": LEAVES}, testing_criteria=[SHOWS_JSON])


@pytest.fixture(scope="module")
def answered(make_eval: MakeEval) -> dict[str, Any]:
    return make_eval(testing_criteria=[string_check(input="{{ sample.output_text }}", reference="Paris")])


def source_of(kind: str, rows: Rows, upload: Upload) -> dict[str, Any]:
    if kind == "inline":
        return inline_source(rows)
    return file_source(upload("".join(f"{json.dumps(row)}\n" for row in rows).encode()))


def warnings_of(run: dict[str, Any]) -> list[str]:
    """Return the warnings about the rows, without those about criteria."""
    told = run["evalhaven"]["warnings"]
    return [warning["message"] for warning in told if warning["pointer"] != "/testing_criteria"]


@BOTH
def test_scalars_for_declared_strings_are_graded_as_they_are_and_told_of(
    http: httpx2.Client, parent: dict[str, Any], run_to_end: RunToEnd, upload: Upload, kind: str
) -> None:
    rows = [{"item": {"query": "q", "passed": "true"}}, {"item": LOOSE}, {"item": {"query": None}}]
    run = run_to_end(parent, data_source=source_of(kind, rows, upload))

    assert run["result_counts"] == {"total": 3, "errored": 0, "failed": 2, "passed": 1}
    (message,) = warnings_of(run)
    assert message.startswith("2 rows have a boolean, a number or null where the item schema declares a string")
    assert ("row 1 at /" if kind == "inline" else "line 2 at /") in message
    assert run["evalhaven"]["warnings"][0]["pointer"] == "/data_source/source"
    assert [item["datasource_item"] for item in items_of(http, run)] == [row["item"] for row in rows]


@ON_ONE_DATABASE
@BOTH
def test_other_faults_are_refused_though_scalars_for_strings_are_not(
    http: httpx2.Client, parent: dict[str, Any], run_to_end: RunToEnd, upload: Upload, kind: str
) -> None:
    rows = [{"item": LOOSE}, {"item": {"passed": True}}, {"item": {"query": ["q"], "passed": True}}]
    data_source = source_of(kind, rows, upload)
    if kind == "inline":
        message = refusal_of(http.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": data_source}))["message"]
        absent, named = "row 0", ("row 1", "row 2")
    else:
        run = run_to_end(parent, data_source=data_source)
        assert run["error"]["code"] == "invalid_data_source"
        message, absent, named = run["error"]["message"], "line 1:", ("line 2", "line 3")
    assert absent not in message
    assert all(name in message for name in named)
    assert '"query" is a required property' in message


def test_a_strict_request_refuses_scalars_for_strings(
    http: httpx2.Client, parent: dict[str, Any], upload: Upload
) -> None:
    path = f"/v1/evals/{parent['id']}/runs?strict=true"
    error = refusal_of(http.post(path, json={"data_source": inline_source([{"item": LOOSE}])}))
    assert (error["param"], error["code"]) == ("data_source.source.content", "invalid_data_source")
    assert "row 0: " in error["message"]
    assert "is not of type" in error["message"]

    made = http.post(path, json={"data_source": source_of("file", [{"item": LOOSE}], upload)})
    run = wait_for_end(http, made.json())
    assert run["evalhaven"]["strict"] is True
    assert (run["status"], run["error"]["code"]) == ("failed", "invalid_data_source")
    assert "line 1: " in run["error"]["message"]


@BOTH
def test_rows_without_item_or_sample_are_the_items(
    http: httpx2.Client, parent: dict[str, Any], run_to_end: RunToEnd, upload: Upload, kind: str
) -> None:
    rows: Rows = [{**LOOSE, "extra": 1.0}, {"query": "other"}]
    run = run_to_end(parent, data_source=source_of(kind, rows, upload))

    assert run["result_counts"]["passed"] == 1
    assert any("each row is taken for the item itself" in message for message in warnings_of(run))
    assert [item["datasource_item"] for item in items_of(http, run)] == rows
    if kind == "inline":
        assert run["data_source"]["source"]["content"] == rows
    again = regrade(http, run)
    assert again["result_counts"] == run["result_counts"]
    assert [item["datasource_item"] for item in items_of(http, again)] == rows


@ON_ONE_DATABASE
@BOTH
@pytest.mark.parametrize(
    "odd", [{"item": {"query": "q"}}, {"query": "q", "sample": {"output_text": "x"}}, {"sample": {}}]
)
def test_a_mixture_of_bare_rows_and_others_is_refused(
    http: httpx2.Client, parent: dict[str, Any], run_to_end: RunToEnd, upload: Upload, kind: str, odd: dict[str, Any]
) -> None:
    rows = [{"query": "q"}] * 3 + [odd]
    data_source = source_of(kind, rows, upload)
    if kind == "inline":
        message = refusal_of(http.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": data_source}))["message"]
        assert "row 0: it must be a JSON object with the key 'item'" in message
    else:
        run = run_to_end(parent, data_source=data_source)
        assert (run["error"]["code"], run["result_counts"]["total"]) == ("invalid_data_source", 0)
        assert "line 1: it must be a JSON object with the key 'item'" in run["error"]["message"]


@BOTH
def test_bare_rows_are_held_against_the_item_schema(
    http: httpx2.Client, parent: dict[str, Any], run_to_end: RunToEnd, upload: Upload, kind: str
) -> None:
    data_source = source_of(kind, [{"query": "q"}, {"passed": "x"}], upload)
    if kind == "inline":
        message = refusal_of(http.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": data_source}))["message"]
    else:
        message = run_to_end(parent, data_source=data_source)["error"]["message"]
    assert '"query" is a required property' in message


@pytest.mark.proof
def test_a_large_file_of_bare_rows_is_decided_by_its_last_line(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, upload: Upload
) -> None:
    any_item = make_eval(testing_criteria=[])
    lines = b"".join(b'{"n":%d}\n' % number for number in range(20_000))
    run = run_to_end(any_item, data_source=file_source(upload(lines)))
    assert run["result_counts"]["passed"] == 20_000
    run = run_to_end(any_item, data_source=file_source(upload(lines + b'{"item":{}}\n')))
    assert (run["status"], run["result_counts"]["total"]) == ("failed", 0)


MESSAGE = {"role": "assistant", "content": "Paris"}
RESPONSE = {
    "object": "response",
    "status": "completed",
    "model": "gpt-x",
    "output": [
        {"type": "reasoning", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Paris"}]},
    ],
    "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4},
}
FORMS: dict[str, dict[str, Any]] = {
    "an output item's": {"input": [], "output": [MESSAGE], "finish_reason": "stop", "model": "m", "error": None},
    "an export's": {"trajectory": [], "outputs": [MESSAGE], "sampled_model_name": "m", "finish_reason": "stop"},
    "a response": RESPONSE,
    "a message": MESSAGE,
    "a message of sound": {"role": "assistant", "content": None, "audio": {"id": "a", "transcript": "Paris"}},
    "a completion of sound": {"choices": [{"message": {"content": None, "audio": {"transcript": "Paris"}}}]},
    "a wrapped message": {"message": MESSAGE},
    "an older completion": {"choices": [{"text": "Paris", "index": 0}]},
}


@ON_ONE_DATABASE
@BOTH
@pytest.mark.parametrize("name", FORMS)
def test_an_answer_is_read_from_each_form_of_our_own(
    http: httpx2.Client, answered: dict[str, Any], run_to_end: RunToEnd, upload: Upload, kind: str, name: str
) -> None:
    rows = [{"item": {}, "sample": FORMS[name]}]
    run = run_to_end(answered, data_source=source_of(kind, rows, upload))

    assert (run["result_counts"]["passed"], warnings_of(run)) == (1, [])
    (item,) = items_of(http, run)
    assert [(each["role"], each["content"]) for each in item["sample"]["output"]] == [("assistant", "Paris")]


def test_an_output_item_can_be_sent_back_as_a_row(
    http: httpx2.Client, answered: dict[str, Any], run_to_end: RunToEnd
) -> None:
    (first,) = items_of(http, run_to_end(answered, [{"item": {"n": 1}, "sample": {"output_text": "Paris"}}]))
    row = {"item": first["datasource_item"], "sample": first["sample"]}
    assert run_to_end(answered, [row])["result_counts"]["passed"] == 1


@BOTH
def test_a_sample_that_cannot_be_read_is_told_of(
    answered: dict[str, Any], run_to_end: RunToEnd, upload: Upload, kind: str
) -> None:
    rows: Rows = [{"item": {}, "sample": {"output_text": "Paris"}}, {"item": {}, "sample": {"answer": "Paris"}}]
    run = run_to_end(answered, data_source=source_of(kind, rows, upload))

    assert run["result_counts"] == {"total": 2, "errored": 0, "failed": 1, "passed": 1}
    (message,) = warnings_of(run)
    assert message.startswith("1 row has a 'sample' in which no model's answer is found")
    assert ("row 1" if kind == "inline" else "line 2") in message


def test_a_row_whose_sample_has_an_error_is_errored_with_it(
    http: httpx2.Client, answered: dict[str, Any], run_to_end: RunToEnd
) -> None:
    error = {"code": "upstream_timeout", "message": "It took too long."}
    failed = {"output": [{"role": "assistant", "content": ""}], "error": error}
    rows = [{"item": {}, "sample": failed}, {"item": {}, "sample": {"output_text": "Paris", "error": None}}]
    run = run_to_end(answered, rows)

    assert run["result_counts"] == {"total": 2, "errored": 1, "failed": 0, "passed": 1}
    assert warnings_of(run) == []
    assert items_of(http, run)[0]["sample"]["error"] == error
    again = regrade(http, run)
    assert again["result_counts"] == run["result_counts"]
