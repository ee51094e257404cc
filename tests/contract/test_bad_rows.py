"""Invalid rows and item schemas: a refusal or a failed run that names the place, before anything is graded."""

import json
import time
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import (
    ON_ONE_DATABASE,
    MakeEval,
    RunToEnd,
    Upload,
    eval_body,
    file_source,
    inline_source,
    items_of,
    refusal_of,
)

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer", "minimum": 0}, "list": {"type": "array", "items": {"type": "string"}}},
    "required": ["n"],
}


@pytest.fixture(scope="module")
def parent(make_eval: MakeEval) -> dict[str, Any]:
    return make_eval(data_source_config={"type": "custom", "item_schema": SCHEMA}, testing_criteria=[])


def _refused(http: httpx2.Client, parent: dict[str, Any], content: str) -> str:
    path = f"/v1/evals/{parent['id']}/runs"
    before = http.get(f"{path}?limit=1").json()["first_id"]
    body = f'{{"data_source":{{"type":"jsonl","source":{{"type":"file_content","content":{content}}}}}}}'
    error = refusal_of(http.post(path, content=body.encode("utf-8", "surrogatepass")))
    assert error["param"] == "data_source.source.content"
    assert http.get(f"{path}?limit=1").json()["first_id"] == before, "nothing was created"
    message: str = error["message"]
    return message


def _failed(http: httpx2.Client, run_to_end: RunToEnd, parent: dict[str, Any], file_id: str) -> str:
    run = run_to_end(parent, data_source=file_source(file_id))
    assert (run["status"], run["error"]["code"]) == ("failed", "invalid_data_source"), run["error"]
    assert run["result_counts"]["total"] == 0
    assert run["per_testing_criteria_results"] is None
    assert items_of(http, run) == []
    message: str = run["error"]["message"]
    return message


