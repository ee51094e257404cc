"""What a logged call was asked is found whole, in a form that can be sent again."""

from typing import Any

import pytest

from evalhaven.logs.conversations import conversation_of
from evalhaven.sampling.messages.attachments import NO_FILES
from evalhaven.sampling.messages.trajectories import Dialect, checked_items, sent_items
from tests.unit.logs.made_calls import chat_call, response_call

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "sunny"}


def test_the_messages_of_a_chat_completion_are_its_conversation() -> None:
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": [IMAGE]}]

    assert conversation_of(chat_call(request={"messages": messages})) == messages


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"input": "Hello"}, [{"role": "user", "content": "Hello"}]),
        ({"input": [CALL, OUTPUT]}, [CALL, OUTPUT]),
        (
            {"input": "Hello", "instructions": "Be brief."},
            [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        ),
        (
            {"input": "Hello", "instructions": [{"role": "developer", "content": "Be brief."}]},
            [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        ),
        ({"input": "Hello", "instructions": ""}, [{"role": "user", "content": "Hello"}]),
        ({"input": None}, []),
    ],
)
def test_input_and_instructions_of_a_response_are_its_conversation(request_: Any, expected: Any) -> None:
    assert conversation_of(response_call(request=request_)) == expected


def test_reasoning_is_left_out_and_with_it_the_ids_that_need_it() -> None:
    said = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hm."}]}
    asked = {"type": "message", "id": "msg_0", "role": "user", "content": "Look."}
    reasoning = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "secret"}
    found = conversation_of(response_call(request={"input": [asked, reasoning, CALL, OUTPUT, said]}))

    without_ids: list[Any] = [{key: value for key, value in each.items() if key != "id"} for each in (CALL, said)]
    assert found == [asked, without_ids[0], OUTPUT, without_ids[1]]
    assert conversation_of(response_call(request={"input": [asked, CALL, OUTPUT, said]})) == [asked, CALL, OUTPUT, said]


@pytest.mark.parametrize("protocol", ["chat", "responses"])
def test_a_conversation_can_be_sent_in_both_protocols(protocol: Any) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}
    asked = {"role": "user", "content": [{"type": "input_text", "text": "What is this?"}, image]}
    call = response_call(request={"input": [asked, CALL, OUTPUT], "instructions": "Be brief."})
    sent = sent_items(checked_items(conversation_of(call)), Dialect(protocol), NO_FILES)

    assert sent[0] == {"role": "system", "content": "Be brief."}
    assert "data:image/png;base64,AAAA" in str(sent[1])
    assert "sunny" in str(sent[-1])
