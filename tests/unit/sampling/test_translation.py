"""Facts about runs at endpoints that have the other protocol only."""

import json
from typing import Any

import pytest

from evalhaven.sampling.messages.making import RequestError, UnsupportedRequestError
from evalhaven.sampling.protocols.requests import compile_sampling
from tests.unit.sampling.asking import CHAT, RESPONSES, converse, make, target, template
from tests.unit.sampling.conversing import USER, to_responses
from tests.unit.sampling.test_chat_requests import FORMAT, FUNCTION, SCHEMA, TOOL


class TestRuns:
    def test_the_runs_own_protocol_is_preferred(self) -> None:
        both = target()

        for run_type, path in (("completions", "/chat/completions"), ("responses", "/responses")):
            maker = compile_sampling(template(run_type, "x"), both, None)
            assert (maker.path, maker.adaptations) == (path, ())

    def test_a_responses_run_becomes_chat_completions(self) -> None:
        image = {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"}
        source = template(
            "responses",
            {"role": "user", "content": ["See", image]},
            temperature=0.5,
            seed=3,
            max_completion_tokens=9,
            reasoning_effort="low",
            text={"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA}, "verbosity": "low"},
            tools=[{"type": "function", **FUNCTION}],
            tool_choice={"type": "function", "name": "look_up"},
        )
        maker = compile_sampling(source, CHAT, None)

        assert maker.path == "/chat/completions"
        assert maker.adaptations == ("Endpoint 'local' has no Responses protocol: it is asked for chat completions.",)
        assert json.loads(make(maker).body) == {
            "model": "m-1",
            "temperature": 0.5,
            "max_completion_tokens": 9,
            "seed": 3,
            "reasoning_effort": "low",
            "verbosity": "low",
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
            "tools": [TOOL],
            "tool_choice": {"type": "function", "function": {"name": "look_up"}},
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "See"},
                        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
                    ],
                }
            ],
        }

    def test_a_completions_run_becomes_responses(self) -> None:
        source = template(
            "completions",
            {"role": "developer", "content": "d"},
            max_completions_tokens=20,
            reasoning_effort="low",
            response_format=FORMAT,
            tools=[TOOL],
        )
        maker = compile_sampling(source, RESPONSES, None)

        assert maker.path == "/responses"
        assert maker.adaptations == (
            "Endpoint 'local' has no chat completions: it is asked by the Responses protocol.",
        )
        assert json.loads(make(maker).body) == {
            "model": "m-1",
            "max_output_tokens": 20,
            "reasoning": {"effort": "low"},
            "text": {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}},
            "tools": [{"type": "function", **FUNCTION}],
            "store": False,
            "input": [{"role": "developer", "content": "d"}],
        }

    @pytest.mark.parametrize(
        ("params", "told"),
        [
            ({"tools": [{"type": "web_search_preview"}]}, "web_search_preview"),
            ({"tools": [{"type": "mcp", "server_label": "s"}]}, "mcp"),
            ({"tools": [{"type": "function", "name": "f", "output_schema": {}}]}, "output_schema"),
            ({"tool_choice": {"type": "file_search"}}, "file_search"),
            ({"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]}}, "mcp"),
            ({"text": {"mood": "gay"}}, "text.mood"),
        ],
    )
    def test_what_chat_completions_do_not_have_is_refused_by_name(self, params: dict[str, Any], told: str) -> None:
        with pytest.raises(UnsupportedRequestError, match=told):
            compile_sampling(template("responses", "x", **params), CHAT, None)

    def test_audio_is_refused_where_only_responses_are(self) -> None:
        message = {"role": "user", "content": {"type": "input_audio", "input_audio": {"data": "x", "format": "mp3"}}}

        with pytest.raises(UnsupportedRequestError, match="audio"):
            compile_sampling(template("completions", message), RESPONSES, None)
        with pytest.raises(RequestError, match=r"message 1: .*audio"):
            to_responses(USER, message)
        assert converse("responses", RESPONSES, message)[0]["content"] == [message["content"]]
