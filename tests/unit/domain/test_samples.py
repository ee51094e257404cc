"""Facts about the samples that come with rows."""

import json
from typing import Any

import pytest

from evalhaven.domain.samples import Sample, Usage, sample_of_row

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def derive(recorded: dict[str, Any]) -> Sample:
    """Return the sample of a row."""
    return sample_of_row(recorded, json.dumps(recorded))


def namespace_of(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return what templates see as `sample`."""
    namespace = derive(recorded).namespace
    assert namespace is not None
    return namespace


def with_message(**message: Any) -> dict[str, Any]:
    """Return a chat completion of one choice."""
    return {"choices": [{"message": message, "finish_reason": "stop"}]}


def test_a_chat_completion_gives_every_variable() -> None:
    message = {
        "role": "assistant",
        "content": '{"a": 1}',
        "tool_calls": [CALL],
        "audio": {"data": "d", "transcript": "t"},
    }
    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 4,
        "total_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 2},
    }
    recorded = {"model": "m-1", "usage": usage, **with_message(**message)}
    sample = derive(recorded)

    assert sample.namespace == {
        **recorded,
        "output_text": '{"a": 1}',
        "output_json": {"a": 1},
        "output_tools": [CALL],
        "output_audio": {"data": "d", "transcript": "t"},
    }
    assert (sample.model, sample.finish_reason, sample.usage) == ("m-1", "stop", Usage(3, 4, 7, 2))
    assert sample.output == [{"role": "assistant", "content": '{"a": 1}', "tool_calls": [CALL]}]
    assert sample.recorded_text == json.dumps(recorded)


def test_a_bare_output_text_is_enough() -> None:
    sample = derive({"output_text": "yes"})

    assert sample.namespace == {"output_text": "yes", "output_tools": []}
    assert sample.output == [{"role": "assistant", "content": "yes"}]


def test_what_the_row_itself_gives_is_kept() -> None:
    given = {"output_text": "mine", "output_json": 5, "output_tools": [1], "output_audio": {}}

    assert namespace_of({**given, **with_message(content="other", tool_calls=[CALL])}).items() >= given.items()


def test_null_is_as_good_as_absent_and_the_value_is_derived() -> None:
    nothing = dict.fromkeys(["output_text", "output_json", "output_tools", "output_audio"])

    namespace = namespace_of({**nothing, **with_message(content="5", tool_calls=[CALL])})

    assert (namespace["output_text"], namespace["output_json"], namespace["output_tools"]) == ("5", 5, [CALL])
    assert "output_audio" not in namespace


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": [1]}', {"a": [1]}),
        (' \n{"a": 1}\t', {"a": 1}),
        ("5", 5),
        ("-1.5e3", -1500.0),
        ("true", True),
        ("null", None),
        ('"quoted"', "quoted"),
        ("[]", []),
    ],
)
def test_output_json_is_the_parsed_text_without_surrounding_white_space(text: str, expected: object) -> None:
    assert namespace_of({"output_text": text})["output_json"] == expected


@pytest.mark.parametrize(
    "text", ["", "  ", "plain", "```json\n{}\n```", '{"a": 1} and more', "NaN", "[" * 100_000, "true!", "1e999"]
)
def test_text_that_is_not_json_gives_no_output_json(text: str) -> None:
    assert "output_json" not in namespace_of({"output_text": text})


def test_text_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "refusal"}, "x", {"text": 5}, {"type": "text", "text": "b"}]

    assert namespace_of(with_message(content=parts))["output_text"] == "ab"


@pytest.mark.parametrize("content", [None, 5, {"a": 1}, True])
def test_without_text_there_is_no_output_text(content: object) -> None:
    sample = derive(with_message(content=content))

    assert sample.namespace is not None
    assert "output_text" not in sample.namespace
    assert sample.output == [{"role": "assistant", "content": ""}]


@pytest.mark.parametrize("given", [5, [], {}, False])
def test_an_output_text_that_is_no_string_does_not_count(given: object) -> None:
    assert "output_text" not in namespace_of({"output_text": given})


def test_refusals_and_function_calls_are_shown() -> None:
    shown = derive(with_message(content=None, refusal="no", function_call={"name": "f"}, annotations=[])).output

    assert shown == [{"role": "assistant", "content": "", "refusal": "no", "function_call": {"name": "f"}}]


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, Usage()),
        ("x", Usage()),
        ({}, Usage()),
        ({"prompt_tokens": 2, "completion_tokens": 3}, Usage(2, 3, 5, 0)),
        ({"prompt_tokens": -1, "completion_tokens": "three", "total_tokens": True}, Usage()),
        ({"prompt_tokens": "3", "completion_tokens": 4.0, "total_tokens": "7.0"}, Usage(3, 4, 7)),
        ({"prompt_tokens": " 12 ", "completion_tokens": "-4", "cached_tokens": "1e3"}, Usage(12, 0, 12)),
        ({"prompt_tokens": "9" * 19, "completion_tokens": float("nan"), "cached_tokens": float("inf")}, Usage()),
        ({"prompt_tokens": 2**70, "total_tokens": 1.5}, Usage()),
        ({"cached_tokens": 4}, Usage(0, 0, 0, 4)),
        ({"prompt_tokens_details": {"cached_tokens": None}}, Usage()),
    ],
)
def test_usage_counts_what_is_a_count(usage: Any, expected: Usage) -> None:
    assert repr(derive({"usage": usage}).usage) == repr(expected)


@pytest.mark.parametrize(
    "recorded",
    [
        {"choices": None},
        {"choices": {}},
        {"choices": [None]},
        {"choices": [[]]},
        {"choices": [{"message": []}]},
        {"choices": [{"message": None, "finish_reason": 5}], "model": 7},
        {"choices": "text"},
    ],
)
def test_hostile_shapes_give_an_empty_sample(recorded: dict[str, Any]) -> None:
    sample = derive(recorded)

    assert (sample.output, sample.finish_reason, sample.model) == ([], "", "")
    assert sample.namespace == {**recorded, "output_tools": []}
