"""Facts about replies that are not answers: nothing in one does harm."""

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from evalhaven.domain import jsontext
from evalhaven.domain.samples import Sample, sample_namespace
from evalhaven.sampling.messages.making import CHAT_PATH, RESPONSES_PATH
from evalhaven.sampling.protocols.replies import UnusableReplyError, read_reply
from tests.properties.json_texts import VALUES
from tests.unit.sampling.answered import AUDIO, CALL, CALL_ITEM, CHAT, TEXT_ITEM, chat, read, response, seen
from tests.unit.sampling.changed import CHANGES, changed


class TestUnusable:
    @pytest.mark.parametrize(
        ("reply", "told"),
        [
            ({}, "no choices"),
            ({**CHAT, "choices": []}, "no choices"),
            ({**CHAT, "choices": None}, "no choices"),
            ({**CHAT, "choices": [1]}, "without a message"),
            ({**CHAT, "choices": [{"message": None}]}, "without a message"),
            (chat({"content": 5}), "content that is not a text"),
            (chat({"content": [5]}), "content part"),
            (chat({"content": [{"type": "text", "text": 5}]}), "text that is not a text"),
            (chat({"content": "x", "refusal": 5}), "refusal"),
            (chat({"content": "", "tool_calls": 5}), "tool_calls"),
            (chat({"content": "", "tool_calls": [5]}), "tool call"),
            (chat({"content": "", "tool_calls": [{"id": "c"}]}), "without a function"),
            (chat({"content": "", "tool_calls": [{"function": {"name": 5}}]}), "function name"),
            (chat({"content": "", "audio": {"data": 5}}), "data"),
            ([], "not a JSON object"),
            (None, "not a JSON object"),
        ],
    )
    def test_what_is_no_chat_completion_is_said_in_a_clause(self, reply: Any, told: str) -> None:
        with pytest.raises(UnusableReplyError, match=f"^it (has|is).*{told}"):
            read(reply)

    @pytest.mark.parametrize(
        ("reply", "told"),
        [
            ({}, "no output"),
            (CHAT, "no output"),
            (response(5), "output item"),  # type: ignore[arg-type]
            (response({"type": "message"}), "without content"),
            (response({"type": "message", "content": [5]}), "content part"),
            (response({"type": "function_call", "name": 5}), "name of a call"),
            (response(TEXT_ITEM, status="in_progress"), "not carried out"),
            (response(TEXT_ITEM, status="queued"), "not carried out"),
            (response(TEXT_ITEM, status=7), "not carried out"),
        ],
    )
    def test_what_is_no_response_is_said_in_a_clause(self, reply: Any, told: str) -> None:
        with pytest.raises(UnusableReplyError, match=told):
            read(reply, RESPONSES_PATH)

    @pytest.mark.parametrize(
        ("path", "reply", "told"),
        [
            (CHAT_PATH, {"error": {"message": "Provider\n down", "code": 502}}, "502 Provider down"),
            (CHAT_PATH, {"error": "gone"}, "gone"),
            (CHAT_PATH, {**CHAT, "error": {"type": "overloaded_error", "message": "x"}}, "overloaded_error x"),
            (CHAT_PATH, {**CHAT, "choices": [{**CHAT["choices"][0], "error": {"code": 524}}]}, "524"),
            (
                RESPONSES_PATH,
                response(status="failed", error={"code": "server_error", "message": "It broke"}),
                "server_error It broke",
            ),
            (RESPONSES_PATH, response(status="failed"), "a failure"),
        ],
    )
    def test_a_failure_inside_a_reply_is_told(self, path: str, reply: Any, told: str) -> None:
        with pytest.raises(UnusableReplyError, match=told):
            read(reply, path)

    def test_a_failures_words_are_short(self) -> None:
        with pytest.raises(UnusableReplyError) as caught:
            read({"error": {"message": "x" * 100_000, "code": "y" * 100_000}})
        assert len(str(caught.value)) < 400

    @pytest.mark.parametrize("path", [CHAT_PATH, RESPONSES_PATH])
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<html><body>502</body></html>",
            b'data: {"choices": []}\n\n',
            json.dumps(CHAT).encode()[:-20],
            b'{"choices": NaN}',
            b'{"choices": 1e999}',
            b'{"a": "\xff"}',
            b"[" * 100_000 + b"]" * 100_000,
            b'{"choices":' * 600 + b"1" + b"}" * 600,
            b"9" * 100_000,
            b"\x00" * 1000,
        ],
        ids=range(11),
    )
    def test_bytes_that_are_no_reply_do_no_harm(self, path: str, body: bytes) -> None:
        with pytest.raises(UnusableReplyError) as caught:
            read_reply(path, body)
        assert len(str(caught.value)) < 400

    def test_fifty_megabytes_of_answer_are_an_answer(self) -> None:
        sample = read_reply(CHAT_PATH, json.dumps(chat({"role": "assistant", "content": "x" * 50_000_000})).encode())

        assert sample.namespace is not None
        assert len(str(sample.namespace["output_text"])) == 50_000_000

    @pytest.mark.parametrize("depth", [100, 480])
    def test_an_answer_nested_deeply_is_kept_as_text_or_refused(self, depth: int) -> None:
        call = {
            "id": "c",
            "type": "function",
            "function": {"name": "f", "arguments": json.loads("[" * depth + "]" * depth)},
        }

        sample = read(chat({"content": "", "tool_calls": [call]}))

        assert seen(sample, "{{sample.output_tools[0].function.arguments}}") == "[" * depth + "]" * depth


