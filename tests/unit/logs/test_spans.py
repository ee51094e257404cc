"""Facts about spans: every convention, in both encodings, gives the call that was made."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.logs.ingest import otlp_json, otlp_protobuf
from evalhaven.logs.ingest.conventions import is_call, read_call
from evalhaven.logs.ingest.spans import Span
from evalhaven.logs.reading.calls import logged_call
from evalhaven.logs.reading.events import UnreadableReplyError
from evalhaven.logs.reading.redaction import Redaction

TRACE, SPAN = "5b8efff798038103d269b633813fc60c", "eee19b7ec3c1b174"
STARTED_NS = 1_764_000_000_123_456_789
Read = Callable[..., list[Span]]


def otlp_value(value: Any) -> Any:
    """Return a value as OTLP's JSON has it."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [otlp_value(each) for each in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": otlp_attributes(value)}}
    return {"stringValue": value}


def otlp_attributes(attributes: dict[str, Any]) -> list[Any]:
    return [{"key": key, "value": otlp_value(value)} for key, value in attributes.items()]


def body_of(attributes: dict[str, Any], events: list[tuple[str, dict[str, Any]]] | None = None, **more: Any) -> Any:
    """Return an export of one span in OTLP's JSON."""
    span = {
        "traceId": TRACE,
        "spanId": SPAN,
        "name": "chat gpt-4.1",
        "kind": 3,
        "startTimeUnixNano": str(STARTED_NS),
        "endTimeUnixNano": str(STARTED_NS + 1_500_000_000),
        "attributes": otlp_attributes(attributes),
        "events": [{"name": name, "attributes": otlp_attributes(each)} for name, each in events or []],
        **more,
    }
    resource = {"attributes": otlp_attributes({"service.name": "shop", "telemetry.sdk.language": "python"})}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": [span]}]}]}


def _read_json(*arguments: Any, **more: Any) -> list[Span]:
    return list(otlp_json.read_spans(json.dumps(body_of(*arguments, **more)).encode()))


def _fill(value: Any, into: Any) -> None:
    if isinstance(value, bool):
        into.bool_value = value
    elif isinstance(value, int):
        into.int_value = value
    elif isinstance(value, float):
        into.double_value = value
    elif isinstance(value, list):
        into.array_value.SetInParent()
        for each in value:
            _fill(each, into.array_value.values.add())
    elif isinstance(value, dict):
        into.kvlist_value.SetInParent()
        _fill_all(value, into.kvlist_value.values)
    else:
        into.string_value = value


def _fill_all(attributes: dict[str, Any], into: Any) -> None:
    for key, value in attributes.items():
        pair = into.add()
        pair.key = key
        _fill(value, pair.value)


