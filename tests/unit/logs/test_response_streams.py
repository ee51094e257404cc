"""Facts about streamed responses as logs keep them."""

from typing import Any

import pytest

from evalhaven.domain.logged_calls import CallKind
from evalhaven.logs.exchanges import Exchange
from evalhaven.logs.reading.calls import read_reply
from evalhaven.logs.reading.events import UnreadableReplyError
from tests.unit.logs import exchanged

PART = {"type": "output_text", "text": "Hello", "annotations": []}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [PART]}
CALL = {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}"}
EMPTY = {"id": "resp_1", "object": "response", "status": "in_progress", "model": "m", "output": []}


def event(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "sequence_number": 1, **more}


BEGINNING = [event("created", response=EMPTY), event("in_progress", response=EMPTY)]
PIECES = [
    event("output_item.added", output_index=0, item={**MESSAGE, "status": "in_progress", "content": []}),
    event("content_part.added", output_index=0, content_index=0, part={**PART, "text": ""}),
    event("output_text.delta", output_index=0, content_index=0, delta="Hel"),
    event("output_text.delta", output_index=0, content_index=0, delta="lo"),
    event("output_item.added", output_index=1, item={**CALL, "status": "in_progress", "arguments": ""}),
    event("function_call_arguments.delta", output_index=1, delta="{"),
    event("function_call_arguments.delta", output_index=1, delta="}"),
]
DONE = [
    event("output_item.done", output_index=0, item=MESSAGE),
    event("output_item.done", output_index=1, item=CALL),
]


def streamed(*events: dict[str, Any], end: bytes = b"") -> Exchange:
    return exchanged.streamed(list(events), kind=CallKind.RESPONSE, end=end)


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed"])
def test_the_last_event_brings_the_response(kind: str) -> None:
    last = {**EMPTY, "status": kind, "output": [MESSAGE], "usage": {"total_tokens": 3}}

    assert read_reply(streamed(*BEGINNING, *PIECES, event(kind, response=last))) == last


def test_output_that_only_the_stream_brought_is_put_into_the_response() -> None:
    last = event("completed", response={**EMPTY, "status": "completed"})

    reply = read_reply(streamed(*BEGINNING, *PIECES, *DONE, last))

    assert reply["output"] == [MESSAGE, CALL]


def test_a_stream_that_ends_without_a_last_event_is_put_together_from_its_parts() -> None:
    reply = read_reply(streamed(*BEGINNING, *PIECES, end=b"data: [DONE]\n\n"))

    assert reply == {**EMPTY, "status": "completed", "output": [MESSAGE, CALL]}


def test_refusals_reasoning_and_custom_calls_are_put_together_too() -> None:
    reply: Any = read_reply(
        streamed(
            event("output_item.added", output_index=0, item={"type": "reasoning", "summary": []}),
            event("reasoning_summary_part.added", output_index=0, summary_index=0, part={"type": "summary_text"}),
            event("reasoning_summary_text.delta", output_index=0, summary_index=0, delta="Th"),
            event("reasoning_summary_text.done", output_index=0, summary_index=0, text="Thinking"),
            event("output_item.added", output_index=1, item={"type": "message", "content": []}),
            event("refusal.delta", output_index=1, content_index=0, delta="No"),
            event("output_item.added", output_index=2, item={"type": "custom_tool_call", "name": "sql", "input": ""}),
            event("custom_tool_call_input.delta", output_index=2, delta="SELECT 1"),
            event("something.new", output_index=2, delta="?"),
            end=b"data: [DONE]\n\n",
        )
    )

    assert reply["output"] == [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Thinking"}]},
        {"type": "message", "content": [{"refusal": "No"}]},
        {"type": "custom_tool_call", "name": "sql", "input": "SELECT 1"},
    ]


@pytest.mark.parametrize(
    ("events", "end"),
    [
        ([*BEGINNING, *PIECES], b""),
        ([*BEGINNING, *PIECES, {"type": "error", "message": "overloaded"}], b"data: [DONE]\n\n"),
        (BEGINNING, b"data: [DONE]\n\n"),
    ],
)
def test_a_response_that_did_not_come_to_its_end_is_not_read(events: list[Any], end: bytes) -> None:
    with pytest.raises(UnreadableReplyError, match="ended before the answer did"):
        read_reply(streamed(*events, end=end))
