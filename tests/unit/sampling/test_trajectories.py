"""Facts about conversations inside items: in either form, at endpoints of either protocol."""

import json
from contextlib import suppress
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from evalhaven.domain import jsontext
from evalhaven.sampling.messages.making import RequestError
from evalhaven.sampling.protocols.requests import compile_sampling
from evalhaven.wire.output_items import SampleMessage
from tests.unit.sampling.asking import (
    CHAT,
    PNG,
    PNG_URL,
    RESPONSES,
    Files,
    body_of,
    converse,
    make,
    reference,
    shown,
    target,
)
from tests.unit.sampling.changed import CHANGES, changed
from tests.unit.sampling.conversing import (
    CALL,
    CALL_ITEM,
    CUSTOM_CALL,
    CUSTOM_ITEM,
    USER,
    to_chat,
    to_responses,
)
from tests.unit.sampling.test_chat_requests import FORMAT


class TestChatMessagesAsInputItems:
    def test_calls_and_their_results_become_items(self) -> None:
        assert to_responses(
            USER,
            {"role": "assistant", "content": None, "tool_calls": [CALL, CUSTOM_CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}]},
            {"role": "assistant", "content": "done"},
        ) == [
            USER,
            CALL_ITEM,
            CUSTOM_ITEM,
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "two"},
            {"type": "message", "role": "assistant", "content": "done"},
        ]

    def test_what_was_said_with_a_call_comes_before_it(self) -> None:
        said = {"role": "assistant", "content": "Looking.", "tool_calls": [CALL], "phase": "commentary"}

        assert to_responses(said) == [
            {"type": "message", "role": "assistant", "content": "Looking.", "phase": "commentary"},
            CALL_ITEM,
        ]

    def test_the_old_form_of_calls_gets_ids(self) -> None:
        call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
        result = {"role": "function", "name": "f", "content": "r"}

        sent = to_responses(call, result, call, result)

        assert [each["type"] for each in sent] == ["function_call", "function_call_output"] * 2
        assert [each["call_id"] for each in sent] == ["call_f_1", "call_f_1", "call_f_2", "call_f_2"]

    def test_refusals_and_null_content_are_kept(self) -> None:
        assert to_responses(
            {"role": "assistant", "content": None, "refusal": "No."},
            {"role": "assistant", "content": "Well", "refusal": "no."},
            {"role": "assistant", "content": None},
        ) == [
            {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Well"}, {"type": "refusal", "refusal": "no."}],
            },
            {"type": "message", "role": "assistant", "content": ""},
        ]

    def test_what_only_describes_an_answer_is_left_out(self) -> None:
        dumped = {"role": "assistant", "content": "a", "refusal": None, "annotations": [], "audio": None, "parsed": 1}

        assert to_responses(dumped) == [{"type": "message", "role": "assistant", "content": "a"}]

    @pytest.mark.parametrize(
        ("message", "told"),
        [
            ({**USER, "name": "Ann"}, "'name'"),
            ({"role": "assistant", "content": "", "audio": {"id": "a"}}, "'audio'"),
            ({"role": "assistant", "content": "", "tool_calls": [{"type": "other"}]}, "tool call"),
            ({"role": "assistant", "content": "", "tool_calls": ["x"]}, "tool call"),
        ],
    )
    def test_what_items_have_no_place_for_is_the_items_error(self, message: dict[str, Any], told: str) -> None:
        with pytest.raises(RequestError, match=f"message 1 .*{told}"):
            to_responses(USER, message)

    def test_an_endpoint_of_both_protocols_converts_alike(self) -> None:
        said = {"role": "assistant", "content": None, "tool_calls": [CALL]}

        assert converse("responses", target(), said) == to_responses(said) == [CALL_ITEM]


