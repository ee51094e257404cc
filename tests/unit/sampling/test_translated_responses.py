"""Responses at endpoints that have chat completions only: requests, replies and streams."""

import json
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from evalhaven.domain.jsontext import JsonObject
from evalhaven.sampling.catalog import Endpoint
from evalhaven.sampling.messages.making import UnsupportedRequestError
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError
from evalhaven.sampling.protocols.translated.replies import Echo, response_of
from evalhaven.sampling.protocols.translated.requests import chat_request_of
from evalhaven.sampling.protocols.translated.streams import ResponseStream

_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
USER: JsonObject = {"role": "user", "content": "Hi"}
FUNCTION: JsonObject = {
    "type": "function",
    "name": "look_up",
    "description": "Looks up",
    "parameters": {"type": "object"},
    "strict": True,
}
ENDPOINT = Endpoint("old", "http://localhost/v1", protocols=frozenset({"chat"}))


def asked(endpoint: Endpoint = ENDPOINT, **keys: Any) -> JsonObject:
    return chat_request_of({"model": "m", "input": [USER], **keys}, endpoint.target("m"))


def refused(endpoint: Endpoint = ENDPOINT, **keys: Any) -> tuple[str | int, ...]:
    with pytest.raises(UnsupportedRequestError) as caught:
        asked(endpoint, **keys)
    return caught.value.at


def test_every_parameter_that_chat_completions_have_is_sent() -> None:
    schema: JsonObject = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    body = asked(
        instructions="Be brief.",
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=7,
        reasoning={"effort": "low"},
        text={"format": schema, "verbosity": "low"},
        tools=[FUNCTION],
        tool_choice={"type": "function", "name": "look_up"},
        parallel_tool_calls=False,
        service_tier="flex",
        user="u",
        safety_identifier="s",
        prompt_cache_key="k",
        store=False,
        metadata={"a": "b"},
        background=False,
        truncation="disabled",
        include=[],
        previous_response_id="resp_1",
        stream=False,
    )
    function = {key: FUNCTION[key] for key in ("name", "description", "parameters", "strict")}
    inner = {key: schema[key] for key in ("name", "schema", "strict")}
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, USER],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_completion_tokens": 7,
        "reasoning_effort": "low",
        "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": inner},
        "tools": [{"type": "function", "function": function}],
        "tool_choice": {"type": "function", "function": {"name": "look_up"}},
        "parallel_tool_calls": False,
        "service_tier": "flex",
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "stream": False,
    }


def test_a_conversation_with_calls_is_sent_as_messages() -> None:
    answer: JsonObject = {"type": "output_text", "text": "Let me see.", "annotations": [], "logprobs": []}
    said: JsonObject = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant"}
    call: JsonObject = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "look_up", "arguments": "{}"}
    output: JsonObject = {"type": "function_call_output", "call_id": "c1", "output": "42"}
    body = asked(input=[USER, {**said, "content": [answer]}, call, output])
    function = {"name": "look_up", "arguments": "{}"}
    assert body["messages"] == [
        USER,
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
    ]


def test_braces_are_no_templates() -> None:
    body = asked(input=[{"role": "user", "content": "{{ item.x }}"}])
    assert body["messages"] == [{"role": "user", "content": "{{ item.x }}"}]