BROKEN: dict[str, tuple[str, str]] = {
    "a missing field": ('{"item": {}}', '"n" is a required property'),
    "a wrong type": ('{"item": {"n": "1"}}', "/n: "),
    "a wrong type deep inside": ('{"item": {"n": 1, "list": ["a", [2]]}}', "/list/1: "),
    "out of range": ('{"item": {"n": -1}}', "minimum of 0"),
    "no item": ('{"question": "x"}', "'item'"),
    "an item that is no object": ('{"item": [1]}', "'item' must be an object"),
    "a null item": ('{"item": null}', "'item' must be an object"),
    "no object": ("[1]", "'item'"),
    "text": ('"x"', "'item'"),
    "null": ("null", "'item'"),
    "a sample that is no object": ('{"item": {"n": 1}, "sample": "x"}', "'sample'"),
    "NaN": ('{"item": {"n": 1, "x": NaN}}', "JSON"),
    "a number out of range": ('{"item": {"n": 1, "x": 1e999}}', "out of range"),
    "too many digits": (f'{{"item": {{"n": {"9" * 5000}}}}}', "JSON"),
    "deep": ('{"item": {"n": 1, "x": ' + "[" * 20_000 + "]" * 20_000 + "}}", "nested too deeply"),
    "an odd surrogate key": ('{"item": {"\\ud800": 1}}', "required property"),
    "an odd surrogate value": ('{"item": {"n": "\\ud800"}}', "/n: "),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", BROKEN)
def test_an_inline_row_that_cannot_be_is_refused_by_its_index(
    http: httpx2.Client, parent: dict[str, Any], name: str
) -> None:
    row, cure = BROKEN[name]
    message = _refused(http, parent, f'[{{"item": {{"n": 0}}}}, {{"item": {{"n": 1}}}}, {row}]')
    assert "row 2: " in message
    assert "row 0" not in message
    assert cure in message


@pytest.mark.parametrize("name", BROKEN)
def test_a_line_that_cannot_be_fails_the_run_by_its_number(
    http: httpx2.Client, parent: dict[str, Any], upload: Upload, run_to_end: RunToEnd, name: str
) -> None:
    row, cure = BROKEN[name]
    file_id = upload(f'{{"item": {{"n": 0}}}}\n\n{{"item": {{"n": 1}}}}\n{row}\n'.encode())
    message = _failed(http, run_to_end, parent, file_id)
    assert "line 4: " in message
    assert "line 1: " not in message
    assert cure in message


BROKEN_FILES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no rows"),
    "blank lines": (b"\n \r\n\n", "no rows"),
    "no JSON": (b"question,answer\n1,2\n", "line 1: "),
    "a JSON array": (b'[{"item": {"n": 1}}]', "line 1: "),
    "JSON over lines": (b'{\n"item": {"n": 1}\n}\n', "line 1: "),
    "a row cut short": (b'{"item": {"n": 1}}\n{"item": {"n"', "line 2: "),
    "bytes that are no UTF-8": (b'{"item": {"n": 1, "x": "\xff"}}\n', "UTF-8"),
    "UTF-16": ('{"item": {"n": 1}}\n'.encode("utf-16"), "line 1: "),
    "binary": (bytes(range(256)) * 4, "line 1: "),
    "a raw U+0000": (b'{"item": {"n": 1, "x": "\x00"}}\n', "line 1: "),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_file_that_holds_no_rows_fails_the_run(
    http: httpx2.Client, parent: dict[str, Any], upload: Upload, run_to_end: RunToEnd, name: str
) -> None:
    content, cure = BROKEN_FILES[name]
    assert cure in _failed(http, run_to_end, parent, upload(content))


def test_ten_broken_rows_are_named_and_no_more(
    http: httpx2.Client, parent: dict[str, Any], upload: Upload, run_to_end: RunToEnd
) -> None:
    message = _refused(http, parent, json.dumps([{"item": {"n": "x"}}] * 30))
    assert message.count("row ") == 10
    message = _failed(http, run_to_end, parent, upload(b'{"item": {}}\n' * 30))
    assert [f"line {number}: " in message for number in (1, 10, 11)] == [True, True, False]


@pytest.mark.proof
def test_a_broken_line_far_down_fails_the_run_before_anything_is_graded(
    http: httpx2.Client, parent: dict[str, Any], upload: Upload, run_to_end: RunToEnd
) -> None:
    lines = [b'{"item": {"n": %d}}' % number for number in range(70_010)]
    lines[69_999] = b'{"item": {"n": 1}'
    message = _failed(http, run_to_end, parent, upload(b"\n".join(lines)))
    assert "line 70000: " in message
    assert message.count("line 7") == 1


@ON_ONE_DATABASE
@pytest.mark.parametrize("content", ["[]", "[ ]"])
def test_inline_rows_must_be_some(http: httpx2.Client, parent: dict[str, Any], content: str) -> None:
    assert "empty" in _refused(http, parent, content)


def test_rows_beyond_the_schema_pass_unless_it_is_closed(
    make_eval: MakeEval, run_to_end: RunToEnd, parent: dict[str, Any]
) -> None:
    rows = [{"item": {"n": 1, "more": [1]}, "extra": 1, "sample": {}}]
    assert run_to_end(parent, rows)["status"] == "completed"


@pytest.mark.parametrize("kind", ["logs", "stored_completions"])
def test_a_config_without_schema_takes_any_item(make_eval: MakeEval, run_to_end: RunToEnd, kind: str) -> None:
    run = run_to_end(make_eval(data_source_config={"type": kind}, testing_criteria=[]), [{"item": {"x": 1}}])
    assert run["status"] == "completed"


BAD_SCHEMAS: dict[str, tuple[Any, str]] = {
    "an unknown type": ({"type": "text"}, "not a valid JSON Schema"),
    "properties as an array": ({"properties": []}, "not a valid JSON Schema"),
    "a negative length": ({"properties": {"a": {"minLength": -1}}}, "not a valid JSON Schema"),
    "a pattern that is none": ({"properties": {"a": {"pattern": "("}}}, "not a valid JSON Schema"),
    "required as text": ({"required": "a"}, "not a valid JSON Schema"),
    "a reference to nowhere": ({"$ref": "#/$defs/none"}, "not a valid JSON Schema"),
    "a reference over http": ({"$ref": "http://127.0.0.1:9/schema.json"}, "never fetched"),
    "a reference over https": ({"properties": {"a": {"$ref": "https://example.org/s"}}}, "never fetched"),
    "a reference to a file": ({"$ref": "file:///etc/passwd"}, "never fetched"),
    "a relative reference": ({"$id": "http://example.org/a", "$ref": "b"}, "never fetched"),
    "a foreign dialect": ({"$schema": "http://example.org/dialect"}, "never fetched"),
    "too deep": (json.loads('{"properties":{"a":' * 150 + "{}" + "}}" * 150), "not a valid JSON Schema"),
    "no object": (True, "an object"),
    "an array": ([], "an object"),
    "text": ("{}", "an object"),
    "null": (None, "an object"),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", BAD_SCHEMAS)
def test_a_schema_that_cannot_be_is_refused(http: httpx2.Client, name: str) -> None:
    schema, cure = BAD_SCHEMAS[name]
    before = http.get("/v1/evals?limit=1").json()["first_id"]
    body = eval_body(data_source_config={"type": "custom", "item_schema": schema})
    error = refusal_of(http.post("/v1/evals", content=json.dumps(body)))
    assert error["param"] == "data_source_config.item_schema"
    assert cure in error["message"]
    assert http.get("/v1/evals?limit=1").json()["first_id"] == before, "nothing was created"


GOOD_SCHEMAS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "local references": (
        {"$ref": "#/$defs/t", "$defs": {"t": {"properties": {"a": {"type": "string"}}}}},
        {"a": "x"},
        {"a": [1]},
    ),
    "references in circles": ({"properties": {"a": {"$ref": "#"}}, "required": ["b"]}, {"b": 1, "a": {"b": 1}}, {}),
    "draft 7": (
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"t": {"type": "null"}},
         "properties": {"a": {"$ref": "#/definitions/t"}}},
        {"a": None},
        {"a": 1},
    ),
    "2020-12": (
        {"$schema": "https://json-schema.org/draft/2020-12/schema",
         "properties": {"a": {"prefixItems": [{"const": 1}]}}},
        {"a": [1]},
        {"a": [2]},
    ),
    "a closed object": ({"properties": {"a": {}}, "additionalProperties": False}, {"a": 1}, {"a": 1, "b": 1}),
    "large integers": ({"properties": {"a": {"type": "integer", "maximum": 5}}}, {"a": 5}, {"a": 10**30}),
    "names of properties": ({"propertyNames": {"maxLength": 1}}, {"a": 1}, {"\ud800\ud800": 1}),
    "lengths of odd text": ({"properties": {"a": {"maxLength": 1}}}, {"a": "\ud800"}, {"a": "\ud800x"}),
}  # fmt: skip


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", GOOD_SCHEMAS)
def test_a_schema_is_applied_to_rows(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, name: str) -> None:
    schema, good, bad = GOOD_SCHEMAS[name]
    parent = make_eval(data_source_config={"type": "custom", "item_schema": schema}, testing_criteria=[])
    run = run_to_end(parent, [{"item": good}])
    assert (run["status"], run["result_counts"]["passed"]) == ("completed", 1)
    assert "row 0: " in _refused(http, parent, json.dumps([{"item": bad}]))