class TestInputItemsAsChatMessages:
    def test_calls_of_one_turn_become_one_message(self) -> None:
        assert to_chat(
            USER,
            {"type": "message", "id": "m", "status": "completed", "role": "assistant", "content": "Looking."},
            {**CALL_ITEM, "id": "fc_1", "status": "completed"},
            CUSTOM_ITEM,
            {"type": "function_call_output", "id": "o", "call_id": "c1", "output": "one"},
            {
                "type": "custom_tool_call_output",
                "call_id": "c2",
                "output": [{"type": "input_text", "text": "two"}],
            },
            CALL_ITEM,
            {"type": "function_call_output", "call_id": "c1", "output": None},
        ) == [
            USER,
            {"role": "assistant", "content": "Looking.", "tool_calls": [CALL, CUSTOM_CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "one"},
            {"role": "tool", "tool_call_id": "c2", "content": "two"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": ""},
        ]

    def test_the_items_own_document_stays_as_it_is(self) -> None:
        messages = [{"type": "message", "role": "assistant", "content": "x"}, CALL_ITEM, CALL_ITEM]
        before = json.dumps(messages)

        to_chat(*messages)

        assert json.dumps(messages) == before

    def test_recorded_answers_are_messages(self) -> None:
        answer = {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "phase": "final_answer",
            "content": [{"type": "output_text", "text": "a", "annotations": [{"type": "x"}], "logprobs": []}],
        }

        assert to_chat(USER, answer) == [USER, {"role": "assistant", "content": "a"}]
        assert converse("responses", RESPONSES, answer) == [answer]

    def test_reasoning_that_says_nothing_is_left_out(self) -> None:
        assert to_chat(USER, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": None}) == [USER]
        with pytest.raises(RequestError, match="nothing that chat completions have a place for"):
            to_chat({"type": "reasoning", "id": "rs_1", "summary": []})

    @pytest.mark.parametrize(
        ("item", "told"),
        [
            ({"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "t"}]}, "reasoning"),
            ({"type": "web_search_call", "id": "ws", "status": "completed", "action": {}}, "web_search_call"),
            ({"type": "item_reference", "id": "msg_1"}, "item_reference"),
            ({"type": "computer_call_output", "call_id": "c", "output": {}}, "computer_call_output"),
            (
                {
                    "type": "function_call_output",
                    "call_id": "c1",
                    "output": [{"type": "input_image", "image_url": "u"}],
                },
                "text only",
            ),
        ],
    )
    def test_what_chat_completions_have_no_place_for_is_the_items_error(self, item: dict[str, Any], told: str) -> None:
        with pytest.raises(RequestError, match=f"message 1.*{told}") as caught:
            to_chat(USER, item)
        assert caught.value.error.code == "invalid_messages"
        assert converse("responses", RESPONSES, USER, item)[1]["type"] == item["type"]

    def test_further_keys_of_a_chat_message_reach_a_chat_endpoint(self) -> None:
        message = {**USER, "name": "Ann", "reasoning_content": "r", "id": "x", "status": None, "tool_calls": None}

        assert to_chat(message) == [{**USER, "name": "Ann", "reasoning_content": "r"}]


class TestFilesInConversations:
    FILES = Files({"file-png": ("a.png", PNG)})
    IMAGE = ({"role": "user", "content": [{"type": "input_image", "file_id": "file-png"}]},)

    def test_uploaded_files_are_sent_inline(self) -> None:
        assert to_chat(*self.IMAGE, files=self.FILES)[0]["content"] == [
            {"type": "image_url", "image_url": {"url": PNG_URL}}
        ]
        assert to_responses(*self.IMAGE, files=self.FILES)[0]["content"][0]["image_url"] == PNG_URL

    def test_so_are_those_in_the_outputs_of_tools(self) -> None:
        output = {
            "type": "function_call_output",
            "call_id": "c",
            "output": [{"type": "input_image", "file_id": "file-png"}],
        }

        sent = converse("responses", RESPONSES, output, files=self.FILES)

        assert sent[0]["output"] == [{"type": "input_image", "detail": "auto", "image_url": PNG_URL}]


class TestShown:
    def conversation(self, *messages: Any) -> Any:
        return shown(reference("responses"), RESPONSES, {"messages": list(messages)})

    def test_either_form_is_shown_alike(self) -> None:
        chat = (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": None, "tool_calls": [CALL], "function_call": None},
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
        )
        items = (
            {"type": "message", "role": "user", "content": ["a", {"type": "input_text", "text": "b"}]},
            {**CALL_ITEM, "id": "fc_1"},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "r"}]},
        )
        expected = [
            {"role": "user", "content": "a b"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": "r", "tool_call_id": "c1"},
        ]

        assert self.conversation(*chat) == expected
        assert self.conversation(*items) == expected

    def test_refusals_thoughts_and_hosted_calls_are_shown(self) -> None:
        search = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search"}}

        assert self.conversation(
            {"role": "assistant", "content": None, "refusal": "No."},
            {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "I think"}]},
            search,
            {"type": "item_reference", "id": "msg_1"},
            {"type": "computer_call_output", "call_id": "c", "output": {"image_url": "A" * 5000}},
        ) == [
            {"role": "assistant", "content": "No."},
            {"role": "assistant", "content": "I think"},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "ws",
                        "type": "web_search",
                        "function": {"name": "web_search", "arguments": '{"type":"search"}'},
                    }
                ],
            },
            {"role": "assistant", "content": '{"type":"item_reference","id":"msg_1"}'},
            {"role": "tool", "content": "<computer_call_output>(5071 characters)</computer_call_output>"},
        ]


