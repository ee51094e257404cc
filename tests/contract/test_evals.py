"""`/v1/evals`: create, get, update, delete."""

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import (
    ON_ONE_DATABASE,
    MakeEval,
    eval_body,
    inline_source,
    refusal_of,
    string_check,
    wait_for_end,
)

UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
MIXED = {"n": 1.0, "b": True, "0": None, "l": ["x", {"y": []}]}
TICKET_SCHEMA = {
    "type": "object",
    "properties": {"ticket_text": {"type": "string"}, "correct_label": {"type": "string"}},
    "required": ["ticket_text", "correct_label"],
}
TICKET_CRITERION = {
    "type": "string_check",
    "name": "Match output to human label",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.correct_label }}",
    "operation": "eq",
}


def _warned(found: dict[str, Any]) -> list[str]:
    return [warning["pointer"] for warning in found["evalhaven"]["warnings"]]


def test_an_eval_answers_as_the_hosted_one_was_recorded(http: httpx2.Client, shared_dir: Path) -> None:
    recorded = json.loads(
        (shared_dir / "spec/recorded/eval_created_custom_with_sample_schema__2025-05.json").read_text()
    )
    answer = http.post(
        "/v1/evals",
        json={
            "name": "IT Ticket Categorization",
            "data_source_config": {"type": "custom", "item_schema": TICKET_SCHEMA, "include_sample_schema": True},
            "testing_criteria": [TICKET_CRITERION],
        },
    )
    assert answer.status_code == 201
    made = answer.json()
    assert made.pop("evalhaven") == {"warnings": [], "version": 1, "follows": None}
    assert re.fullmatch(rf"Match output to human label-{UUID4}", made["testing_criteria"][0]["id"])
    assert re.fullmatch(r"eval_[0-9a-f]{12}819[01][0-9a-f]{16}", made["id"])
    assert int(made["id"][5:13], 16) == made["created_at"]
    assert abs(made["created_at"] - time.time()) < 60
    for own in (made, recorded):
        own["id"], own["created_at"], own["testing_criteria"][0]["id"] = "", 0, ""
    assert json.dumps(made) == json.dumps(recorded), "keys, values and their order are the recorded ones"


def test_get_answers_what_create_did(http: httpx2.Client, make_eval: MakeEval) -> None:
    made = make_eval(name="here", metadata={"k": "v"})
    assert http.get(f"/v1/evals/{made['id']}").json() == made


def test_defaults_are_a_name_and_empty_metadata(make_eval: MakeEval) -> None:
    for made in (make_eval(), make_eval(name=None, metadata=None)):
        assert (made["name"], made["metadata"]) == ("Untitled eval", {})


def test_an_empty_name_stays_empty(make_eval: MakeEval) -> None:
    assert make_eval(name="")["name"] == ""


@pytest.mark.parametrize("flag", [False, None, "absent"])
def test_without_a_sample_schema_only_the_item_is_required(make_eval: MakeEval, flag: Any) -> None:
    config = {"type": "custom", "item_schema": TICKET_SCHEMA, "include_sample_schema": flag}
    if flag == "absent":
        del config["include_sample_schema"]
    assert make_eval(data_source_config=config)["data_source_config"] == {
        "type": "custom",
        "schema": {"type": "object", "properties": {"item": TICKET_SCHEMA}, "required": ["item"]},
    }


@pytest.mark.parametrize("kind", ["logs", "stored_completions"])
@pytest.mark.parametrize("metadata", [{"usecase": "chatbot"}, MIXED, {}, None, "absent"])
def test_a_config_of_logged_calls_keeps_its_type_and_filter(make_eval: MakeEval, kind: str, metadata: Any) -> None:
    config = {"type": kind} if metadata == "absent" else {"type": kind, "metadata": metadata}
    answered = make_eval(data_source_config=config)["data_source_config"]
    assert answered == {
        "type": kind,
        "metadata": metadata if isinstance(metadata, dict) else {},
        "schema": {
            "type": "object",
            "properties": {"item": {"type": "object"}, "sample": {"type": "object"}},
            "required": ["item", "sample"],
        },
    }


def test_criteria_of_a_cloned_eval_get_new_ids(make_eval: MakeEval) -> None:
    first = make_eval(testing_criteria=[string_check(name="a b"), string_check(name="a b")])
    ids = [criterion["id"] for criterion in first["testing_criteria"]]
    second = make_eval(testing_criteria=first["testing_criteria"])
    cloned = [criterion["id"] for criterion in second["testing_criteria"]]
    assert len({*ids, *cloned}) == 4
    assert all(re.fullmatch(rf"a b-{UUID4}", each) for each in [*ids, *cloned])
    assert _warned(second) == []