FULL_CHAT = chat(
    {
        "role": "assistant",
        "content": [{"type": "text", "text": "{}"}, {"type": "refusal", "refusal": "r"}],
        "refusal": "r",
        "tool_calls": [CALL, {"id": "c", "type": "custom", "custom": {"name": "n", "input": "i"}}],
        "function_call": {"name": "f", "arguments": "{}"},
        "audio": AUDIO,
    }
)
FULL_RESPONSE = response(
    TEXT_ITEM,
    CALL_ITEM,
    {"type": "custom_tool_call", "call_id": "c", "name": "n", "input": "i"},
    {"type": "mcp_call", "id": "m", "name": "n", "arguments": "{}", "server_label": "s"},
    {"type": "shell_call", "call_id": "c", "action": {"commands": []}},
    incomplete_details={"reason": "max_output_tokens"},
    error=None,
)
REPLIES = [(CHAT_PATH, FULL_CHAT), (RESPONSES_PATH, FULL_RESPONSE)]


def _read_or_told(path: str, body: bytes) -> tuple[Sample | None, str]:
    try:
        return read_reply(path, body), ""
    except UnusableReplyError as error:
        return None, str(error)


@hypothesis.settings(max_examples=200)
@hypothesis.given(st.sampled_from(REPLIES), CHANGES)
def test_a_reply_with_anything_in_any_place_is_a_sample_or_unusable(
    reply: tuple[str, dict[str, Any]], changes: list[tuple[int, Any]]
) -> None:
    path, document = reply[0], changed(reply[1], changes)

    sample, told = _read_or_told(path, json.dumps(document).encode())

    if sample is None:
        assert 0 < len(told) < 400
        return
    text = jsontext.render([sample.output, sample.finish_reason, sample.model])
    assert sample_namespace(*json.loads(text)) == sample.namespace
    for message in sample.output:
        assert isinstance(message, dict)
        assert isinstance(message["role"], str)
        assert isinstance(message["content"], str)
        assert isinstance(message.get("tool_calls", []), list)


@hypothesis.given(st.sampled_from([CHAT_PATH, RESPONSES_PATH]), st.binary(max_size=300))
def test_bytes_by_chance_are_unusable(path: str, body: bytes) -> None:
    with pytest.raises(UnusableReplyError):
        read_reply(path, body)


@hypothesis.given(
    VALUES | st.lists(st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "audio"]), VALUES))
)
def test_stored_output_of_any_form_has_a_namespace(value: Any) -> None:
    """Imported items hold what their first server answered, whatever that is."""
    namespace = sample_namespace(value if isinstance(value, list) else [value], "stop", "m")

    assert isinstance(namespace["output_text"], str)
    assert isinstance(namespace["output_tools"], list)
    jsontext.render(namespace)
