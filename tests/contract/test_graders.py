"""Testing criteria of every shape are stored as sent, and echoed."""

from typing import Any

import httpx2
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, eval_body, refusal_of, string_check


def part_of(grader: dict[str, Any], *left_out: str) -> dict[str, Any]:
    """Return a grader as it stands inside a multi grader."""
    return {key: value for key, value in grader.items() if key not in ("pass_threshold", *left_out)}


SIMILARITY = {
    "type": "text_similarity",
    "name": "alike",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.a }}",
    "evaluation_metric": "fuzzy_match",
    "pass_threshold": 0.8,
}
MESSAGES = [
    {"type": "message", "role": "developer", "content": "Judge {{ sample.output_text }}"},
    {"type": "message", "role": "user", "content": {"type": "input_text", "text": "{{ item.a }}"}},
    {"type": "message", "role": "assistant", "content": {"type": "output_text", "text": "earlier"}},
    {
        "type": "message",
        "role": "user",
        "content": [
            "plain",
            {"type": "input_text", "text": "{{ item.a }}"},
            {"type": "input_image", "image_url": "{{ item.image }}", "detail": "auto"},
            {"type": "input_audio", "input_audio": {"data": "{{ item.audio }}", "format": "wav"}},
        ],
    },
]
LABEL = {
    "type": "label_model",
    "name": "tone",
    "model": "gpt-4.1",
    "input": MESSAGES,
    "labels": ["kind", "rude"],
    "passing_labels": ["kind"],
}
SCORE = {
    "type": "score_model",
    "name": "mark",
    "model": "o4-mini",
    "input": MESSAGES,
    "range": [1, 7],
    "pass_threshold": 5.5,
    "sampling_params": {
        "temperature": 1,
        "top_p": 0.5,
        "seed": 42,
        "max_completions_tokens": 256,
        "reasoning_effort": "high",
    },
}
PYTHON = {
    "type": "python",
    "name": "code",
    "source": "def grade(sample, item):\n    return 1.0\n",
    "image_tag": "2025-05-08",
    "pass_threshold": 1.0,
}
# A part has no threshold: only what the formula makes of the scores passes or fails.
MULTI_MAP = {
    "type": "multi",
    "name": "all",
    "graders": {"alike": part_of(SIMILARITY, "name"), "mark": part_of(SCORE)},
    "calculate_output": "0.5 * alike + 0.5 * mark / 7",
}
MULTI_LIST = {**MULTI_MAP, "graders": [part_of(SIMILARITY), part_of(PYTHON)], "calculate_output": "min(alike, code)"}

