"""Facts about requests for responses: parameters, tools, further keys, and what an endpoint lacks."""

import json
from pathlib import Path
from typing import Any

import pytest

from evalhaven.sampling.messages.making import UnsupportedRequestError
from evalhaven.sampling.protocols.requests import compile_sampling
from tests.unit.sampling.asking import (
    RESPONSES,
    Files,
    body_of,
    make,
    published_validator,
    reference,
    target,
    template,
)
from tests.unit.sampling.test_chat_requests import CUSTOM, FUNCTION, GRAMMAR, SCHEMA, TOOL

FORMAT = {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}
HOSTED = [
    {"type": "web_search_preview", "search_context_size": "low"},
    {"type": "mcp", "server_label": "s", "server_url": "https://x", "require_approval": "never"},
]


def sampling(**params: Any) -> dict[str, Any]:
    """Return a run with one message and these parameters."""
    return template("responses", "x", **params)


def sent(**params: Any) -> dict[str, Any]:
    """Return what is sent for these parameters, without what every request has."""
    body = body_of(sampling(**params), RESPONSES)
    return {key: value for key, value in body.items() if key not in ("model", "input", "store")}


class TestParameters:
    def test_only_what_was_set_is_sent_and_nothing_is_stored(self) -> None:
        assert body_of(sampling(), RESPONSES) == {
            "model": "m-1",
            "store": False,
            "input": [{"role": "user", "content": "x"}],
        }
        assert sent(temperature=None, text=None, tools=None, tool_choice=None) == {}
        assert sent(text={"format": None}) == {}

    def test_all_parameters_are_sent_under_this_protocols_names(self) -> None:
        params = {
            "temperature": 0,
            "top_p": 0.5,
            "max_completion_tokens": 20,
            "reasoning_effort": "minimal",
            "text": {"format": FORMAT, "verbosity": "low"},
            "tools": HOSTED,
            "tool_choice": "auto",
        }

        assert sent(**params) == {
            "temperature": 0,
            "top_p": 0.5,
            "max_output_tokens": 20,
            "reasoning": {"effort": "minimal"},
            "text": {"verbosity": "low", "format": FORMAT},
            "tools": HOSTED,
            "tool_choice": "auto",
        }

    def test_the_seed_is_left_out_because_the_protocol_has_none(self) -> None:
        maker = compile_sampling(sampling(seed=42), RESPONSES, None)

        assert "seed" not in json.loads(make(maker).body)
        assert maker.adaptations == ("The Responses protocol has no seed: it is not sent.",)

    def test_spoken_answers_cannot_be_asked_for_and_it_is_said(self) -> None:
        run = template("completions", "x", modalities=["audio"], audio={"voice": "v"})

        assert body_of(run, RESPONSES) == body_of(template("completions", "x"), RESPONSES)
        told = compile_sampling(run, RESPONSES, None).adaptations
        assert any("`modalities`" in sentence for sentence in told)
        assert any("`audio`" in sentence for sentence in told)

    def test_what_belongs_to_chat_completions_has_no_effect(self) -> None:
        assert sent(response_format={"type": "json_object"}, max_tokens=4) == {}


