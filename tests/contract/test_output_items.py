"""Output items: shape, filters, ids; and what a row's own sample becomes."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, MakeRun, RunToEnd, items_of, refusal_of, string_check

ROWS = [{"item": {"a": str(number), "b": "1"}} for number in range(4)]
TOOL_CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"symbols": ["A"]}'}}
NO_USAGE = {"total_tokens": 0, "completion_tokens": 0, "prompt_tokens": 0, "cached_tokens": 0}
# What `completion.model_dump()` of the SDK gives.
DUMP = {
    "id": "chatcmpl-1",
    "choices": [
        {
            "finish_reason": "tool_calls",
            "index": 0,
            "logprobs": None,
            "message": {
                "content": ' {"label": "x", "n": [1, {"deep": "y"}]} ',
                "refusal": None,
                "role": "assistant",
                "annotations": [],
                "audio": None,
                "function_call": None,
                "tool_calls": [TOOL_CALL],
            },
        }
    ],
    "created": 1746133283,
    "model": "gpt-4o-mini-2024-07-18",
    "object": "chat.completion",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
    "usage": {
        "completion_tokens": 2,
        "prompt_tokens": 323,
        "total_tokens": 325,
        "completion_tokens_details": {"reasoning_tokens": 0},
        "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 100},
    },
}


@pytest.fixture(scope="module")
def finished(make_eval: MakeEval, run_to_end: RunToEnd) -> dict[str, Any]:
    """A run whose second of four items passes."""
    return run_to_end(make_eval(), ROWS)


def _path(run: dict[str, Any]) -> str:
    return f"/v1/evals/{run['eval_id']}/runs/{run['id']}/output_items"


def test_an_item_has_the_documented_shape(http: httpx2.Client, finished: dict[str, Any]) -> None:
    item = items_of(http, finished)[1]
    assert re.fullmatch(r"outputitem_[0-9a-f]{12}819[01][0-9a-f]{16}", item["id"])
    assert int(item["id"][11:19], 16) == item["created_at"]
    [criterion] = finished["per_testing_criteria_results"]
    own_hash = hashlib.sha256(b'{"a":"1","b":"1"}').hexdigest()
    assert item == {
        "object": "eval.run.output_item",
        "id": item["id"],
        "created_at": item["created_at"],
        "run_id": finished["id"],
        "eval_id": finished["eval_id"],
        "status": "pass",
        "datasource_item_id": 1,
        "datasource_item": {"a": "1", "b": "1"},
        "results": [
            {
                "name": criterion["testing_criteria"],
                "type": "string-check-grader",
                "score": 1.0,
                "passed": True,
                "sample": None,
            }
        ],
        "sample": {
            "input": [],
            "output": [],
            "finish_reason": "",
            "model": "",
            "usage": NO_USAGE,
            "error": None,
            "temperature": 1.0,
            "max_completion_tokens": None,
            "top_p": 1.0,
            "seed": None,
        },
        "_datasource_item_content_hash": own_hash,
        "evalhaven": {"repeat": 0, "item_hash": own_hash},
    }
    assert '"score":1.0' in http.get(f"{_path(finished)}/{item['id']}").text, "scores are floats"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("pass", [1]), ("passed", [1]), ("fail", [0, 2, 3]), ("failed", [0, 2, 3]), ("error", []), ("errored", [])],
)
def test_items_are_filtered_by_status(
    http: httpx2.Client, finished: dict[str, Any], status: str, expected: list[int]
) -> None:
    assert [item["datasource_item_id"] for item in items_of(http, finished, status=status)] == expected


def test_an_item_is_got_by_its_id(http: httpx2.Client, client: openai.OpenAI, finished: dict[str, Any]) -> None:
    for item in items_of(http, finished):
        assert http.get(f"{_path(finished)}/{item['id']}").json() == item
        got = client.evals.runs.output_items.retrieve(item["id"], eval_id=finished["eval_id"], run_id=finished["id"])
        assert (got.status, got.results[0].score) == (item["status"], item["results"][0]["score"])


@pytest.mark.parametrize("item_id", ["outputitem_" + "0" * 32, "outputitem_", "x", "1", "outputitem_" + "G" * 32, "ü"])
def test_an_unknown_item_is_not_found(http: httpx2.Client, finished: dict[str, Any], item_id: str) -> None:
    error = refusal_of(http.get(f"{_path(finished)}/{item_id}"), 404)
    assert (error["param"], error["code"]) == ("output_item_id", "not_found")


def test_an_item_belongs_to_its_run_alone(
    http: httpx2.Client, make_run: MakeRun, run_to_end: RunToEnd, finished: dict[str, Any]
) -> None:
    other = run_to_end({"id": finished["eval_id"]}, ROWS)
    foreign = items_of(http, other)[0]["id"]
    refusal_of(http.get(f"{_path(finished)}/{foreign}"), 404)
    upper = items_of(http, finished)[0]["id"].upper()
    refusal_of(http.get(f"{_path(finished)}/{upper}"), 404)


def test_equal_items_have_equal_hashes_whatever_the_order_of_keys(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    run = run_to_end(make_eval(), [{"item": {"a": 1, "b": [2]}}, {"item": {"b": [2], "a": 1}}, {"item": {"a": 1}}])
    first, second, third = (item["_datasource_item_content_hash"] for item in items_of(http, run))
    assert first == second != third


def _sampled(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, sample: Any, template: str, reference: str
) -> dict[str, Any]:
    parent = make_eval(testing_criteria=[string_check(input=template, reference=reference)])
    row = {"item": {}} if sample == "absent" else {"item": {}, "sample": sample}
    run = run_to_end(parent, [row])
    assert (run["status"], run["result_counts"]["errored"]) == ("completed", 0)
    return items_of(http, run)[0]


def _minimal(content: Any, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}


VARIABLES: dict[str, tuple[Any, str, str]] = {
    "text": (_minimal("a  b\n"), "{{ sample.output_text }}", "a  b\n"),
    "text of a dump": (DUMP, "{{ sample.output_text }}", DUMP["choices"][0]["message"]["content"]),  # type: ignore[index]
    "text by its path": (_minimal("x"), "{{ sample.choices[0].message.content }}", "x"),
    "json": (DUMP, "{{ sample.output_json.label }}", "x"),
    "json inside json": (DUMP, "{{ sample.output_json.n[1].deep }}", "y"),
    "json that is no text": (DUMP, "{{ sample.output_json.n }}", '[1, {"deep": "y"}]'),
    "json numbers": (_minimal("3.0"), "{{sample.output_json}}", "3.0"),
    "tools": (DUMP, "{{ sample.output_tools[0].function.name }}", "f"),
    "through a JSON string": (DUMP, "{{ sample.output_tools[0].function.arguments.symbols[0] }}", "A"),
    "no tools": (_minimal("x"), "{{ sample.output_tools }}", "[]"),
    "audio": (
        _minimal(None, audio={"id": "a", "data": "UklG", "transcript": "hello", "expires_at": 1}),
        "{{ sample.output_audio.transcript }}",
        "hello",
    ),
    "text in parts": (
        _minimal([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
        "{{ sample.output_text }}",
        "ab",
    ),
    "text given by the row": ({"output_text": "given"}, "{{ sample.output_text }}", "given"),
    "model": (_minimal("x"), "{{ sample.model }}", "m"),
    "a key of its own": ({"mine": {"a b": 1}}, '{{ sample.mine["a b"] }}', "1"),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", VARIABLES)
def test_templates_see_of_the_rows_sample(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, name: str
) -> None:
    sample, template, reference = VARIABLES[name]
    # The reference goes in as a literal, which nothing in these texts keeps from being one.
    item = _sampled(http, make_eval, run_to_end, sample, template, reference)
    assert item["status"] == "pass", item["results"]


UNRESOLVED: dict[str, tuple[Any, str]] = {
    "no sample": ("absent", "sample.output_text"),
    "an empty sample": ({}, "sample.output_text"),
    "text of a refusal": (_minimal(None), "sample.output_text"),
    "text that is no JSON": (_minimal("plain"), "sample.output_json.x"),
    "fenced JSON": (_minimal('```json\n{"x": 1}\n```'), "sample.output_json.x"),
    "a missing field": (_minimal('{"y": 1}'), "sample.output_json.x"),
    "no such call": (_minimal("x"), "sample.output_tools[0].function"),
    "no such choice": (_minimal("x"), "sample.choices[1].message"),
    "a call": (_minimal("x"), "sample.output_text.strip()"),
    "a missing item field": (_minimal("x"), "item.nothing.here"),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", UNRESOLVED)
def test_a_placeholder_without_value_fails_the_item_and_is_named(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, name: str
) -> None:
    sample, variable = UNRESOLVED[name]
    item = _sampled(http, make_eval, run_to_end, sample, f"{{{{ {variable} }}}}", "")
    assert item["status"] == "fail"
    [result] = item["results"]
    assert (result["score"], result["passed"]) == (0.0, False)
    assert result["evalhaven"]["unresolved"] == [variable]


def test_a_run_counts_items_with_unresolved_placeholders(make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    run = run_to_end(make_eval(), [{"item": {"a": "x", "b": "x"}}, {"item": {"a": "x"}}, {"item": {}}])
    assert run["evalhaven"]["unresolved"] == 2
    [warning] = run["evalhaven"]["warnings"]
    assert warning["pointer"] == "/testing_criteria"
    assert warning["message"].startswith("2 items have no value for a placeholder of a criterion.")
    assert run["result_counts"] == {"total": 3, "errored": 0, "failed": 2, "passed": 1}


def test_columns_of_tables_are_found_under_their_names(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd
) -> None:
    check = string_check(input="{{ item.Customer Question }}|{{ item['Their Answer'] }}", reference="Why?|{{ item.n }}")
    evaluation = make_eval(testing_criteria=[check])
    rows = [
        {"item": {"Customer Question": "Why?", "Their Answer": "So.", "n": "So."}},
        {"item": {"customer question": "Why?", "Their Answer": "So.", "n": "So."}},
    ]
    found, lacking = items_of(http, run_to_end(evaluation, rows))

    assert found["status"] == "pass"
    assert lacking["results"][0]["evalhaven"]["unresolved"] == ["item.Customer Question"]
    [warning] = evaluation["evalhaven"]["warnings"]
    assert warning["pointer"] == "/testing_criteria/0/input"
    assert 'write ["Customer Question"]' in warning["message"]


def test_the_sample_shown_is_taken_from_a_dump(http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd) -> None:
    shown = _sampled(http, make_eval, run_to_end, DUMP, "", "")["sample"]
    choice: Any = DUMP["choices"][0]  # type: ignore[index]
    assert shown["model"] == "gpt-4o-mini-2024-07-18"
    assert shown["finish_reason"] == "tool_calls"
    assert shown["usage"] == {"total_tokens": 325, "completion_tokens": 2, "prompt_tokens": 323, "cached_tokens": 100}
    assert shown["output"] == [
        {"role": "assistant", "content": choice["message"]["content"], "tool_calls": [TOOL_CALL]}
    ]


@pytest.mark.parametrize(
    "sample",
    [
        {"choices": []},
        {"choices": None, "model": None, "usage": None},
        {"choices": [None]},
        {"choices": [{"message": None}]},
        {"choices": "x", "model": 1, "usage": {"prompt_tokens": "1", "total_tokens": -1}},
        {"output_text": 1, "output_tools": None, "output_json": None},
        _minimal(None),
        _minimal(None, tool_calls=[TOOL_CALL]),
        _minimal(1.5),
        _minimal("x", tool_calls="none"),
    ],
)
def test_an_odd_sample_is_shown_as_far_as_it_can_be(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, sample: Any
) -> None:
    assert _sampled(http, make_eval, run_to_end, sample, "", "")["status"] == "pass"


OPERATIONS = [
    ("eq", "Äb", "Äb", True), ("eq", "Äb", "äb", False), ("eq", "x ", "x", False), ("eq", "", "", True),
    ("ne", "a", "b", True), ("ne", "a", "a", False), ("neq", "a", "b", True),
    ("like", "a cat sat", "cat", True), ("like", "a Cat", "cat", False), ("like", "cat", "a cat", False),
    ("ilike", "a Cat", "cAT", True), ("ilike", "a dog", "cat", False), ("like", "x", "", True),
    ("eq", 1, "1", True), ("eq", 1.0, "1.0", True), ("eq", None, "null", True), ("eq", True, "true", True),
    ("eq", ["é", 1], '["é", 1]', True), ("eq", {"b": 1, "a": None}, '{"b": 1, "a": null}', True),
]  # fmt: skip


@ON_ONE_DATABASE
@pytest.mark.parametrize("operation", ["eq", "ne", "neq", "like", "ilike"])
def test_string_check_compares_text(
    http: httpx2.Client, make_eval: MakeEval, run_to_end: RunToEnd, operation: str
) -> None:
    cases = [case for case in OPERATIONS if case[0] == operation]
    parent = make_eval(testing_criteria=[string_check(operation=operation)])
    run = run_to_end(parent, [{"item": {"a": given, "b": reference}} for _, given, reference, _ in cases])
    results = [item["results"][0] for item in items_of(http, run)]
    assert [(result["passed"], result["score"]) for result in results] == [
        (passed, float(passed)) for *_, passed in cases
    ]


def test_the_recorded_item_has_no_key_that_ours_lacks(
    http: httpx2.Client, finished: dict[str, Any], shared_dir: Path
) -> None:
    text = (shared_dir / "spec/behaviour.md").read_text()
    start = text.index('{"object":"eval.run.output_item"')
    documented = json.loads(text[start : text.index("```", start)])
    ours = items_of(http, finished)[0]
    assert documented.keys() <= ours.keys()
    assert documented["sample"].keys() <= ours["sample"].keys()
    assert documented["results"][0].keys() <= ours["results"][0].keys()
