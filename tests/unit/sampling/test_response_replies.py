"""Facts about responses: what of them becomes a sample."""

import json
from pathlib import Path
from typing import Any

import pytest

from evalhaven.domain.samples import Usage
from evalhaven.sampling.messages.making import RESPONSES_PATH
from tests.published import read_published
from tests.unit.sampling.answered import CALL, CALL_ITEM, RESPONSE, TEXT_ITEM, read, response, seen


class TestResponses:
    def test_a_typical_one(self) -> None:
        sample = read(RESPONSE, RESPONSES_PATH)

        assert sample.output == [{"role": "assistant", "content": "Markets"}]
        assert (sample.finish_reason, sample.model) == ("stop", "gpt-5-nano-2025-08-07")
        assert sample.usage == Usage(36, 87, 123, 5, 64)
        assert sample.namespace is not None
        assert sample.namespace["choices"] == [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Markets", "refusal": None},
                "finish_reason": "stop",
            }
        ]

    def test_the_published_example(self, shared_dir: Path) -> None:
        document = read_published(shared_dir / "spec" / "openapi" / "neighbours.yaml")
        example = document["components"]["schemas"]["Response"]["example"]

        sample = read(example, RESPONSES_PATH)

        assert sample.output == [{"role": "assistant", "content": example["output"][0]["content"][0]["text"]}]
        assert sample.usage == Usage(328, 52, 380, 0, 0)
        assert sample.model == "gpt-4o-2024-08-06"

    def test_calls_have_the_form_of_chat_completions(self) -> None:
        sample = read(response(CALL_ITEM), RESPONSES_PATH)

        assert sample.output == [{"role": "assistant", "content": "", "tool_calls": [CALL]}]
        assert sample.finish_reason == "tool_calls"
        assert seen(sample, "{{ sample.output_tools[0].function.arguments.symbols[0] }}") == "NVDA"

    @pytest.mark.parametrize(
        ("item", "kind", "name", "arguments"),
        [
            ({"type": "web_search_call", "action": {"type": "search"}}, "web_search", "web_search", {"type": "search"}),
            (
                {"type": "mcp_call", "name": "ask", "arguments": '{"q":1}', "server_label": "s", "output": "o"},
                "mcp",
                "ask",
                {"q": 1},
            ),
            (
                {"type": "file_search_call", "queries": ["a"], "results": [1]},
                "file_search",
                "file_search",
                {"queries": ["a"]},
            ),
            (
                {"type": "code_interpreter_call", "code": "1+1", "container_id": "c", "outputs": []},
                "code_interpreter",
                "code_interpreter",
                {"code": "1+1", "container_id": "c"},
            ),
            (
                {"type": "image_generation_call", "result": "QUJD", "size": "1x1"},
                "image_generation",
                "image_generation",
                {"size": "1x1"},
            ),
            ({"type": "brand_new_call", "depth": 3, "result": "x"}, "brand_new", "brand_new", {"depth": 3}),
        ],
    )
    def test_calls_that_ran_in_the_endpoint_are_told_and_do_not_end_the_sample(
        self, item: dict[str, Any], kind: str, name: str, arguments: Any
    ) -> None:
        sample = read(response({"id": "x_1", "status": "completed", **item}, TEXT_ITEM), RESPONSES_PATH)

        assert sample.finish_reason == "stop"
        assert seen(sample, "{{sample.output_text}}") == "Markets"
        told = sample.namespace and sample.namespace["output_tools"]
        assert isinstance(told, list)
        assert isinstance(told[0], dict)
        assert (told[0]["id"], told[0]["type"]) == ("x_1", kind)
        assert seen(sample, "{{sample.output_tools[0].function.name}}") == name
        assert json.loads(seen(sample, "{{sample.output_tools[0].function.arguments}}")) == arguments

    @pytest.mark.parametrize(
        ("item", "kind", "arguments"),
        [
            ({"type": "custom_tool_call", "name": "n", "input": "i"}, "custom", {"input": "i"}),
            ({"type": "shell_call", "action": {"commands": ["ls"]}}, "shell", {"commands": ["ls"]}),
            ({"type": "local_shell_call", "action": {"command": ["ls"]}}, "local_shell", {"command": ["ls"]}),
            ({"type": "computer_call", "actions": [{"type": "wait"}]}, "computer", [{"type": "wait"}]),
            ({"type": "apply_patch_call", "operation": {"path": "a"}}, "apply_patch", {"path": "a"}),
            (
                {"type": "mcp_approval_request", "name": "n", "arguments": "{}", "server_label": "s"},
                "mcp_approval_request",
                {},
            ),
        ],
    )
    def test_calls_left_to_the_client_end_the_sample(self, item: dict[str, Any], kind: str, arguments: Any) -> None:
        sample = read(response({"id": "x", "call_id": "c", **item}), RESPONSES_PATH)

        assert sample.finish_reason == "tool_calls"
        assert seen(sample, "{{sample.output_tools[0].type}} {{sample.output_tools[0].id}}") == f"{kind} c"
        assert json.loads(seen(sample, "{{sample.output_tools[0].function.arguments}}")) == arguments

    def test_what_a_server_offers_is_no_call(self) -> None:
        offers = {"type": "mcp_list_tools", "id": "l", "server_label": "s", "tools": [{"name": "n"}]}
        result = {"type": "shell_call_output", "call_id": "c", "output": []}

        namespace = read(response(offers, result, TEXT_ITEM), RESPONSES_PATH).namespace

        assert namespace is not None
        assert namespace["output_tools"] == []

    def test_a_refusal_is_kept_and_has_no_text(self) -> None:
        item = {**TEXT_ITEM, "content": [{"type": "refusal", "refusal": "I cannot."}]}

        sample = read(response(item), RESPONSES_PATH)

        assert sample.output == [{"role": "assistant", "content": "", "refusal": "I cannot."}]
        assert sample.finish_reason == "stop"

    @pytest.mark.parametrize(
        ("details", "expected"),
        [
            ({"reason": "max_output_tokens"}, "length"),
            ({"reason": "content_filter"}, "content_filter"),
            ({"reason": "other"}, "other"),
            (None, "length"),
        ],
    )
    def test_an_incomplete_answer_says_why(self, details: Any, expected: str) -> None:
        sample = read(response(TEXT_ITEM, status="incomplete", incomplete_details=details), RESPONSES_PATH)

        assert (sample.finish_reason, sample.output) == (expected, [{"role": "assistant", "content": "Markets"}])

    def test_texts_are_joined_and_comments_on_the_way_left_out(self) -> None:
        first, second = ({**TEXT_ITEM, "content": [{"type": "output_text", "text": text}]} for text in ("a", "b"))

        assert seen(read(response(first, second), RESPONSES_PATH), "{{sample.output_text}}") == "ab"
        comment = {**first, "phase": "commentary"}
        final = {**second, "phase": "final_answer"}
        assert seen(read(response(comment, final), RESPONSES_PATH), "{{sample.output_text}}") == "b"
        assert seen(read(response(comment), RESPONSES_PATH), "{{sample.output_text}}") == "a"

    def test_an_answer_without_output_is_empty(self) -> None:
        assert read(response(), RESPONSES_PATH).output == [{"role": "assistant", "content": ""}]
