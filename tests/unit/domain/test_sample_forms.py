"""Facts about the forms in which rows hold answers."""

from typing import Any

import pytest

from evalhaven.domain.sample_forms import is_readable
from evalhaven.domain.samples import Usage
from tests.unit.domain.test_samples import CALL, derive, namespace_of

ITEM_CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}


def said(text: str, **more: Any) -> dict[str, Any]:
    """Return a message among the output items of a response."""
    return {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}], **more}


def test_the_sample_of_an_output_item_gives_every_variable() -> None:
    message = {"role": "assistant", "content": '{"a":1}', "tool_calls": [CALL]}
    usage = {"total_tokens": 5, "completion_tokens": 2, "prompt_tokens": 3, "cached_tokens": 1}
    recorded = {"output": [message], "finish_reason": "tool_calls", "model": "m", "usage": usage, "seed": None}
    sample = derive(recorded)

    assert sample.namespace == {
        **recorded,
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "output_text": '{"a":1}',
        "output_json": {"a": 1},
        "output_tools": [CALL],
    }
    assert (sample.model, sample.finish_reason, sample.usage) == ("m", "tool_calls", Usage(3, 2, 5, 1))
    assert sample.output == [message]


def test_several_messages_of_an_output_are_choices() -> None:
    namespace = namespace_of({"outputs": [{"content": "a"}, {"content": "b"}]})

    assert namespace["output_text"] == "a"
    assert [choice["message"]["content"] for choice in namespace["choices"]] == ["a", "b"]


def test_an_export_names_model_and_usage_in_its_own_way() -> None:
    sample = derive(
        {
            "outputs": [{"content": "a"}],
            "sampled_model_name": "m",
            "token_usage": {"prompt_tokens": 3, "total_tokens": 4},
        }
    )

    assert (sample.model, sample.usage.prompt_tokens, sample.usage.total_tokens) == ("m", 3, 4)


def test_a_response_is_one_message_with_its_calls() -> None:
    usage = {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}}
    output = [{"type": "reasoning"}, said("thinking", phase="commentary"), said("a"), said("b"), ITEM_CALL]
    sample = derive({"object": "response", "model": "m", "output": output, "usage": usage})

    assert sample.namespace is not None
    assert (sample.namespace["output_text"], sample.namespace["output_tools"]) == ("ab", [CALL])
    assert (sample.model, sample.finish_reason, sample.usage) == ("m", "tool_calls", Usage(3, 2, 5, 1))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"status": "completed"}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete"}, "length"),
    ],
)
def test_the_status_of_a_response_becomes_a_finish_reason(status: dict[str, Any], expected: str) -> None:
    assert derive({"output": [said("a")], **status}).finish_reason == expected


def test_a_refusal_of_a_response_is_a_refusal() -> None:
    output = [{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}]

    assert derive({"output": output}).output == [{"role": "assistant", "content": "", "refusal": "no"}]


@pytest.mark.parametrize(
    "recorded",
    [
        {"output": "x"},
        {"outputs": ["x"]},
        {"output": {"role": "assistant", "content": "x"}},
        {"output": [{"type": "message", "content": "x"}]},
        {"output": [{"type": "message", "content": [{"type": "output_audio", "transcript": "x"}]}]},
        {"message": {"content": [{"type": "text", "text": "x"}]}},
        {"content": "x"},
        {"audio": {"transcript": "x"}},
        {"choices": [{"text": "x"}]},
        {"choices": [{"message": {"content": None, "audio": {"data": "", "transcript": "x"}}}]},
        {"choices": None, "output": [{"content": "x"}]},
        {"output": [{"content": "other"}], "output_text": "x"},
    ],
)
def test_a_text_is_found_in_each_form(recorded: dict[str, Any]) -> None:
    assert is_readable(recorded)
    assert namespace_of(recorded)["output_text"] == "x"
    assert derive(recorded).output[0] == {"role": "assistant", "content": "x"}


@pytest.mark.parametrize(
    "recorded",
    [
        {"answer": "x"},
        {"output": []},
        {"output": None, "error": {"code": None}},
        {"output": 5},
        {"output": [{"type": "reasoning", "summary": []}]},
        {"output": {"score": 1}},
        {"output_text": 5},
        {"choices": []},
        {"choices": [None]},
        {"choices": [{"message": {}}]},
        {"choices": [{"delta": {"content": "x"}}]},
        {"message": 5},
    ],
)
def test_what_says_nothing_is_no_answer(recorded: dict[str, Any]) -> None:
    assert not is_readable(recorded)
    assert "output_text" not in namespace_of(recorded)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        ({"code": "x", "message": "No."}, "x", "No."),
        ({"message": "No."}, "recorded_error", "No."),
        ({"code": "x"}, "x", "x"),
    ],
)
def test_an_error_is_that_of_the_item(error: dict[str, Any], code: str, message: str) -> None:
    recorded = {"output": [{"role": "assistant", "content": ""}], "error": error}
    found = derive(recorded).error

    assert is_readable({"error": error})
    assert found is not None
    assert (found.code, found.message) == (code, message)


@pytest.mark.parametrize("error", [None, {}, "no", {"code": None, "message": ""}])
def test_an_error_that_says_nothing_is_none(error: object) -> None:
    assert derive({"output_text": "x", "error": error}).error is None


@pytest.mark.parametrize("recorded", [{"output_json": {}}, {"output_tools": [CALL]}, {"refusal": "no"}])
def test_an_answer_need_not_be_a_text(recorded: dict[str, Any]) -> None:
    assert is_readable(recorded)