def protobuf_of(
    attributes: dict[str, Any], events: list[tuple[str, dict[str, Any]]] | None = None, status: Any = None
) -> bytes:
    """Return an export of one span in protobuf."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    _fill_all({"service.name": "shop", "telemetry.sdk.language": "python"}, group.resource.attributes)
    span = group.scope_spans.add().spans.add()
    span.trace_id, span.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    span.start_time_unix_nano, span.end_time_unix_nano = STARTED_NS, STARTED_NS + 1_500_000_000
    _fill_all(attributes, span.attributes)
    for name, each in events or []:
        event = span.events.add()
        event.name = name
        _fill_all(each, event.attributes)
    span.status.code = (status or {}).get("code", 0)
    return request.SerializeToString()


def _read_protobuf(*arguments: Any, **more: Any) -> list[Span]:
    return list(otlp_protobuf.read_spans(protobuf_of(*arguments, **more)))


@pytest.fixture(params=[_read_json, _read_protobuf], ids=["json", "protobuf"])
def read(request: pytest.FixtureRequest) -> Read:
    """Read an export in each encoding."""
    return request.param


def call_of(spans: list[Span]) -> LoggedCall:
    """Return the call that the only span is."""
    [span] = spans
    assert is_call(span)
    return logged_call(read_call(span, SCOPE, 1), Redaction())


BASICS = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4.1",
    "gen_ai.response.model": "gpt-4.1-2025-04-14",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.request.temperature": 0.5,
    "gen_ai.request.max_tokens": 100,
    "gen_ai.usage.input_tokens": 10,
    "gen_ai.usage.output_tokens": 4,
    "gen_ai.conversation.id": "conv-1",
}
INPUT = [
    {"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]},
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Paris"}}],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "rainy"}]},
]
OUTPUT = [{"role": "assistant", "parts": [{"type": "text", "content": "Rain."}], "finish_reason": "stop"}]
INSTRUCTIONS = [{"type": "text", "content": "Be brief."}]
TOOLS = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Weather in Paris?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "rainy"},
]


def _as_json(value: Any) -> Any:
    return json.dumps(value)


def _as_structure(value: Any) -> Any:
    return value


def _contents(form: Callable[[Any], Any]) -> dict[str, Any]:
    return {
        "gen_ai.input.messages": form(INPUT),
        "gen_ai.output.messages": form(OUTPUT),
        "gen_ai.system_instructions": form(INSTRUCTIONS),
        "gen_ai.tool.definitions": form(TOOLS),
    }


@pytest.mark.parametrize("form", [_as_json, _as_structure], ids=["text", "structure"])
@pytest.mark.parametrize("place", ["span", "event"])
def test_messages_may_be_attributes(read: Read, form: Callable[[Any], Any], place: str) -> None:
    contents = _contents(form)
    if place == "span":
        call = call_of(read({**BASICS, **contents}))
    else:
        call = call_of(read(BASICS, [("gen_ai.client.inference.operation.details", contents)]))

    request, reply = json.loads(call.request), json.loads(call.reply)
    assert request["messages"] == MESSAGES
    assert (request["model"], request["temperature"], request["max_tokens"]) == ("gpt-4.1", 0.5, 100)
    assert request["tools"] == [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
    assert reply == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_764_000_000,
        "model": "gpt-4.1-2025-04-14",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Rain."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
    }
    assert (call.id, call.kind, call.created_at, call.latency_ms) == ("chatcmpl-1", CallKind.CHAT, 1_764_000_000, 1500)
    assert (call.asked_model, call.model) == ("gpt-4.1", "gpt-4.1-2025-04-14")
    assert call.origin == f"otlp:{TRACE}:{SPAN}"
    assert call.metadata == {
        "service.name": "shop",
        "gen_ai.provider.name": "openai",
        "gen_ai.conversation.id": "conv-1",
    }


def _event(name: str, content: dict[str, Any], form: str) -> tuple[str, dict[str, Any]]:
    return (name, {"gen_ai.event.content": json.dumps(content)}) if form == "content" else (name, content)


@pytest.mark.parametrize("form", ["content", "attributes"])
def test_messages_may_be_events_as_up_to_1_36(read: Read, form: str) -> None:
    calls = MESSAGES[2]["tool_calls"]
    events = [
        _event("gen_ai.system.message", {"content": "Be brief."}, form),
        _event("gen_ai.user.message", {"role": "user", "content": "Weather in Paris?"}, form),
        _event("gen_ai.assistant.message", {"tool_calls": calls}, form),
        _event("gen_ai.tool.message", {"id": "call_1", "content": "rainy"}, form),
        _event(
            "gen_ai.choice",
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Rain."}},
            form,
        ),
        ("something else", {"content": "x"}),
    ]
    call = call_of(read({**BASICS, "gen_ai.system": "openai"}, events))

    assert json.loads(call.request)["messages"] == MESSAGES
    [choice] = json.loads(call.reply)["choices"]
    assert choice == {"index": 0, "message": {"role": "assistant", "content": "Rain."}, "finish_reason": "stop"}


def test_events_may_be_one_attribute(read: Read) -> None:
    events = [
        {"event.name": "gen_ai.user.message", "role": "user", "content": "Hello"},
        {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": "Hi"}},
    ]
    call = call_of(read({**BASICS, "events": json.dumps(events)}))

    assert json.loads(call.request)["messages"] == [{"role": "user", "content": "Hello"}]
    assert json.loads(call.reply)["choices"][0]["message"]["content"] == "Hi"


def test_a_choice_that_calls_tools_ends_so(read: Read) -> None:
    part = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": '{"city":"Paris"}'}
    thought = {"type": "reasoning", "content": "I do not know."}
    output = [{"role": "assistant", "parts": [thought, part], "finish_reason": "tool_call"}]
    call = call_of(read({**BASICS, "gen_ai.output.messages": json.dumps(output)}))

    [choice] = json.loads(call.reply)["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {**MESSAGES[2], "reasoning_content": "I do not know."}


def test_images_become_image_parts(read: Read) -> None:
    parts = [
        {"type": "text", "content": "What is it?"},
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="},
        {"type": "uri", "modality": "image", "uri": "https://example.com/x.png"},
    ]
    attributes = {**BASICS, "gen_ai.input.messages": json.dumps([{"role": "user", "parts": parts}])}
    call = call_of(read({**attributes, "gen_ai.output.messages": json.dumps(OUTPUT)}))

    assert json.loads(call.request)["messages"][0]["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}},
    ]


OPENINFERENCE = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4.1",
    "llm.invocation_parameters": '{"temperature": 0.5}',
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "llm.input_messages.1.message.contents.0.message_content.text": "Weather in Paris?",
    "llm.input_messages.2.message.role": "assistant",
    "llm.input_messages.2.message.tool_calls.0.tool_call.id": "call_1",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.name": "weather",
    "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments": '{"city":"Paris"}',
    "llm.input_messages.3.message.role": "tool",
    "llm.input_messages.3.message.tool_call_id": "call_1",
    "llm.input_messages.3.message.content": "rainy",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "Rain.",
    "llm.tools.0.tool.json_schema": '{"type": "function", "function": {"name": "weather"}}',
    "llm.token_count.prompt": 10,
    "llm.token_count.completion": 4,
    "llm.token_count.prompt_details.cache_read": 2,
    "metadata": '{"team": "a", "n": 1}',
    "session.id": "s-1",
    "input.value": "Weather in Paris?",
    "output.value": "Rain.",
}


def test_openinference_has_an_attribute_for_each_member(read: Read) -> None:
    call = call_of(read(OPENINFERENCE))
    request, reply = json.loads(call.request), json.loads(call.reply)

    assert request["messages"] == MESSAGES
    assert (request["model"], request["temperature"]) == ("gpt-4.1", 0.5)
    assert request["tools"] == [{"type": "function", "function": {"name": "weather"}}]
    assert reply["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "Rain."}, "finish_reason": "stop"}
    ]
    assert reply["usage"]["prompt_tokens_details"] == {"cached_tokens": 2}
    assert call.metadata == {"service.name": "shop", "session.id": "s-1", "team": "a", "n": 1}
    assert call.id.startswith("chatcmpl-")
    assert call.id == call_of(read(OPENINFERENCE)).id


def test_openinference_messages_are_in_the_order_of_their_numbers(read: Read) -> None:
    attributes: dict[str, Any] = {"openinference.span.kind": "LLM", "llm.output_messages.0.message.content": "x"}
    for number in reversed(range(12)):
        attributes[f"llm.input_messages.{number}.message.content"] = str(number)
    call = call_of(read(attributes))

    assert [each["content"] for each in json.loads(call.request)["messages"]] == [str(n) for n in range(12)]


RAW: dict[str, tuple[dict[str, Any], dict[str, Any], CallKind]] = {
    "chat": (
        {"model": "gpt-4.1", "messages": [{"role": "user", "content": "Hi"}], "seed": 7, "metadata": {"k": "v"}},
        {"id": "chatcmpl-9", "object": "chat.completion", "created": 1, "model": "m", "choices": [], "x": 1.5},
        CallKind.CHAT,
    ),
    "response": (
        {"model": "gpt-4.1", "input": "Hi"},
        {"id": "resp_9", "object": "response", "created_at": 1, "model": "m", "output": []},
        CallKind.RESPONSE,
    ),
}


@pytest.mark.parametrize("name", RAW)
def test_what_was_sent_and_answered_is_taken_as_it_was(read: Read, name: str) -> None:
    request, reply, kind = RAW[name]
    raw = {"input.value": json.dumps(request), "output.value": json.dumps(reply)}
    call = call_of(read({**OPENINFERENCE, **raw}))

    assert json.loads(call.reply) == reply
    assert {**json.loads(call.request), "metadata": None} == {**request, "metadata": None}
    assert (call.kind, call.id) == (kind, reply["id"])
    assert call.metadata["service.name"] == "shop"
    assert call.metadata.get("k") == request.get("metadata", {}).get("k")


NO_CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an HTTP request": ({"http.request.method": "GET"}, {}),
    "an agent": ({"gen_ai.operation.name": "invoke_agent", **_contents(_as_json)}, {}),
    "a tool": ({"gen_ai.operation.name": "execute_tool"}, {}),
    "embeddings": ({"gen_ai.operation.name": "embeddings"}, {}),
    "a chain": ({"openinference.span.kind": "CHAIN"}, {}),
    "a call that failed": ({**BASICS, **_contents(_as_json)}, {"status": {"code": 2}}),
}


@pytest.mark.parametrize("name", NO_CALLS)
def test_other_spans_are_no_calls(read: Read, name: str) -> None:
    attributes, more = NO_CALLS[name]
    [span] = read(attributes, **more)

    assert not is_call(span)


def test_a_call_without_its_content_is_refused_with_the_cure(read: Read) -> None:
    [span] = read(BASICS)

    with pytest.raises(UnreadableReplyError, match="OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"):
        read_call(span, SCOPE, 1)


STRANGE: list[Any] = [
    None,
    True,
    5,
    "{",
    "[]",
    "null",
    [],
    {},
    [[]],
    [None],
    ["x"],
    [{"role": 5, "parts": 5}],
    [{"parts": [None, 5, "x", {}, {"type": "tool_call"}, {"type": "tool_call_response"}, {"type": "reasoning"}]}],
    [{"message": None}, {"content": [1]}],
]


def _strange() -> Iterator[dict[str, Any]]:
    names = [*_contents(_as_json), "gen_ai.response.finish_reasons", "events", "metadata", "gen_ai.usage.input_tokens"]
    for name in [*names, "gen_ai.response.id", "gen_ai.request.model", "gen_ai.response.model", "input.value"]:
        for value in STRANGE:
            yield {**BASICS, **_contents(_as_json), name: value}
            yield {**OPENINFERENCE, name: value}
    for name in OPENINFERENCE:
        for value in STRANGE:
            yield {**OPENINFERENCE, name: value, f"{name}.0.x": "y"}


def test_whatever_attributes_hold_a_call_comes_of_it_or_a_refusal() -> None:
    count = 0
    for attributes in _strange():
        body = body_of({name: value for name, value in attributes.items() if value is not None})
        [span] = otlp_json.read_spans(json.dumps(body).encode())
        if is_call(span):
            try:
                call = logged_call(read_call(span, SCOPE, 1), Redaction())
            except UnreadableReplyError:
                continue
            assert isinstance(json.loads(call.reply), dict)
            count += 1
    assert count > 300


BROKEN: list[Any] = [
    b"",
    b"{",
    b"[]",
    b"5",
    json.dumps({"resourceSpans": 5}).encode(),
    json.dumps({"resourceSpans": [5]}).encode(),
    json.dumps({"resourceSpans": [{"resource": 5}]}).encode(),
    json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 5}]}]}]}).encode(),
    json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "1" * 5000}]}]}]}).encode(),
    json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [{"key": "k", "value": 1}]}]}]}]}).encode(),
]


@pytest.mark.parametrize("body", BROKEN)
def test_a_body_that_is_no_export_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="not an ExportTraceServiceRequest"):
        list(otlp_json.read_spans(body))


def test_bytes_that_are_no_protobuf_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="not an ExportTraceServiceRequest"):
        list(otlp_protobuf.read_spans(b"\x0a\xff\xff"))
    assert list(otlp_protobuf.read_spans(b"")) == []


def test_answers_say_what_was_rejected() -> None:
    assert otlp_json.answer(0, "") == b"{}"
    assert json.loads(otlp_json.answer(2, "why")) == {"partialSuccess": {"rejectedSpans": "2", "errorMessage": "why"}}
    assert otlp_protobuf.answer(0, "") == b""
    response = ExportTraceServiceResponse.FromString(otlp_protobuf.answer(2, "why"))
    assert (response.partial_success.rejected_spans, response.partial_success.error_message) == (2, "why")
