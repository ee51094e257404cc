"""Facts about requests for chat completions: parameters, tools, further keys, and what an endpoint lacks."""

import json
from pathlib import Path
from typing import Any

import pytest

from evalhaven.sampling.messages.making import UnsupportedRequestError
from evalhaven.sampling.protocols.requests import compile_sampling
from tests.unit.sampling.asking import (
    CHAT,
    PNG_URL,
    Files,
    body_of,
    converse,
    make,
    published_validator,
    reference,
    shown,
    target,
    template,
)

SCHEMA = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"], "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
FUNCTION = {"name": "look_up", "description": "Finds.", "parameters": SCHEMA, "strict": True}
TOOL = {"type": "function", "function": FUNCTION}
CUSTOM = {"type": "custom", "custom": {"name": "sql", "format": {"type": "text"}}}
GRAMMAR = {"definition": "start: x", "syntax": "lark"}


def sampling(**params: Any) -> dict[str, Any]:
    """Return a run with one message and these parameters."""
    return template("completions", "x", **params)


def sent(**params: Any) -> dict[str, Any]:
    """Return what is sent for these parameters, without model and messages."""
    body = body_of(sampling(**params), CHAT)
    return {key: value for key, value in body.items() if key not in ("model", "messages")}


class TestParameters:
    def test_only_what_was_set_is_sent(self) -> None:
        assert body_of(sampling(), CHAT) == {"model": "m-1", "messages": [{"role": "user", "content": "x"}]}
        assert sent(temperature=None, top_p=None, tools=None, tools_choice=None, response_format=None) == {}

    def test_spoken_answers_are_asked_for_from_either_place(self) -> None:
        spoken = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}

        assert sent(**spoken) == spoken
        for beside in ({**sampling(), **spoken}, {**sampling(modalities=None, audio=None), **spoken}):
            assert body_of(beside, CHAT) == {**body_of(sampling(), CHAT), **spoken}
        assert sent(modalities=None, audio=None) == {}

    def test_all_parameters_are_sent_under_their_names(self) -> None:
        params = {
            "temperature": 0.0,
            "top_p": 0.5,
            "seed": 2**62,
            "max_completion_tokens": 20,
            "reasoning_effort": "xhigh",
            "response_format": FORMAT,
            "tools": [TOOL, CUSTOM],
            "tool_choice": "required",
        }

        assert sent(**params) == params

    def test_both_names_of_the_token_limit_are_understood(self) -> None:
        assert sent(max_completions_tokens=7) == {"max_completion_tokens": 7}
        assert sent(max_completions_tokens=7, max_completion_tokens=8) == {"max_completion_tokens": 8}

    @pytest.mark.parametrize("answer_format", [{"type": "text"}, {"type": "json_object"}, {"type": "grammar", "g": 1}])
    def test_any_format_passes(self, answer_format: dict[str, Any]) -> None:
        assert sent(response_format=answer_format) == {"response_format": answer_format}

    def test_what_belongs_elsewhere_has_no_effect(self) -> None:
        assert sent(text={"format": {"type": "text"}}, max_tokens=5, unknown=1, stream=True) == {}
        assert body_of({**sampling(), "temperature": 0, "prediction": {}}, CHAT).keys() == {"model", "messages"}


