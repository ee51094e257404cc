"""How stored chat completions and responses are shown: replies as they came, with what the request said."""

from typing import Any

import pytest

from evalhaven.api.rendering.responses import input_items, stored_response
from evalhaven.api.rendering.stored_completions import stored_completion, stored_messages
from evalhaven.wire.responses import Response, ResponseItemList
from evalhaven.wire.stored_completions import ChatCompletionMessageList, CreateChatCompletionResponse
from tests.unit.logs.made_calls import CREATED_AT, chat_call, response_call

TOOL = {"type": "function", "function": {"name": "look"}}


def test_a_stored_completion_shows_the_parameters_of_its_request() -> None:
    asked = {"temperature": 0.2, "seed": 7, "tools": [TOOL], "user": "u-1", "metadata": {"k": "v"}}
    shown = stored_completion(chat_call(request=asked))

    assert (shown["temperature"], shown["seed"], shown["tools"]) == (0.2, 7, [TOOL])
    assert (shown["input_user"], shown["metadata"]) == ("u-1", {"k": "v"})
    assert (shown["top_p"], shown["presence_penalty"], shown["response_format"]) == (1.0, 0.0, None)
    assert (shown["id"], shown["model"], shown["created"]) == ("chatcmpl-1", "gpt-4.1-2025-04-14", CREATED_AT + 1)
    assert shown["evalhaven"] == {"asked_model": "gpt-4.1", "first_byte_ms": None, "latency_ms": 120}


def test_an_imported_completion_keeps_what_its_first_server_said() -> None:
    call = chat_call(reply={"request_id": "req_1", "temperature": 0.5, "tools": [TOOL], "more": {"n": 1}})
    shown = stored_completion(call)

    assert (shown["request_id"], shown["temperature"], shown["tools"], shown["more"]) == (
        "req_1",
        0.5,
        [TOOL],
        {"n": 1},
    )


def test_a_pending_copy_is_marked() -> None:
    for shown in (
        stored_completion(chat_call(), is_pending=True),
        stored_response(response_call(), is_pending=True),
    ):
        extension: Any = shown["evalhaven"]
        assert extension["pending"] is True


@pytest.mark.parametrize(
    "reply", [{}, {"created": None, "choices": None, "usage": 3}, {"service_tier": 1, "system_fingerprint": {}}]
)
def test_every_completion_fits_its_model(reply: Any) -> None:
    CreateChatCompletionResponse.model_validate(stored_completion(chat_call(reply=reply)))


@pytest.mark.parametrize(
    "reply", [{}, {"created_at": None, "output": None, "usage": 3, "error": "x"}, {"tools": None, "status": None}]
)
def test_every_response_fits_its_model(reply: Any) -> None:
    Response.model_validate(stored_response(response_call(reply=reply)))


def test_messages_of_a_completion_have_text_and_parts() -> None:
    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "this?"}]
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "Be brief.", "name": "boss"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]
    shown: list[Any] = list(stored_messages(chat_call(request={"messages": messages})))

    assert [each["id"] for each in shown] == [f"chatcmpl-1-{number}" for number in range(4)]
    assert [each["content"] for each in shown] == ["Be brief.", "What is this?", None, "sunny"]
    assert [each["content_parts"] for each in shown] == [None, parts, None, None]
    assert (shown[0]["name"], shown[2]["tool_calls"], shown[3]["tool_call_id"]) == ("boss", [call], "call_1")
    page = {"object": "list", "data": shown, "first_id": None, "last_id": None, "has_more": False}
    ChatCompletionMessageList.model_validate(page)


def test_a_response_repeats_the_parameters_of_its_request() -> None:
    asked = {"temperature": 0.2, "instructions": "Be brief.", "previous_response_id": "resp_0", "metadata": {"k": "v"}}
    shown = stored_response(response_call(request=asked))

    assert {key: shown[key] for key in asked} == asked
    assert (shown["top_p"], shown["tools"], shown["tool_choice"], shown["store"]) == (1.0, [], "auto", True)
    assert stored_response(response_call(request=asked, reply={"temperature": 1.5}))["temperature"] == 1.5


def test_input_items_have_ids_of_their_own_that_stay() -> None:
    given: list[Any] = [
        {"role": "user", "content": "Hello"},
        {"type": "message", "id": "msg_own", "role": "assistant", "content": "Hi"},
        {"type": "message", "id": "msg_own", "role": "user", "content": [{"type": "input_text", "text": "And?"}]},
        {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
    ]
    call = response_call(request={"input": given})
    shown: list[Any] = list(input_items(call))

    assert [each["id"] for each in shown] == ["msg_1_0", "msg_own", "msg_1_2", "fco_1_3"]
    assert shown == input_items(call)
    assert shown[0] == {
        "id": "msg_1_0",
        "type": "message",
        "role": "user",
        "status": "completed",
        "content": [{"type": "input_text", "text": "Hello"}],
    }
    assert shown[1]["content"] == [{"type": "output_text", "text": "Hi", "annotations": []}]
    page = {"object": "list", "data": shown, "first_id": None, "last_id": None, "has_more": False}
    ResponseItemList.model_validate(page)


def test_a_text_as_input_is_one_item() -> None:
    [item] = input_items(response_call(request={"input": "Hello"}))
    assert item["content"] == [{"type": "input_text", "text": "Hello"}]