def test_an_older_endpoint_gets_the_name_of_the_limit_that_it_knows() -> None:
    endpoint = Endpoint("old", "http://x/v1", lacks=frozenset({"max_completion_tokens", "developer_role"}))
    body = asked(endpoint, max_output_tokens=7, input=[{"role": "developer", "content": "Hi"}])
    assert (body["max_tokens"], body["messages"]) == (7, [{"role": "system", "content": "Hi"}])


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        ({"truncation": "auto"}, ("truncation",)),
        ({"include": ["message.output_text.logprobs"]}, ("include",)),
        ({"top_logprobs": 3}, ("top_logprobs",)),
        ({"max_tool_calls": 1}, ("max_tool_calls",)),
        ({"prompt": {"id": "pmpt_1"}}, ("prompt",)),
        ({"never_heard_of": 0}, ("never_heard_of",)),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, ("reasoning", "summary")),
        ({"reasoning": "low"}, ("reasoning",)),
        ({"stream_options": {"include_obfuscation": True}}, ("stream_options", "include_obfuscation")),
        ({"text": {"other": 1}}, ("text", "other")),
        ({"tools": [FUNCTION, {"type": "mcp"}]}, ("tools", 1)),
        ({"tools": [{**FUNCTION, "odd": 1}]}, ("tools", 0, "odd")),
        ({"tools": {}}, ("tools",)),
        ({"tools": ["look_up"]}, ("tools", 0)),
        ({"tool_choice": {"type": "file_search"}}, ("tool_choice",)),
        ({"instructions": ["x"]}, ("instructions",)),
        ({"input": []}, ("input",)),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, ("input",)),
        ({"input": [USER, {"role": "user", "content": [{"type": "input_image"}]}]}, ("input", 1, "content", 0)),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f", "detail": "low"}]}]},
            ("input", 0, "content", 0),
        ),
    ],
)
def test_what_would_be_lost_is_refused_where_it_stands(keys: dict[str, Any], at: tuple[str | int, ...]) -> None:
    found = refused(**keys)
    assert found[: len(at)] == at


@pytest.mark.parametrize("lack", ["structured_outputs", "strict_schemas"])
def test_a_schema_that_the_endpoint_would_not_keep_to_is_refused(lack: Any) -> None:
    endpoint = Endpoint("old", "http://x/v1", lacks=frozenset({lack}))
    form: JsonObject = {"type": "json_schema", "name": "n", "schema": {}, "strict": True}
    assert refused(endpoint, text={"format": form}) == ("text", "format")


def echo(**keys: Any) -> Echo:
    return Echo("resp_1", 1_700_000_000, {"model": "asked", "input": [USER], **keys})


def completion(message: JsonObject, reason: str = "stop", **keys: Any) -> JsonObject:
    choice: JsonObject = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": "m-2026", "choices": [choice], **keys}


def test_a_completion_becomes_a_response_that_the_sdk_reads() -> None:
    usage: JsonObject = {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    message: JsonObject = {
        "content": "Hello",
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}],
    }
    made = response_of(completion(message, "tool_calls", usage=usage), echo(metadata={"a": "b"}, temperature=0.0))
    response = Response.model_validate(made)
    assert (response.id, response.created_at, response.model) == ("resp_1", 1_700_000_000, "m-2026")
    assert (response.output_text, response.status, response.metadata) == ("Hello", "completed", {"a": "b"})
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call"]
    assert made["usage"] == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 5,
    }
    assert (made["temperature"], made["top_p"]) == (0.0, 1.0)
    ids = [item["id"] for item in made["output"]]  # type: ignore[index, union-attr]
    assert len(set(ids)) == 3


@pytest.mark.parametrize(("reason", "said"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut_short_is_incomplete(reason: str, said: str) -> None:
    made = response_of(completion({"content": "Hel"}, reason), echo())
    assert (made["status"], made["incomplete_details"]) == ("incomplete", {"reason": said})


def test_a_refusal_stays_one() -> None:
    made = response_of(completion({"content": None, "refusal": "No."}), echo())
    [message] = Response.model_validate(made).output
    assert message.model_dump()["content"] == [{"type": "refusal", "refusal": "No."}]


def test_citations_stay() -> None:
    cited: JsonObject = {"url": "http://x", "title": "X", "start_index": 0, "end_index": 3}
    message: JsonObject = {"content": "Hello", "annotations": [{"type": "url_citation", "url_citation": cited}]}
    made = response_of(completion(message), echo())
    assert made["output"][0]["content"][0]["annotations"] == [{"type": "url_citation", **cited}]  # type: ignore[index]


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"choices": []},
        {"choices": [{}]},
        {"error": {"message": "no"}},
        completion({"content": 7}),
        completion({"content": "", "tool_calls": [{"id": "c"}]}),
    ],
)
def test_what_is_no_completion_is_no_response(reply: JsonObject) -> None:
    with pytest.raises(UnusableReplyError):
        response_of(reply, echo())