class TestTools:
    def test_functions_of_the_other_form_get_this_one(self) -> None:
        assert sent(tools=[{"type": "function", **FUNCTION, "defer_loading": None}]) == {"tools": [TOOL]}
        assert sent(tools=[{"type": "custom", "name": "sql", "format": {"type": "text"}}]) == {"tools": [CUSTOM]}
        assert sent(tools=[{"type": "custom", "name": "c", "format": {"type": "grammar", **GRAMMAR}}]) == {
            "tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": GRAMMAR}}}]
        }

    def test_other_types_pass(self) -> None:
        tools = [{"type": "web_search_preview"}, {"type": "mcp", "server_label": "s"}]

        assert sent(tools=tools) == {"tools": tools}

    def test_no_tools_are_not_sent_as_an_empty_list(self) -> None:
        assert sent(tools=[]) == {}

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            ("none", "none"),
            ({"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "f"}}),
            ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
            ({"type": "custom", "name": "c"}, {"type": "custom", "custom": {"name": "c"}}),
            (
                {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
                {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
                },
            ),
            ({"type": "web_search"}, {"type": "web_search"}),
        ],
    )
    def test_tool_choices_have_this_protocols_form(self, choice: Any, expected: Any) -> None:
        assert sent(tool_choice=choice) == {"tool_choice": expected}

    def test_what_only_the_other_protocol_knows_of_a_function_is_refused(self) -> None:
        with pytest.raises(UnsupportedRequestError, match=r"look_up.*defer_loading"):
            compile_sampling(sampling(tools=[{"type": "function", **FUNCTION, "defer_loading": True}]), CHAT, None)


class TestFurtherKeys:
    def test_they_are_sent_as_they_are(self) -> None:
        extra = {"top_k": 5, "n": 2, "options": {"a": "{{ item.x }}"}, "nothing": None}

        body = body_of(sampling(temperature=1), CHAT, extra_body=extra)

        assert {key: body[key] for key in extra} == extra
        assert body["temperature"] == 1

    def test_what_the_run_leaves_open_they_may_set(self) -> None:
        assert body_of(sampling(), CHAT, extra_body={"temperature": 0.5, "max_tokens": 4})["temperature"] == 0.5

    @pytest.mark.parametrize(
        "key", ["temperature", "max_completion_tokens", "model", "messages", "stream", "stream_options"]
    )
    def test_what_the_run_sets_they_may_not(self, key: str) -> None:
        with pytest.raises(UnsupportedRequestError, match=repr(key)):
            compile_sampling(sampling(temperature=1, max_completions_tokens=5), CHAT, {key: 1})


class TestLackingEndpoints:
    def test_an_endpoint_that_lacks_nothing_needs_no_adaptation(self) -> None:
        everything = sampling(seed=1, max_completion_tokens=5, response_format=FORMAT, tools=[TOOL])

        assert compile_sampling(everything, CHAT, None).adaptations == ()

    def test_what_was_not_asked_for_needs_no_adaptation(self) -> None:
        lacking = target(
            "chat",
            lacks=("developer_role", "max_completion_tokens", "seed", "strict_schemas", "structured_outputs"),
        )
        maker = compile_sampling(sampling(response_format={"type": "text"}, tools=[CUSTOM]), lacking, None)

        assert maker.adaptations == ()

    def test_developers_are_sent_as_system(self) -> None:
        source = template("completions", {"role": "developer", "content": "d {{ item.a }}"}, "x")
        lacking = target("chat", lacks=("developer_role",))
        maker = compile_sampling(source, lacking, None)

        expected = [{"role": "system", "content": "d 1"}, {"role": "user", "content": "x"}]
        assert body_of(source, lacking, {"a": 1})["messages"] == expected
        assert shown(source, lacking, {"a": 1}) == expected
        assert ["`developer`" in each and "'local'" in each for each in maker.adaptations] == [True]
        assert converse("completions", lacking, {"role": "developer", "content": "d"})[0]["role"] == "system"
        assert "`developer`" in compile_sampling(reference("completions"), lacking, None).adaptations[0]

    def test_the_token_limit_has_its_old_name(self) -> None:
        lacking = target("chat", lacks=("max_completion_tokens",))
        maker = compile_sampling(sampling(max_completions_tokens=5), lacking, None)

        assert json.loads(make(maker).body)["max_tokens"] == 5
        assert "`max_tokens`" in maker.adaptations[0]

    def test_the_seed_is_left_out(self) -> None:
        lacking = target("chat", lacks=("seed",))
        maker = compile_sampling(sampling(seed=5), lacking, None)

        assert "seed" not in json.loads(make(maker).body)
        assert "seed" in maker.adaptations[0]

    def test_strictness_is_left_out(self) -> None:
        lacking = target("chat", lacks=("strict_schemas",))
        source = sampling(response_format=FORMAT, tools=[TOOL, {"type": "function", **FUNCTION}])
        maker = compile_sampling(source, lacking, None)

        body = json.loads(make(maker).body)
        lenient = {key: value for key, value in FUNCTION.items() if key != "strict"}
        assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
        assert body["tools"] == [{"type": "function", "function": lenient}] * 2
        assert "`strict`" in maker.adaptations[0]

    def test_a_schema_is_told_in_the_system_message(self) -> None:
        lacking = target("chat", lacks=("structured_outputs", "strict_schemas"))
        system = {"role": "system", "content": {"type": "input_text", "text": "Be {{ item.how }}."}}
        source = template("completions", system, "x", response_format=FORMAT)
        maker = compile_sampling(source, lacking, None)

        request = make(maker, {"how": "kind"})
        body = json.loads(request.body)
        assert body["response_format"] == {"type": "json_object"}
        assert [each["role"] for each in body["messages"]] == ["system", "user"]
        told = body["messages"][0]["content"]
        assert told.startswith("Be kind.\n\nAnswer with one JSON object")
        assert json.loads(told.partition("JSON Schema:\n")[2]) == SCHEMA
        assert request.shown[0] == body["messages"][0]
        assert len(maker.adaptations) == 1
        assert "Schemas" in maker.adaptations[0]

    def test_a_schema_is_told_in_a_message_of_its_own_where_there_is_no_system_message(self) -> None:
        lacking = target("chat", lacks=("structured_outputs",))

        body = body_of(sampling(response_format=FORMAT), lacking)
        assert [each["role"] for each in body["messages"]] == ["system", "user"]

        wanted = reference("completions", response_format=FORMAT)
        item = {"messages": [{"role": "developer", "content": "d"}, {"role": "user", "content": "u"}]}
        assert body_of(wanted, lacking, item)["messages"][0]["content"].startswith("d\n\nAnswer with")

    def test_without_response_formats_a_message_alone_asks_for_json(self) -> None:
        lacking = target("chat", lacks=("json_mode", "structured_outputs"))
        for wanted, schema in ((FORMAT, True), ({"type": "json_object"}, False)):
            maker = compile_sampling(sampling(response_format=wanted), lacking, None)
            body = body_of(sampling(response_format=wanted), lacking)

            assert "response_format" not in body
            assert "one JSON object" in body["messages"][0]["content"]
            assert ("JSON Schema" in body["messages"][0]["content"]) == schema
            assert ["response formats" in told for told in maker.adaptations] == [True]

    def test_a_schema_is_never_taken_for_a_placeholder(self) -> None:
        lacking = target("chat", lacks=("structured_outputs",))
        schema = {"type": "object", "description": "like {{ item.x }} and {{{"}
        wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}

        told = body_of(sampling(response_format=wanted), lacking, {"x": "filled"})["messages"][0]["content"]

        assert json.loads(told.partition("JSON Schema:\n")[2]) == schema