SHAPES = {
    "string_check": string_check(),
    "text_similarity": SIMILARITY,
    "label_model": LABEL,
    "label_model with parameters": {**LABEL, "sampling_params": None},
    "score_model": SCORE,
    "score_model, least": {key: SCORE[key] for key in ("type", "name", "model", "input")},
    "python": PYTHON,
    "python, least": {key: PYTHON[key] for key in ("type", "name", "source")},
    "multi with a map": MULTI_MAP,
    "multi with a list": MULTI_LIST,
}
METRICS = ["fuzzy_match", "bleu", "gleu", "meteor", "cosine", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_criterion_is_echoed_as_sent_with_its_id(http: httpx2.Client, make_eval: MakeEval, shape: str) -> None:
    sent = SHAPES[shape]
    made = make_eval(testing_criteria=[sent])
    [echoed] = made["testing_criteria"]
    assert list(echoed)[:2] == ["name", "id"]
    assert {key: value for key, value in echoed.items() if key != "id"} == sent
    assert made["evalhaven"]["warnings"] == []
    assert http.get(f"/v1/evals/{made['id']}").json()["testing_criteria"] == [echoed]


@ON_ONE_DATABASE
@pytest.mark.parametrize("metric", [*METRICS, "rouge_l"])
def test_every_metric_is_accepted(make_eval: MakeEval, metric: str) -> None:
    [echoed] = make_eval(testing_criteria=[{**SIMILARITY, "evaluation_metric": metric}])["testing_criteria"]
    assert echoed["evaluation_metric"] == metric


@ON_ONE_DATABASE
@pytest.mark.parametrize("operation", ["eq", "ne", "neq", "like", "ilike"])
def test_every_operation_is_accepted_as_spelt(make_eval: MakeEval, operation: str) -> None:
    assert (
        make_eval(testing_criteria=[string_check(operation=operation)])["testing_criteria"][0]["operation"] == operation
    )


@pytest.mark.parametrize("kind", [LABEL, SCORE])
def test_messages_get_their_type_and_keep_their_form(make_eval: MakeEval, kind: dict[str, Any]) -> None:
    untyped = [{key: value for key, value in message.items() if key != "type"} for message in MESSAGES]
    [echoed] = make_eval(testing_criteria=[{**kind, "input": untyped}])["testing_criteria"]
    assert echoed["input"] == MESSAGES
    assert echoed["input"][0]["content"] == "Judge {{ sample.output_text }}"


def test_messages_of_graders_inside_multi_get_their_type_too(make_eval: MakeEval) -> None:
    untyped = {**SCORE, "name": "mark", "input": [{"role": "user", "content": "x"}]}
    forms: list[Any] = [{"mark": untyped}, [untyped], untyped]
    criteria = [{**MULTI_MAP, "graders": form, "calculate_output": "mark"} for form in forms]
    in_map, in_list, alone = (echoed["graders"] for echoed in make_eval(testing_criteria=criteria)["testing_criteria"])

    for part in (in_map["mark"], in_list[0], alone):
        assert part["input"] == [{"role": "user", "content": "x", "type": "message"}]


@ON_ONE_DATABASE
@pytest.mark.parametrize("role", ["user", "assistant", "system", "developer", "tool", "critic"])
def test_roles_are_open(make_eval: MakeEval, role: str) -> None:
    make_eval(testing_criteria=[{**SCORE, "input": [{"role": role, "content": "x"}]}])


def test_unresolvable_placeholders_are_found_in_messages_and_inside_multi(make_eval: MakeEval) -> None:
    bad = {**part_of(SCORE), "input": [{"role": "user", "content": [{"type": "input_text", "text": "{{ item.a() }}"}]}]}
    forms: list[Any] = [{"m": bad}, [{**bad, "name": "m"}], {**bad, "name": "m"}]
    multis = [{**MULTI_MAP, "graders": form, "calculate_output": "m"} for form in forms]
    made = make_eval(testing_criteria=[bad, *multis])
    assert [warning["pointer"] for warning in made["evalhaven"]["warnings"]] == [
        "/testing_criteria/0/input/0/content/0/text",
        "/testing_criteria/1/graders/m/input/0/content/0/text",
        "/testing_criteria/2/graders/0/input/0/content/0/text",
        "/testing_criteria/3/graders/input/0/content/0/text",
    ]


REFUSED = {
    "unknown type": ({**string_check(), "type": "llm"}, "testing_criteria[0].type", "'string_check'"),
    "no type": ({"name": "x"}, "testing_criteria[0].type", "required"),
    "no object": ("string_check", "testing_criteria[0]", "an object"),
    "no name": ({**string_check(), "name": None}, "testing_criteria[0].name", "a string"),
    "unknown operation": (string_check(operation="EQ"), "testing_criteria[0].operation", "'ilike'"),
    "input that is no string": (string_check(input=1), "testing_criteria[0].input", "a string"),
    "no reference": (
        {key: value for key, value in string_check().items() if key != "reference"},
        "testing_criteria[0].reference",
        "required",
    ),
    "no threshold": ({**SIMILARITY, "pass_threshold": None}, "testing_criteria[0].pass_threshold", "a number"),
    "threshold as text": ({**SIMILARITY, "pass_threshold": "1"}, "testing_criteria[0].pass_threshold", "a number"),
    "unknown metric": ({**SIMILARITY, "evaluation_metric": "f1"}, "testing_criteria[0].evaluation_metric", "'bleu'"),
    "no labels": ({**LABEL, "labels": []}, "testing_criteria[0].labels", "at least 1"),
    "passing labels beyond labels": ({**LABEL, "passing_labels": ["x"]}, "testing_criteria[0].passing_labels", "'x'"),
    "no model": ({**SCORE, "model": ""}, "testing_criteria[0].model", "empty"),
    "range of one": ({**SCORE, "range": [1]}, "testing_criteria[0].range", "two numbers"),
    "range upside down": ({**SCORE, "range": [1, 0]}, "testing_criteria[0].range", "lowest"),
    "no tokens": (
        {**SCORE, "sampling_params": {"max_completions_tokens": 0}},
        "testing_criteria[0].sampling_params.max_completions_tokens",
        "at least 1",
    ),
    "messages as text": ({**SCORE, "input": "x"}, "testing_criteria[0].input", "an array"),
    "a message without role": (
        {**SCORE, "input": [{"content": "x"}]},
        "testing_criteria[0].input[0].role",
        "required",
    ),
    "content that is a number": (
        {**SCORE, "input": [{"role": "user", "content": 1}]},
        "testing_criteria[0].input[0].content",
        "a string",
    ),
    "an image without address": (
        {**SCORE, "input": [{"role": "user", "content": {"type": "input_image"}}]},
        "testing_criteria[0].input[0].content.image_url",
        "required",
    ),
    "no source": ({**PYTHON, "source": ""}, "testing_criteria[0].source", "empty"),
    "a source of 256 kB": ({**PYTHON, "source": "#" * 262_144}, "testing_criteria[0].source", "fewer than 262144"),
    "multi inside multi": (
        {**MULTI_MAP, "graders": {"x": MULTI_MAP}},
        "testing_criteria[0].graders.x.type",
        "'python'",
    ),
    "a list of multi without names": (
        {**MULTI_LIST, "graders": [{**PYTHON, "name": ""}]},
        "testing_criteria[0].graders[0].name",
        "required",
    ),
    "a list of multi with a name twice": (
        {**MULTI_LIST, "graders": [PYTHON, PYTHON]},
        "testing_criteria[0].graders[1].name",
        "unique",
    ),
    "no formula": ({**MULTI_MAP, "calculate_output": ""}, "testing_criteria[0].calculate_output", "empty"),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", REFUSED)
def test_a_criterion_that_cannot_be_is_refused_by_name(http: httpx2.Client, name: str) -> None:
    criterion, param, cure = REFUSED[name]
    error = refusal_of(http.post("/v1/evals", json=eval_body(testing_criteria=[criterion])))
    assert (error["param"], error["code"]) == (param, "invalid_value")
    assert cure in error["message"]
    assert param in error["message"]
