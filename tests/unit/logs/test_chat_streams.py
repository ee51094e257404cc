"""Facts about streamed chat completions as logs keep them."""

from typing import Any

import pytest

from evalhaven.logs.reading.calls import read_reply
from evalhaven.logs.reading.events import UnreadableReplyError
from tests.unit.logs.exchanged import completion, exchange, stream_of, streamed


def chunk(delta: Any, *, index: int = 0, end: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": end}
    return {
        "id": "chatcmpl-7",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "gpt-4.1-mini-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        "choices": [choice],
        "usage": None,
        "obfuscation": "x9",
        **more,
    }


def test_chunks_become_the_completion_that_a_call_without_a_stream_gets() -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    events = [
        chunk({"role": "assistant", "content": "", "refusal": None}),
        chunk({"content": "Hello"}),
        chunk({"content": ", wörld"}),
        chunk({}, end="stop"),
        chunk({}, choices=[], usage=usage),
    ]

    assert read_reply(streamed(events)) == {
        "id": "chatcmpl-7",
        "object": "chat.completion",
        "created": 5,
        "model": "gpt-4.1-mini-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": "fp_1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello, wörld", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": usage,
    }


def test_calls_of_tools_are_put_together_from_their_pieces() -> None:
    events = [
        chunk({"role": "assistant", "content": None, "tool_calls": [
            {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": ""}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"city":'}}]}),
        chunk({"tool_calls": [
            {"index": 1, "id": "call_2", "type": "custom", "custom": {"name": "sql", "input": "SELECT "}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Bonn"}'}},
                              {"index": 1, "id": "", "custom": {"input": "1"}}]}),
        chunk({}, end="tool_calls"),
    ]  # fmt: skip

    message: Any = read_reply(streamed(events))
    message = message["choices"][0]["message"]

    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"city":"Bonn"}'}},
        {"id": "call_2", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}},
    ]


def test_whole_calls_that_are_all_numbered_0_or_repeat_their_name_stay_what_they_are() -> None:
    def whole(call_id: str) -> dict[str, Any]:
        return {"index": 0, "id": call_id, "type": "function", "function": {"name": "look", "arguments": "{}"}}

    name_again = {"index": 0, "id": "b", "function": {"name": "look", "arguments": " "}}
    events = [chunk({"tool_calls": [whole("a")]}), chunk({"tool_calls": [whole("b")]}),
              chunk({"tool_calls": [name_again]}), chunk({}, end="tool_calls")]  # fmt: skip

    reply: Any = read_reply(streamed(events))

    calls = reply["choices"][0]["message"]["tool_calls"]
    assert [(each["id"], each["function"]["name"]) for each in calls] == [("a", "look"), ("b", "look")]
    assert calls[1]["function"]["arguments"] == "{} "


def test_several_choices_refusals_and_logprobs_are_each_their_own() -> None:
    def logprob(token: str) -> dict[str, Any]:
        return {"token": token, "logprob": -0.5, "bytes": [65], "top_logprobs": []}

    first = chunk({"role": "assistant", "content": "A"})
    first["choices"][0]["logprobs"] = {"content": [logprob("A")], "refusal": None}
    second = chunk({"content": "B"})
    second["choices"][0]["logprobs"] = {"content": [logprob("B")], "refusal": None}
    events = [
        chunk({"role": "assistant", "refusal": "I can"}, index=1),
        first,
        second,
        chunk({"refusal": "not."}, index=1),
        chunk({}, end="stop"),
        chunk({}, index=1, end="content_filter"),
    ]

    reply: Any = read_reply(streamed(events))

    assert [each["index"] for each in reply["choices"]] == [0, 1]
    assert reply["choices"][0]["logprobs"] == {"content": [logprob("A"), logprob("B")], "refusal": None}
    assert reply["choices"][1]["message"] == {"role": "assistant", "content": None, "refusal": "I cannot."}
    assert reply["choices"][1]["finish_reason"] == "content_filter"


def test_reasoning_annotations_and_audio_are_kept() -> None:
    events = [
        chunk({"role": "assistant", "reasoning_content": "Let me "}),
        chunk({"reasoning_content": "think.", "content": "42"}),
        chunk({"annotations": [{"type": "url_citation", "url_citation": {"url": "https://a.example"}}]}),
        chunk({"audio": {"id": "audio_1", "transcript": "forty"}}),
        chunk({"audio": {"transcript": " two", "expires_at": 9}}, end="stop"),
    ]

    reply: Any = read_reply(streamed(events))

    message = reply["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Let me think.", "42")
    assert len(message["annotations"]) == 1
    assert message["audio"] == {"id": "audio_1", "transcript": "forty two", "expires_at": 9}


def test_other_forms_of_the_same_events_are_read_alike() -> None:
    events = [chunk({"role": "assistant", "content": "a\u2028b"}), chunk({}, end="stop")]
    plain = stream_of(events)
    expected = read_reply(streamed(events))

    for form in (
        b"\xef\xbb\xbf: keep-alive\n\n" + plain,
        plain.replace(b"\n", b"\r\n"),
        plain.replace(b"data: ", b"data:").rstrip(),
        b"event: message\nid: 4\n" + plain,
    ):
        assert read_reply(exchange(form, is_streamed=True)) == expected


def test_a_server_that_answers_a_stream_with_an_object_is_understood() -> None:
    assert read_reply(exchange(completion(), is_streamed=True)) == completion()


@pytest.mark.parametrize(
    "exchanged",
    [
        streamed([chunk({"content": "A"})], end=b""),
        streamed([chunk({"content": "A"}), {"error": {"message": "overloaded"}}]),
        streamed([chunk({"content": "A"}, end="stop"), chunk({"content": "B"}, index=1)], end=b""),
        streamed([]),
        exchange(b"", is_streamed=True),
        exchange(b"data: {\"choices\"", is_streamed=True),
        exchange(b"data: 7\n\n", is_streamed=True),
        exchange(b"<html>"),
        exchange(b"[]"),
    ],
)  # fmt: skip
def test_what_is_not_a_complete_answer_is_not_read(exchanged: Any) -> None:
    with pytest.raises(UnreadableReplyError):
        read_reply(exchanged)


def test_an_answer_that_was_complete_when_its_stream_failed_is_read() -> None:
    events = [chunk({"content": "A"}, end="stop"), {"error": {"message": "the connection was lost"}}]

    reply = read_reply(streamed(events, end=b""))

    assert "error" not in reply


def test_a_server_that_gives_no_reason_for_the_end_but_ends_is_believed() -> None:
    reply: Any = read_reply(streamed([chunk({"content": "A"})]))

    assert reply["choices"][0]["finish_reason"] is None