def test_conversations_with_an_instruction_keep_their_order() -> None:
    lacking = target("responses", lacks=("structured_outputs",))
    source = reference("completions", response_format=FORMAT)

    sent = body_of(source, lacking, {"messages": [CALL_ITEM, {"role": "user", "content": "u"}]})["input"]

    assert [each.get("role", each.get("type")) for each in sent] == ["system", "function_call", "user"]


CONVERSATION = [
    {"role": "system", "content": "s", "name": None},
    {"role": "user", "content": ["a", {"type": "input_text", "text": "t"}, {"type": "input_image", "image_url": "u"}]},
    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]},
    {"role": "user", "content": {"type": "file", "file": {"file_id": "file-png", "filename": "n"}}},
    {"role": "user", "content": {"type": "input_file", "file_id": "file-png", "file_data": "d"}},
    {"role": "user", "content": {"type": "input_audio", "input_audio": {"data": "d", "format": "f"}}},
    {"role": "assistant", "content": "c", "tool_calls": [CALL, CUSTOM_CALL], "refusal": "r"},
    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "function", "name": "f", "content": "r"},
    {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "r"}]},
    {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "t"}]},
    {"type": "reasoning", "id": "r", "summary": [], "content": []},
    CALL_ITEM,
    CUSTOM_ITEM,
    {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "o"}]},
]


@hypothesis.settings(max_examples=200)
@hypothesis.given(st.sampled_from(["completions", "responses"]), st.sampled_from([CHAT, RESPONSES]), CHANGES)
def test_a_conversation_with_anything_in_any_place_is_sent_or_the_items_error(
    run_type: str, at: Any, changes: list[tuple[int, Any]]
) -> None:
    maker = compile_sampling(reference(run_type), at, None)
    messages = changed(CONVERSATION, changes)
    before = jsontext.render(messages)

    with suppress(RequestError):
        request = make(maker, {"messages": messages}, Files({"file-png": ("a.png", PNG)}))
        body = json.loads(request.body)
        assert isinstance(body.get("messages", body.get("input")), list)
        for message in request.shown:
            SampleMessage.model_validate(json.loads(jsontext.render(message)))
            assert isinstance(message, dict)
            assert isinstance(message["content"], str)
    assert jsontext.render(messages) == before