@ON_ONE_DATABASE
@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|a)*\\1$", "^(?=(a+)+$)a", "(x+x+)+y"])
def test_a_pattern_cannot_hold_the_server_up(http: httpx2.Client, make_eval: MakeEval, pattern: str) -> None:
    schema = {"properties": {"a": {"pattern": pattern}}}
    parent = make_eval(data_source_config={"type": "custom", "item_schema": schema}, testing_criteria=[])
    started = time.monotonic()
    message = _refused(http, parent, json.dumps([{"item": {"a": "a" * 60 + "x" * 60 + "!"}}]))
    assert "row 0: " in message
    assert "/a: " in message
    assert time.monotonic() - started < 5


def test_the_envelope_of_the_sample_is_not_held_against_rows(make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    config = {"type": "custom", "item_schema": SCHEMA, "include_sample_schema": True}
    parent = make_eval(data_source_config=config, testing_criteria=[])
    rows = [{"item": {"n": 1}}, {"item": {"n": 2}, "sample": {"model": 1, "choices": None}}]
    assert run_to_end(parent, rows)["result_counts"]["total"] == 2


@ON_ONE_DATABASE
def test_rows_of_a_sampling_run_are_checked_first(http: httpx2.Client, parent: dict[str, Any]) -> None:
    source = {
        **inline_source([{"item": {"n": "x"}}]),
        "type": "completions",
        "model": "m",
        "input_messages": {"type": "item_reference", "item_reference": "item.m"},
    }
    error = refusal_of(http.post(f"/v1/evals/{parent['id']}/runs", json={"data_source": source}))
    assert error["code"] == "invalid_data_source"
