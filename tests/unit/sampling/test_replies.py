"""Facts about chat completions: what of them becomes a sample."""

import json
from pathlib import Path
from typing import Any

import pytest

from evalhaven.domain.samples import Usage
from evalhaven.sampling.messages.making import CHAT_PATH, RESPONSES_PATH
from evalhaven.sampling.protocols.replies import read_reply
from tests.unit.sampling.answered import AUDIO, CALL, CHAT, TEXT_ITEM, chat, read, response, seen
from tests.unit.sampling.asking import published_validator


class TestChatCompletions:
    def test_a_typical_one(self) -> None:
        sample = read(CHAT)

        assert sample.output == [{"role": "assistant", "content": "Markets"}]
        assert (sample.finish_reason, sample.model) == ("stop", "gpt-4o-mini-2024-07-18")
        assert sample.usage == Usage(323, 12, 335, 100, 10)
        assert sample.namespace == {
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Markets", "refusal": None},
                    "finish_reason": "stop",
                }
            ],
            "output_text": "Markets",
            "output_tools": [],
        }

    def test_our_example_is_what_is_published(self, shared_dir: Path) -> None:
        validator = published_validator(shared_dir, "CreateChatCompletionResponse")

        assert validator.is_valid(CHAT)

    def test_tool_calls_are_kept_and_their_arguments_can_be_walked_through(self) -> None:
        sample = read(chat({"role": "assistant", "content": None, "tool_calls": [{**CALL, "index": 0}]}, "tool_calls"))

        assert sample.output == [{"role": "assistant", "content": "", "tool_calls": [CALL]}]
        assert sample.finish_reason == "tool_calls"
        assert seen(sample, "{{ sample.output_tools[0].function.arguments.symbols }}") == '["NVDA"]'
        assert seen(sample, "{{ sample.choices[0].message.tool_calls[0].id }}") == "call_1"
        assert seen(sample, "{{ sample.choices[0].message.content }}") == "null"
        assert seen(sample, "<{{ sample.output_text }}>") == "<>"

    def test_arguments_that_came_as_an_object_become_text(self) -> None:
        call = {"id": 7, "function": {"name": "f", "arguments": {"a": [1]}}}

        assert read(chat({"content": "", "tool_calls": [call]})).output == [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "7", "type": "function", "function": {"name": "f", "arguments": '{"a":[1]}'}}],
            }
        ]

    def test_custom_tools_have_the_form_of_functions_in_output_tools(self) -> None:
        call = {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
        sample = read(chat({"role": "assistant", "content": None, "tool_calls": [call]}))

        assert sample.output == [{"role": "assistant", "content": "", "tool_calls": [call]}]
        assert seen(sample, "{{sample.output_tools[0].function.name}}") == "sql"
        assert seen(sample, "{{sample.output_tools[0].function.arguments.input}}") == "select 1"

    def test_the_old_function_call_is_a_call_too(self) -> None:
        function = {"name": "f", "arguments": "{}"}
        sample = read(chat({"role": "assistant", "content": None, "function_call": function}, "function_call"))

        assert sample.output == [{"role": "assistant", "content": "", "function_call": function}]
        assert sample.namespace is not None
        assert sample.namespace["output_tools"] == [{"id": "", "type": "function", "function": function}]

    def test_a_refusal_is_kept_and_has_no_text(self) -> None:
        sample = read(chat({"role": "assistant", "content": None, "refusal": "I cannot."}))

        assert sample.output == [{"role": "assistant", "content": "", "refusal": "I cannot."}]
        assert seen(sample, "<{{sample.output_text}}>{{sample.choices[0].message.refusal}}") == "<>I cannot."

    @pytest.mark.parametrize("reason", ["length", "content_filter", "eos", "", None])
    def test_any_finish_reason_is_told(self, reason: str | None) -> None:
        sample = read(chat({"role": "assistant", "content": "cut o"}, reason))

        assert sample.finish_reason == (reason or "")
        assert seen(sample, "{{sample.output_text}}") == "cut o"

    @pytest.mark.parametrize("content", [None, "", []])
    def test_no_content_is_an_empty_text(self, content: Any) -> None:
        sample = read(chat({"role": "assistant", "content": content}))

        assert sample.output == [{"role": "assistant", "content": ""}]
        assert seen(sample, "<{{sample.output_text}}>") == "<>"

    def test_parts_are_joined_and_thoughts_left_out(self) -> None:
        parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, "b", {"type": "x", "text": "y"}]

        assert read(chat({"role": "assistant", "content": parts})).output == [{"role": "assistant", "content": "ab"}]
        refusal = [{"type": "refusal", "refusal": "No."}]
        assert read(chat({"role": "assistant", "content": refusal})).output == [
            {"role": "assistant", "content": "", "refusal": "No."}
        ]

    def test_reasoning_beside_the_content_is_left_out(self) -> None:
        message = {"role": "assistant", "content": "a", "reasoning_content": "hm", "reasoning": "hm"}

        assert read(chat(message)).output == [{"role": "assistant", "content": "a"}]

    def test_audio_and_what_was_said(self) -> None:
        sample = read(chat({"role": "assistant", "content": None, "audio": AUDIO}))

        assert sample.output == [
            {"role": "assistant", "content": "", "audio": {"id": "audio_1", "data": "UklGRg==", "transcript": "Hello."}}
        ]
        assert sample.namespace is not None
        assert sample.namespace["output_audio"] == {"data": "UklGRg==", "transcript": "Hello."}
        assert sample.namespace["output_text"] == "Hello."

    def test_the_first_of_several_choices_is_the_sample(self) -> None:
        choices = [
            {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": reason}
            for index, (text, reason) in enumerate([("one", "stop"), ("two", "length"), ("three", "stop")])
        ]
        sample = read({**CHAT, "choices": choices})

        assert [each["content"] for each in sample.output if isinstance(each, dict)] == ["one", "two", "three"]
        assert sample.finish_reason == "stop"
        assert seen(sample, "{{sample.output_text}} {{sample.choices[1].message.content}}") == "one two"
        assert seen(sample, "{{sample.choices[1].finish_reason}} {{sample.choices[2].finish_reason}}") == "length stop"

    @pytest.mark.parametrize(
        ("text", "expected"),
        [('{"a": 1}', {"a": 1}), ('\n {"a": 1} ', {"a": 1}), ("[1]", [1]), ("null", None), ("12", 12)],
    )
    def test_json_is_parsed_without_the_white_space_around_it(self, text: str, expected: Any) -> None:
        namespace = read(chat({"role": "assistant", "content": text})).namespace

        assert namespace is not None
        assert namespace["output_json"] == expected

    @pytest.mark.parametrize("text", ["", "words", '```json\n{"a": 1}\n```', '{"a": ', "NaN"])
    def test_what_is_no_json_leaves_none(self, text: str) -> None:
        namespace = read(chat({"role": "assistant", "content": text})).namespace

        assert namespace is not None
        assert "output_json" not in namespace

    def test_lone_surrogates_and_null_characters_survive(self) -> None:
        body = json.dumps(chat({"role": "assistant", "content": "a\ud800\x00"})).encode()

        assert read_reply(CHAT_PATH, body).output == [{"role": "assistant", "content": "a\ud800\x00"}]

    @pytest.mark.parametrize(
        ("usage", "expected"),
        [
            (None, Usage()),
            ({"prompt_tokens": 3, "completion_tokens": 4}, Usage(3, 4, 7)),
            ({"prompt_tokens": "three", "completion_tokens": -4, "total_tokens": 2.5}, Usage()),
            ({"prompt_tokens": 3.0, "completion_tokens": "4", "total_tokens": 7.0}, Usage(3, 4, 7)),
            ({"prompt_tokens": 3, "prompt_tokens_details": None, "cached_tokens": 2}, Usage(3, 0, 3, 2)),
        ],
    )
    def test_usage_that_is_missing_or_odd_counts_nothing(self, usage: Any, expected: Usage) -> None:
        assert read({**CHAT, "usage": usage}).usage == expected


THOUGHT = {"role": "assistant", "content": None, "reasoning_content": '{"result":1}'}
REASONING_ITEM = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": '{"result":1}'}]}
SUMMARY_ITEM = {"type": "reasoning", "summary": [{"type": "summary_text", "text": '{"result":1}'}]}


class TestReasoningAlone:
    @pytest.mark.parametrize(
        "message",
        [
            THOUGHT,
            {"role": "assistant", "reasoning_content": '{"result":1}'},
            {"role": "assistant", "content": None, "reasoning": '{"result":1}'},
        ],
    )
    def test_reasoning_without_content_can_be_looked_into(self, message: dict[str, Any]) -> None:
        sample = read(chat(message))

        assert sample.reasoning == '{"result":1}'
        assert sample.output == [{"role": "assistant", "content": ""}], "and is no part of the answer"

    @pytest.mark.parametrize("content", ["", "Bern", [{"type": "text", "text": "Bern"}]])
    def test_reasoning_beside_content_is_not_kept(self, content: Any) -> None:
        assert read(chat({**THOUGHT, "content": content})).reasoning == ""

    @pytest.mark.parametrize("reasoning", [None, {"text": "x"}, 3, ""])
    def test_what_is_no_text_is_no_reasoning(self, reasoning: Any) -> None:
        assert read(chat({**THOUGHT, "reasoning_content": reasoning})).reasoning == ""

    def test_so_it_is_in_a_response(self) -> None:
        assert read(response(REASONING_ITEM), RESPONSES_PATH).reasoning == '{"result":1}'
        assert read(response(REASONING_ITEM, TEXT_ITEM), RESPONSES_PATH).reasoning == ""
        assert read(response(SUMMARY_ITEM), RESPONSES_PATH).reasoning == "", "a summary is not the model's own words"