def test_update_replaces_metadata_and_renames(http: httpx2.Client, make_eval: MakeEval) -> None:
    made = make_eval(name="old", metadata={"a": "1", "b": "2"})
    answer = http.post(f"/v1/evals/{made['id']}", json={"name": "new", "metadata": {"c": "3"}})
    assert answer.status_code == 200
    assert answer.json() == {**made, "name": "new", "metadata": {"c": "3"}}
    assert http.get(f"/v1/evals/{made['id']}").json() == answer.json()


@pytest.mark.parametrize(
    ("body", "name", "metadata"),
    [
        ({}, "old", {"a": "1"}),
        ({"name": None}, "old", {"a": "1"}),
        ({"name": ""}, "", {"a": "1"}),
        ({"metadata": None}, "old", {}),
        ({"metadata": {}}, "old", {}),
        ({"name": "new"}, "new", {"a": "1"}),
        ({"unknown": 1}, "old", {"a": "1"}),
    ],
)
def test_update_changes_only_what_is_sent(
    http: httpx2.Client, make_eval: MakeEval, body: Any, name: str, metadata: Any
) -> None:
    made = make_eval(name="old", metadata={"a": "1"})
    answer = http.post(f"/v1/evals/{made['id']}", json=body)
    assert answer.json() == {**made, "name": name, "metadata": metadata}


def test_a_deleted_eval_is_gone_with_its_runs(http: httpx2.Client, make_eval: MakeEval, make_run: Any) -> None:
    made = make_eval()
    run = make_run(made)
    path = f"/v1/evals/{made['id']}"
    answer = http.delete(path)
    assert answer.status_code == 200
    assert answer.text == f'{{"object":"eval.deleted","deleted":true,"eval_id":"{made["id"]}"}}'
    assert refusal_of(http.get(path), 404)["param"] == "eval_id"
    refusal_of(http.delete(path), 404)
    refusal_of(http.post(path, json={"name": "x"}), 404)
    refusal_of(http.get(f"{path}/runs"), 404)
    refusal_of(http.post(f"{path}/runs", json={"data_source": inline_source()}), 404)
    refusal_of(http.get(f"{path}/runs/{run['id']}"), 404)
    refusal_of(http.post(f"{path}/runs/{run['id']}"), 404)
    refusal_of(http.delete(f"{path}/runs/{run['id']}"), 404)
    refusal_of(http.get(f"{path}/runs/{run['id']}/output_items"), 404)


def test_unknown_keys_are_accepted_and_named(http: httpx2.Client) -> None:
    body = eval_body(
        share_with_openai=True,
        testing_criteria=[string_check(weight=2), {**string_check(), "x/y~z": 1}],
        data_source_config={"type": "custom", "item_schema": {"type": "object", "x-own": 1}, "foo": None},
    )
    answer = http.post("/v1/evals", json=body)
    assert answer.status_code == 201
    assert sorted(_warned(answer.json())) == [
        "/data_source_config/foo",
        "/share_with_openai",
        "/testing_criteria/0/weight",
        "/testing_criteria/1/x~1y~0z",
    ]
    again = http.get(f"/v1/evals/{answer.json()['id']}").json()
    assert again == answer.json()
    assert again["testing_criteria"][0]["weight"] == 2


def test_of_many_unknown_keys_some_are_named_and_that_there_are_more(http: httpx2.Client) -> None:
    made = http.post("/v1/evals", json=eval_body(**{f"x{number}": 1 for number in range(150)})).json()

    warnings = made["evalhaven"]["warnings"]
    assert len(warnings) == 101
    assert warnings[-1] == {"pointer": "", "message": "There are more warnings than these 100."}


UNRESOLVABLE = [
    ("{{ item.a.strip() }}", "only plain paths"),
    ("{{ sample.output_text | lower }}", "only plain paths"),
    ("{{ item.missing }}", "no field 'missing'"),
    ("{{item.inner.missing}}", "no field 'missing'"),
]


