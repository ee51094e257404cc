"""Evals and rows that are odd but acceptable, or nearly so: what is accepted is executed to a final status."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.contract.conftest import file_source
from tests.hostile.examples import for_examples
from tests.hostile.target import Target
from tests.hostile.values import HOSTILE_VALUES, JSON_VALUES, TEXTS, Values, Verbatim, to_json
from tests.sizes import SIZES

pytestmark = [pytest.mark.proof, pytest.mark.slow, pytest.mark.timeout(3600)]

NAMES = st.sampled_from(["a", "b", "", "$ref", "type", "a.b", "0", "\0", "\ud800", "ü", "__proto__", "item", "x" * 300])
TEMPLATES = st.lists(
    st.sampled_from(
        [
            "{{ item.a }}",
            "{{item.a}}",
            "{{ item.b }}",
            "{{ item.a.b }}",
            "{{ item.a[0] }}",
            '{{ item["a.b"] }}',
            "{{ item.0 }}",
            "{{ item }}",
            "{{ sample.output_text }}",
            "{{ sample.output_json.x }}",
            "{{ sample.choices[0].message.content }}",
            "{{ item.a | upper }}",
            "{{",
            "}}",
            "{",
            "x",
            "",
            "\0",
            "\ud800",
            "\u202e",
            "ß",
            "İ",
        ]
    )
    | TEXTS,
    max_size=3,
).map("".join)
CRITERIA = st.fixed_dictionaries(
    {
        "type": st.just("string_check"),
        "name": TEXTS,
        "input": TEMPLATES,
        "reference": TEMPLATES,
        "operation": st.sampled_from(["eq", "ne", "like", "ilike"]),
    }
)
_KEYWORDS: dict[str, Values] = {
    "type": st.sampled_from(["object", "string", "integer", "null", ["object", "null"], "x", []]),
    "properties": st.dictionaries(
        NAMES, st.sampled_from([{}, True, False, {"type": "string"}, {"$ref": "#"}, 1]), max_size=3
    ),
    "required": st.lists(NAMES, max_size=2),
    "additionalProperties": st.sampled_from([True, False, {"type": "number"}, {"$ref": "#"}]),
    "patternProperties": st.sampled_from([{"^a": True}, {"(a+)+$": {}}, {"[": {}}, {"\\p{L}": {}}, {"(?=a)": {}}]),
    "propertyNames": st.sampled_from([{"pattern": "^(a|a)*$"}, {"maxLength": 1}]),
    "maxProperties": st.sampled_from([0, 1, 2**70, -1, 1.5]),
    "enum": st.lists(JSON_VALUES, max_size=2),
    "const": JSON_VALUES,
    "$ref": st.sampled_from(["#", "#/$defs/x", "#/nowhere", "http://127.0.0.1:9/x", "file:///etc/passwd", "\0", "#a"]),
    "$id": st.sampled_from(["", "x", "http://example.org/s", "urn:x", "\0", "%"]),
    "$schema": st.sampled_from(
        ["http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema", "x"]
    ),
    "$anchor": st.sampled_from(["a", "1", ""]),
    "$dynamicRef": st.just("#a"),
    "$defs": st.just({"x": {"$ref": "#/$defs/y"}, "y": {"$ref": "#/$defs/x"}}),
    "allOf": st.sampled_from(
        [[], [{}], [{"$ref": "#"}], [{"allOf": [{"$ref": "#"}, {"$ref": "#"}]}], [{"type": "object"}] * 50]
    ),
    "anyOf": st.sampled_from([[{"required": ["a"]}, {"required": ["b"]}], [{"$ref": "#"}] * 3]),
    "not": st.sampled_from([{}, {"not": {}}, {"$ref": "#"}]),
    "if": st.sampled_from([True, {"required": ["a"]}]),
    "then": st.sampled_from([False, {}]),
    "unevaluatedProperties": st.booleans(),
    "dependentRequired": st.just({"a": ["b"]}),
    "format": st.sampled_from(["email", "date-time", "regex", "x"]),
    "pattern": st.sampled_from(["^(a+)+$", "[", "\\d{1,1000}{1,1000}", "(?<!a)b", "\0"]),
    "default": JSON_VALUES,
    "x-unknown": JSON_VALUES,
}
SCHEMAS: Values = st.just({}) | st.fixed_dictionaries({}, optional=_KEYWORDS).map(
    lambda schema: dict(sorted(schema.items())[:4])
)
ITEMS: Values = st.dictionaries(NAMES, JSON_VALUES, max_size=3) | st.just({"a": "x", "b": "x"})
SAMPLES: Values = st.sampled_from(
    [
        {},
        {"output_text": "x"},
        {"output_text": None},
        {"output_text": 1},
        {"model": "\ud800", "output_text": "\0", "output_json": {"x": 1}},
        {"choices": []},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}]},
        {"choices": [{"message": {"content": [{"type": "text", "text": "x"}]}}]},
        {"usage": {"prompt_tokens": -1, "completion_tokens": 2**70, "total_tokens": "x"}},
        {"usage": 5, "temperature": "hot", "seed": 1.5, "input": [{"role": 1}], "output": {}},
        {"error": {"code": 1, "message": None}},
        {"output_tools": [{"function": None}], "finish_reason": 7},
    ]
) | st.dictionaries(NAMES, JSON_VALUES, max_size=3)
ROWS: Values = st.fixed_dictionaries({"item": ITEMS}, optional={"sample": SAMPLES, "x": JSON_VALUES})
ODD_ROWS: Values = (
    ROWS | st.fixed_dictionaries({"item": HOSTILE_VALUES}, optional={"sample": HOSTILE_VALUES}) | HOSTILE_VALUES
)


@dataclass(frozen=True)
class Case:
    """An eval with the rows of a run of it, inline or as a file."""

    schema: Any
    include_sample: bool
    criteria: list[Any]
    rows: list[Any]
    separator: bytes | None
    strict: bool


def _cases(rows: Values) -> st.SearchStrategy[Case]:
    return st.builds(
        Case,
        schema=SCHEMAS,
        include_sample=st.booleans(),
        criteria=st.lists(CRITERIA, max_size=3),
        rows=st.lists(rows, max_size=4),
        separator=st.sampled_from([None, b"\n", b"\r\n", b"\n\n \n", b"\n\xef\xbb\xbf", b" "]),
        strict=st.integers(0, 9).map(lambda number: number == 0),
    )


def _run(target: Target, case: Case) -> None:
    operation, start = target.operations["createEval"], target.operations["createEvalRun"]
    config = {"type": "custom", "item_schema": case.schema, "include_sample_schema": case.include_sample}
    body = to_json({"data_source_config": config, "testing_criteria": case.criteria})
    made = target.send(operation, b"/v1/evals" + (b"?strict=true" if case.strict else b""), content=body)
    if not made.is_success:
        target.assert_unchanged()
        return
    path = f"/v1/evals/{made.json()['id']}/runs".encode()
    file_id = None
    if case.separator is None:
        content = Verbatim(b"[" + b",".join(to_json(row) for row in case.rows) + b"]")
        source: Any = {"type": "jsonl", "source": {"type": "file_content", "content": content}}
    else:
        file_id = target.upload(case.separator.join(to_json(row) for row in case.rows))
        source = file_source(file_id)
    target.settle(start, target.send(start, path, content=to_json({"data_source": source})))
    if file_id is not None:
        delete = target.operations["deleteFile"]
        assert target.send(delete, f"/v1/files/{file_id}".encode()).is_success
    target.settle(operation, made)


def test_runs_of_odd_evals_over_odd_rows_end(target: Target) -> None:
    for_examples(_cases(ROWS), partial(_run, target), SIZES.hostile_runs)


def test_rows_that_cannot_be_are_refused_or_fail_the_run(target: Target) -> None:
    for_examples(_cases(ODD_ROWS), partial(_run, target), SIZES.hostile_runs)


def test_a_file_of_any_bytes_is_read_or_fails_the_run(target: Target) -> None:
    row = json.dumps({"item": {"a": "x", "b": "x"}}).encode()
    lines = st.sampled_from(
        [row, row, b"", b"\xff", b"\0", b"{}", b"null", row[:-1], row + b",", b"\xef\xbb\xbf" + row]
    )
    contents = st.binary(max_size=200) | st.lists(lines | st.binary(max_size=20), max_size=5).map(b"\n".join)

    def run(content: bytes) -> None:
        file_id = target.upload(content)
        start = target.operations["createEvalRun"]
        body = to_json({"data_source": file_source(file_id)})
        answer = target.send(start, f"/v1/evals/{target.eval_id}/runs".encode(), content=body)
        assert answer.is_success
        target.settle(start, answer)
        assert target.send(target.operations["deleteFile"], f"/v1/files/{file_id}".encode()).is_success

    for_examples(contents, run, SIZES.hostile_runs)
