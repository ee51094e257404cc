"""Facts about replies that hold something odd where nobody looks: the answer counts, and what is kept is JSON."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from evalhaven.domain.jsontext import render
from evalhaven.domain.samples import Sample, Usage
from evalhaven.sampling.messages.making import CHAT_PATH, RESPONSES_PATH
from evalhaven.sampling.protocols.replies import UnusableReplyError, read_reply
from tests.unit.sampling.answered import CALL, CHAT, TEXT_ITEM, chat, read, response, seen

CHAT_BODY, RESPONSE_BODY = json.dumps(CHAT).encode(), json.dumps(response(TEXT_ITEM)).encode()


def with_member(body: bytes, member: bytes) -> bytes:
    """Return a body with one more member at its beginning, which nobody reads."""
    return b"{" + member + b"," + body[1:]


@pytest.mark.parametrize(("path", "body"), [(CHAT_PATH, CHAT_BODY), (RESPONSES_PATH, RESPONSE_BODY)])
@pytest.mark.parametrize(
    "member",
    [
        b'"timings":{"x":Infinity}',
        b'"logprobs":[{"logprob":-Infinity}]',
        b'"score":NaN',
        b'"score":1e999',
        b'"id":%s' % (b"9" * 5000),
        b'"system_fingerprint":"\xff\xfe"',
        b'"system_fingerprint":"a\tb\nc"',
        b'"created":"yesterday"',
        b'"object":{}',
    ],
    ids=lambda member: member[:30].decode("latin-1"),
)
def test_a_field_that_nobody_reads_may_hold_anything(path: str, body: bytes, member: bytes) -> None:
    assert read_reply(path, with_member(body, member)) == read_reply(path, body)


@pytest.mark.parametrize(("path", "body"), [(CHAT_PATH, CHAT_BODY), (RESPONSES_PATH, RESPONSE_BODY)])
def test_a_byte_order_mark_and_other_encodings_of_unicode_are_read(path: str, body: bytes) -> None:
    for encoded in (b"\xef\xbb\xbf" + body, body.decode().encode("utf-16"), body.decode().encode("utf-32-le")):
        assert read_reply(path, encoded) == read_reply(path, body)


def test_what_is_kept_of_an_odd_reply_is_json() -> None:
    body = json.dumps(chat({"role": "assistant", "content": "caf@", "tool_calls": [CALL]})).encode()
    call = b'"arguments":{"x":NaN,"y":[-Infinity,"\xff"]}'
    arguments = json.dumps('{"symbols":["NVDA"]}').encode()
    assert arguments in body
    body = body.replace(b"@", b"\xc3").replace(b'"arguments": ' + arguments, call)
    sample = read_reply(CHAT_PATH, body)

    text = render([sample.output, sample.namespace])
    assert msgspec.json.decode(text) == [sample.output, sample.namespace]
    assert seen(sample, "{{ sample.output_text }}") == "caf\ufffd"
    assert seen(sample, "{{ sample.output_tools[0].function.arguments }}") == '{"x":null,"y":[null,"\ufffd"]}'


@pytest.mark.parametrize(
    ("model", "shown"), [(5, "5"), ("m", "m"), (None, ""), ([], ""), ({"id": "m"}, ""), (True, "")]
)
def test_a_model_may_have_any_form(model: Any, shown: str) -> None:
    assert read({**CHAT, "model": model}).model == shown
    assert read(response(TEXT_ITEM, model=model), RESPONSES_PATH).model == shown


@pytest.mark.parametrize(
    ("reason", "shown"),
    [({"type": "stop", "matched": 151_645}, "stop"), ({"reason": "length"}, "length"), ({}, ""), (5, ""), ([], "")],
)
def test_a_finish_reason_may_be_an_object(reason: Any, shown: str) -> None:
    assert read(chat({"role": "assistant", "content": "Paris"}, reason)).finish_reason == shown


@pytest.mark.parametrize("calls", [{}, [], None, False, ""])
def test_no_tool_calls_may_have_any_form(calls: Any) -> None:
    sample = read(chat({"role": "assistant", "content": "Paris", "tool_calls": calls, "function_call": calls}))

    assert sample.output == [{"role": "assistant", "content": "Paris"}]


@pytest.mark.parametrize("refusal", [False, None, "", [], {}])
def test_a_refusal_that_is_false_or_empty_is_none(refusal: Any) -> None:
    sample = read(chat({"role": "assistant", "content": "Paris", "refusal": refusal}))

    assert sample.output == [{"role": "assistant", "content": "Paris"}]
    assert sample.is_whole
    part = {"type": "refusal", "refusal": refusal}
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Paris"}, part]}
    assert read(response(item), RESPONSES_PATH).output == sample.output


@pytest.mark.parametrize(
    "content",
    [
        [{"text": "Paris"}],
        [{"type": None, "text": "Paris"}],
        {"type": "text", "text": "Paris"},
        {"text": "Paris"},
        [None, {"text": "Par"}, "is"],
    ],
)
def test_parts_without_a_type_that_have_text_are_text(content: Any) -> None:
    assert read(chat({"role": "assistant", "content": content})).output == [{"role": "assistant", "content": "Paris"}]
    if isinstance(content, list):
        item = {"type": "message", "role": "assistant", "content": content}
        assert read(response(item), RESPONSES_PATH).output == [{"role": "assistant", "content": "Paris"}]


@pytest.mark.parametrize("error", [{}, {"code": None, "message": ""}, {"code": 0, "message": None}, False, "", None])
def test_an_error_with_nothing_in_it_is_none(error: Any) -> None:
    assert read({**CHAT, "error": error}) == read(CHAT)
    assert read(response(TEXT_ITEM, error=error), RESPONSES_PATH) == read(response(TEXT_ITEM), RESPONSES_PATH)


@pytest.mark.parametrize(
    "broken",
    [
        None,
        5,
        {},
        {"message": None},
        {"message": {"content": 5}},
        {"message": {"content": "x"}, "error": {"code": 502}},
    ],
)
def test_a_further_choice_that_is_broken_costs_a_note_and_not_the_answer(broken: Any) -> None:
    good = {"index": 2, "message": {"role": "assistant", "content": "two"}, "finish_reason": "stop"}
    sample = read({**CHAT, "choices": [*CHAT["choices"], broken, good, broken]})

    assert [message["content"] for message in sample.output if isinstance(message, dict)] == ["Markets", "two"]
    assert sample.notes == ("choices_left_out",)
    assert sample.usage == Usage(323, 12, 335, 100, 10)


@pytest.mark.parametrize("broken", [None, 5, "x", []])
def test_an_output_item_that_is_none_costs_nothing_beside_others(broken: Any) -> None:
    assert read(response(broken, TEXT_ITEM), RESPONSES_PATH) == read(response(TEXT_ITEM), RESPONSES_PATH)
    with pytest.raises(UnusableReplyError):
        read(response(broken), RESPONSES_PATH)


@pytest.mark.parametrize("content", ["Paris", [{"text": "Paris"}], [{"type": "output_text", "text": "Paris"}]])
def test_a_message_of_a_response_may_lack_its_type(content: Any) -> None:
    sample = read(response({"role": "assistant", "content": content}), RESPONSES_PATH)

    assert seen(sample, "{{ sample.output_text }}") == "Paris"
    assert sample.notes == ()


def test_tokens_count_in_the_names_of_the_other_protocol() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 1}, "completion_tokens_details": {"reasoning_tokens": 2}}
    usage = {"prompt_tokens": 3, "completion_tokens": 4, **details}
    assert read(response(TEXT_ITEM, usage=usage), RESPONSES_PATH).usage == Usage(3, 4, 7, 1, 2)

    usage = {"input_tokens": 3, "output_tokens": 4, "prompt_tokens": None, "input_tokens_details": {"cached_tokens": 1}}
    assert read({**CHAT, "usage": usage}).usage == Usage(3, 4, 7, 1)


@pytest.mark.parametrize("form", [float, str, "{}.0".format])
def test_tokens_count_in_every_form_of_a_number(form: Callable[[int], Any]) -> None:
    usage = {"input_tokens": form(3), "output_tokens": form(4), "output_tokens_details": {"reasoning_tokens": form(2)}}
    assert read(response(TEXT_ITEM, usage=usage), RESPONSES_PATH).usage == Usage(3, 4, 7, 0, 2)

    usage = {
        "prompt_tokens": form(3),
        "completion_tokens": form(4),
        "prompt_tokens_details": {"cached_tokens": form(1)},
    }
    assert read({**CHAT, "usage": usage}).usage == Usage(3, 4, 7, 1)


def thinking(message: dict[str, Any], reason: Any = "stop", **more: Any) -> Sample:
    return read({**chat({"role": "assistant", **message}, reason), "usage": None, **more})


@pytest.mark.parametrize(
    ("sample", "notes"),
    [
        (thinking({"content": None, "reasoning_content": "hm"}), ["reasoning_without_text"]),
        (thinking({"content": " \n", "reasoning": "hm"}), ["reasoning_without_text"]),
        (thinking({"content": "", "reasoning_details": [{"text": "hm"}]}), ["reasoning_without_text"]),
        (thinking({"content": [{"type": "thinking", "thinking": "hm"}]}), ["reasoning_without_text"]),
        (
            thinking({"content": ""}, usage={"completion_tokens_details": {"reasoning_tokens": 9}}),
            ["reasoning_without_text"],
        ),
        (
            thinking({"content": "", "reasoning": "hm"}, "length"),
            ["reasoning_without_text", "cut_without_text"],
        ),
        (thinking({"content": ""}, "length"), ["cut_without_text"]),
        (thinking({"content": ""}, "content_filter"), ["cut_without_text"]),
        (thinking({"content": [{"type": "image", "url": "x"}]}), ["parts_left_out"]),
        (thinking({"content": ""}), []),
        (thinking({"content": "Paris", "reasoning": "hm"}), []),
        (thinking({"content": "Par"}, "length"), []),
        (thinking({"content": None, "reasoning": "hm", "tool_calls": [CALL]}), []),
        (thinking({"content": None, "reasoning": "hm", "refusal": "No."}), []),
        (read(response({"type": "reasoning", "summary": []}), RESPONSES_PATH), ["reasoning_without_text"]),
        (
            read(
                response(
                    {"type": "reasoning"}, status="incomplete", incomplete_details={"reason": "max_output_tokens"}
                ),
                RESPONSES_PATH,
            ),
            ["reasoning_without_text", "cut_without_text"],
        ),
        (read(response({"type": "reasoning"}, TEXT_ITEM), RESPONSES_PATH), []),
    ],
)
def test_an_answer_without_text_says_that_there_was_reasoning_or_that_it_was_cut(
    sample: Sample, notes: list[str]
) -> None:
    assert list(sample.notes) == notes