@ON_ONE_DATABASE
@pytest.mark.parametrize(("template", "cure"), UNRESOLVABLE)
def test_what_can_never_resolve_is_warned_of_and_refused_where_asked(
    http: httpx2.Client, template: str, cure: str
) -> None:
    inner = {"type": "object", "properties": {"b": {}}, "additionalProperties": False}
    schema = {"type": "object", "properties": {"a": {}, "inner": inner}, "additionalProperties": False}
    body = eval_body(
        data_source_config={"type": "custom", "item_schema": schema},
        testing_criteria=[string_check(reference=template, input="{{ item.inner.b }}")],
    )
    made = http.post("/v1/evals", json=body)
    assert made.status_code == 201
    [warning] = made.json()["evalhaven"]["warnings"]
    assert warning["pointer"] == "/testing_criteria/0/reference"
    assert cure in warning["message"]
    before = http.get("/v1/evals?limit=1").json()["first_id"]
    error = refusal_of(http.post("/v1/evals?strict=true", json=body))
    assert error["param"] == "testing_criteria.0.reference" or error["param"] == "testing_criteria[0].reference"
    assert cure in error["message"]
    assert http.get("/v1/evals?limit=1").json()["first_id"] == before, "nothing was created"


@ON_ONE_DATABASE
@pytest.mark.parametrize("template", ["{x}", "{{ x }}", "}}}}", "{{ item.a }}", '{{item["a"]}}', "\\frac{{a}}{b}", ""])
def test_other_braces_are_literal_text_and_no_reason_to_warn(http: httpx2.Client, template: str) -> None:
    answer = http.post("/v1/evals?strict=true", json=eval_body(testing_criteria=[string_check(reference=template)]))
    assert answer.status_code == 201
    assert _warned(answer.json()) == []
    assert answer.json()["testing_criteria"][0]["reference"] == template


def test_an_eval_may_have_no_criteria(make_eval: MakeEval, run_to_end: Any) -> None:
    made = make_eval(testing_criteria=[])
    run = run_to_end(made)
    assert (run["status"], run["result_counts"]["total"], run["per_testing_criteria_results"]) == ("completed", 1, [])


def test_the_sdk_does_the_whole_life_of_an_eval(client: openai.OpenAI) -> None:
    made = client.evals.create(**eval_body(name="sdk"))
    assert client.evals.retrieve(made.id).to_dict() == made.to_dict()
    renamed = client.evals.update(made.id, name="sdk 2", metadata={"k": "v"})
    assert (renamed.name, renamed.metadata) == ("sdk 2", {"k": "v"})
    assert made.id in {each.id for each in client.evals.list(limit=50)}
    assert client.evals.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.evals.retrieve(made.id)


def test_rows_whose_first_key_begins_with_a_byte_order_mark_are_warned_of(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: Any
) -> None:
    config = {"type": "custom", "item_schema": {"type": "object"}}
    evaluation = make_eval(data_source_config=config, testing_criteria=[string_check(input="{{ item.id }}")])
    rows = [{"item": {"id": "1"}}, {"item": {"\ufeffid": "2", "b": "x"}}, {"item": {"\ufeffid": "3"}}]
    upload = {"file": ("rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows)), "purpose": (None, "evals")}
    file_id = http.post("/v1/files", files=upload).json()["id"]
    source = {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}
    inline = run_to_end(evaluation, rows)
    from_file = wait_for_end(http, http.post(f"/v1/evals/{evaluation['id']}/runs", json={"data_source": source}).json())

    for run, place in ((inline, "row 1"), (from_file, "line 2")):
        told = {each["pointer"]: each["message"] for each in run["evalhaven"]["warnings"]}
        assert "byte order mark" in told["/data_source/source"]
        assert told["/data_source/source"].endswith(f"The first such row is {place}.")


def test_a_key_that_begins_with_a_byte_order_mark_is_warned_of(http: httpx2.Client) -> None:
    schema = {"type": "object", "properties": {"\ufeffid": {"type": "string"}, "text": {"type": "string"}}}
    config = {"type": "custom", "item_schema": schema}
    made = http.post("/v1/evals", json=eval_body(data_source_config=config))

    assert made.status_code == 201
    pointers = {warning["pointer"]: warning["message"] for warning in made.json()["evalhaven"]["warnings"]}
    assert "byte order mark" in pointers["/data_source_config/item_schema/properties/\ufeffid"]


def test_an_eval_has_at_most_256_criteria(http: httpx2.Client) -> None:
    body = eval_body()
    criterion = body["testing_criteria"][0]
    made = http.post("/v1/evals", json={**body, "testing_criteria": [criterion] * 256})
    refused = http.post("/v1/evals", json={**body, "testing_criteria": [criterion] * 257})

    assert made.status_code == 201
    error = refusal_of(refused)
    assert error["param"] == "testing_criteria"
    assert error["message"] == "'testing_criteria' must have at most 256 entries, but has 257."