def chunk(delta: JsonObject | None = None, reason: str | None = None, **keys: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return b"data: " + json.dumps({"model": "m-2026", "choices": choices, **keys}).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


def events_of(*parts: bytes) -> list[Any]:
    stream = ResponseStream(echo())
    said = b"".join(stream.feed(part) for part in parts) + stream.finish()
    events: list[Any] = []
    for block in said.decode().split("\n\n")[:-1]:
        kind, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert kind == f"event: {event['type']}"
        _EVENTS.validate_python(event)
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def call_piece(index: int, text: str, call_id: str | None = None, name: str | None = None) -> JsonObject:
    return {"tool_calls": [{"index": index, "id": call_id, "function": {"name": name, "arguments": text}}]}


def test_a_stream_tells_the_same_as_its_last_event() -> None:
    events = events_of(
        chunk({"role": "assistant", "content": None}),
        chunk({"reasoning_content": "H"}),
        chunk({"reasoning_content": "m."}),
        chunk({"content": "One "}),
        chunk({"content": "two"}),
        chunk(call_piece(0, "", "c1", "look_up")),
        chunk(call_piece(1, '{"a"', "c2", "look_up")),
        chunk(call_piece(0, "{}")),
        chunk(call_piece(1, ":1}")),
        chunk({}, "tool_calls"),
        chunk(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}),
        DONE,
    )
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds[:2] == ["created", "in_progress"]
    assert kinds[-1] == "completed"
    response = Response.model_validate(events[-1]["response"])
    assert (response.output_text, response.model, response.usage and response.usage.total_tokens) == (
        "One two",
        "m-2026",
        5,
    )
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call", "function_call"]
    assert [item.arguments for item in response.output if item.type == "function_call"] == ["{}", '{"a":1}']
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["item"] for event in done] == events[-1]["response"]["output"]
    assert [event["output_index"] for event in done] == [0, 1, 2, 3]
    added = [event["item"]["id"] for event in events if event["type"] == "response.output_item.added"]
    assert added == [event["item"]["id"] for event in done]
    for kind, text in (("output_text", "One two"), ("reasoning_text", "Hm.")):
        deltas = [event["delta"] for event in events if event["type"] == f"response.{kind}.delta"]
        assert "".join(deltas) == text
    assert kinds.index("output_item.done") < kinds.index("output_text.delta"), "reasoning ends where the text begins"


def test_the_first_word_is_told_before_the_second_one_comes() -> None:
    stream = ResponseStream(echo())
    assert b'"delta":"One "' in stream.feed(chunk({"content": "One "}))
    assert b'"delta":"two"' in stream.feed(chunk({"content": "two"}))


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_events_may_be_cut_anywhere(size: int, line_end: bytes) -> None:
    whole = b": comment\n\n" + chunk({"content": "é漢🙂"}) + chunk({}, "length") + DONE
    whole = whole.replace(b"\n", line_end)
    events = events_of(*(whole[at : at + size] for at in range(0, len(whole), size)))
    assert events[-1]["type"] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "é漢🙂"


def test_a_refusal_and_a_custom_call_have_events_of_their_own() -> None:
    custom: JsonObject = {"index": 0, "id": "c1", "type": "custom", "custom": {"name": "run", "input": "ls"}}
    events = events_of(chunk({"refusal": "No."}), chunk({"tool_calls": [custom]}), chunk({}, "stop"))
    kinds = [event["type"] for event in events]
    assert "response.refusal.done" in kinds
    assert "response.custom_tool_call_input.done" in kinds
    assert events[-1]["response"]["output"][1]["input"] == "ls"


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (chunk({"content": "One"}),),
        (chunk({"content": "One"}), DONE),
        (b"data: {\n\n",),
        (b"data: 7\n\n",),
        (b'data: {"error": {"message": "no"}}\n\n',),
        (b"data: " + b"x" * 17_000_000,),
    ],
)
def test_a_stream_that_ends_too_early_is_never_a_whole_answer(parts: tuple[bytes, ...]) -> None:
    said: list[bytes] = []

    def read() -> None:
        stream = ResponseStream(echo())
        for part in parts:
            said.append(stream.feed(part))  # noqa: PERF401 - what was said before the failure counts
        stream.finish()

    with pytest.raises(UnusableReplyError):
        read()
    assert b"response.completed" not in b"".join(said)