class TestTools:
    def test_functions_of_the_other_form_get_this_one_and_stay_as_lenient_as_they_were(self) -> None:
        assert sent(tools=[TOOL]) == {"tools": [{"type": "function", **FUNCTION}]}
        assert sent(tools=[{"type": "function", "function": {"name": "f"}}]) == {
            "tools": [{"type": "function", "strict": False, "parameters": None, "name": "f"}]
        }
        assert sent(tools=[CUSTOM]) == {"tools": [{"type": "custom", "name": "sql", "format": {"type": "text"}}]}
        chat_grammar = {"name": "c", "format": {"type": "grammar", "grammar": GRAMMAR}}
        assert sent(tools=[{"type": "custom", "custom": chat_grammar}]) == {
            "tools": [{"type": "custom", "name": "c", "format": {"type": "grammar", **GRAMMAR}}]
        }

    @pytest.mark.parametrize(
        "tool", [*HOSTED, {"type": "function", "name": "f", "defer_loading": True}, {"type": "custom", "name": "c"}]
    )
    def test_tools_in_this_protocols_form_pass_unchanged(self, tool: dict[str, Any]) -> None:
        assert sent(tools=[tool]) == {"tools": [tool]}

    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            ("required", "required"),
            ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
            ({"type": "function", "name": "f"}, {"type": "function", "name": "f"}),
            ({"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "c"}),
            (
                {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
                },
                {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
            ),
            ({"type": "mcp", "server_label": "s"}, {"type": "mcp", "server_label": "s"}),
        ],
    )
    def test_tool_choices_have_this_protocols_form(self, choice: Any, expected: Any) -> None:
        assert sent(tool_choice=choice) == {"tool_choice": expected}


class TestFurtherKeys:
    def test_they_are_sent_as_they_are_and_may_have_answers_stored(self) -> None:
        extra = {"truncation": "auto", "store": True, "include": ["web_search_call.results"]}

        body = body_of(sampling(), RESPONSES, extra_body=extra)

        assert {key: body[key] for key in extra} == extra

    @pytest.mark.parametrize("key", ["model", "input", "reasoning", "stream", "background"])
    def test_what_the_run_sets_they_may_not(self, key: str) -> None:
        with pytest.raises(UnsupportedRequestError, match=repr(key)):
            compile_sampling(sampling(reasoning_effort="low"), RESPONSES, {key: {}})


class TestLackingEndpoints:
    def test_strictness_is_left_out(self) -> None:
        lacking = target("responses", lacks=("strict_schemas",))
        body = body_of(sampling(text={"format": FORMAT}, tools=[{"type": "function", **FUNCTION}]), lacking)

        assert body["text"]["format"] == {"type": "json_schema", "name": "answer", "schema": SCHEMA}
        assert "strict" not in body["tools"][0]

    def test_a_schema_is_told_in_a_message(self) -> None:
        lacking = target("responses", lacks=("structured_outputs",))
        body = body_of(sampling(text={"format": {**FORMAT, "description": "A thing"}}), lacking)

        assert body["text"] == {"format": {"type": "json_object"}}
        assert [each["role"] for each in body["input"]] == ["system", "user"]
        assert "A thing" in body["input"][0]["content"]
        assert json.loads(body["input"][0]["content"].partition("JSON Schema:\n")[2]) == SCHEMA


class TestPublishedSchema:
    def test_requests_from_templates_are_valid(self, shared_dir: Path) -> None:
        parts = [
            "See",
            {"type": "input_image", "image_url": "https://x/y.png"},
            {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
            {"type": "input_image", "file_id": "file-png"},
            {"type": "input_image", "file_id": "file-unknown"},
            {"type": "input_file", "file_url": "https://x/y.pdf"},
            {"type": "file", "file": {"file_data": "data:text/plain;base64,QQ==", "filename": "a.txt"}},
        ]
        source = template(
            "responses",
            {"role": "developer", "content": {"type": "input_text", "text": "d"}},
            {"role": "user", "content": parts},
            {"role": "assistant", "content": "said", "phase": "final_answer"},
            temperature=1.0,
            top_p=0.9,
            max_completions_tokens=16,
            reasoning_effort="low",
            text={"format": FORMAT},
            tools=[TOOL, {"type": "function", **FUNCTION}, CUSTOM, HOSTED[0]],
            tool_choice={"type": "function", "function": {"name": "look_up"}},
        )
        body = body_of(source, RESPONSES, files=Files({"file-png": ("a.png", b"\x89PNG\r\n\x1a\n")}))

        validator = published_validator(shared_dir, "CreateResponse")
        assert [error.message for error in validator.iter_errors(body)] == []

    def test_requests_from_conversations_are_valid(self, shared_dir: Path) -> None:
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        custom = {"id": "c3", "type": "custom", "custom": {"name": "sql", "input": "select"}}
        messages = [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
            {"role": "assistant", "content": None, "tool_calls": [call, custom]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "found"}, "more"]},
            {"role": "tool", "tool_call_id": "c3", "content": "rows"},
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "a", "annotations": [], "logprobs": []}],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "t"}]},
            {"type": "function_call", "id": "fc_1", "call_id": "c2", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c2", "output": "o"},
        ]

        body = body_of(reference("responses"), RESPONSES, {"messages": messages})

        validator = published_validator(shared_dir, "CreateResponse")
        assert [error.message for error in validator.iter_errors(body)] == []
        assert len(body["input"]) == 10

    def test_the_published_schema_refuses_what_is_wrong(self, shared_dir: Path) -> None:
        validator = published_validator(shared_dir, "CreateResponse")
        body = body_of(sampling(), RESPONSES)

        assert not validator.is_valid({**body, "input": [{"role": "user", "content": [{"type": "image_url"}]}]})
        assert not validator.is_valid({**body, "text": {"format": {"type": "json_schema", "json_schema": {}}}})