class TestPublishedSchema:
    MESSAGES: tuple[dict[str, Any], ...] = (
        {"role": "developer", "content": "d"},
        {"role": "system", "content": ["one", {"type": "input_text", "text": "two"}]},
        {
            "role": "user",
            "content": [
                "See",
                {"type": "input_image", "image_url": "https://x/y.png", "detail": "high"},
                {"type": "input_image", "file_id": "file-png"},
                {"type": "input_image", "file_id": "file-unknown"},
                {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
                {"type": "input_file", "file_data": "data:text/plain;base64,QQ==", "filename": "a.txt"},
                {"type": "input_file", "file_id": "file-unknown"},
            ],
        },
        {"role": "assistant", "content": {"type": "output_text", "text": "a"}},
    )

    def test_requests_from_templates_are_valid(self, shared_dir: Path) -> None:
        source = template(
            "completions",
            *self.MESSAGES,
            temperature=1.0,
            top_p=0.9,
            seed=1,
            max_completions_tokens=9,
            reasoning_effort="low",
            response_format=FORMAT,
            tools=[TOOL, CUSTOM, {"type": "function", **FUNCTION}],
            tool_choice={"type": "function", "name": "look_up"},
        )
        body = body_of(source, CHAT, files=Files({"file-png": ("a.png", b"\x89PNG\r\n\x1a\n")}))

        validator = published_validator(shared_dir, "CreateChatCompletionRequest")
        assert [error.message for error in validator.iter_errors(body)] == []

    def test_requests_from_conversations_are_valid(self, shared_dir: Path) -> None:
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        messages = [
            {"role": "user", "content": "u", "name": None},
            {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None, "audio": None},
            {"role": "tool", "tool_call_id": "c1", "content": "found"},
            {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": "a"},
            {"type": "function_call", "id": "fc_1", "call_id": "c2", "name": "f", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c3", "name": "sql", "input": "select"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "t"}]},
            {"type": "custom_tool_call_output", "call_id": "c3", "output": "rows"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG_URL}}]},
        ]

        body = body_of(reference("completions"), CHAT, {"messages": messages})

        validator = published_validator(shared_dir, "CreateChatCompletionRequest")
        assert [error.message for error in validator.iter_errors(body)] == []
        assert len(body["messages"]) == 7

    def test_the_published_schema_refuses_what_is_wrong(self, shared_dir: Path) -> None:
        validator = published_validator(shared_dir, "CreateChatCompletionRequest")
        body = body_of(sampling(), CHAT)

        assert not validator.is_valid({**body, "messages": [{"role": "user", "content": [{"type": "input_text"}]}]})
        assert not validator.is_valid({**body, "response_format": {"type": "json_schema"}})
