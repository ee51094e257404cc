"""What a host sends is believed only when it is a reply to the next call, whole and of the right shape."""

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalhaven.sandbox.limits import REPLY_BYTES
from evalhaven.sandbox.replies import Reply, ReplyReader

KINDS = ["exception", "invalid_result", "memory", "disk", "threads", "import"]


def frame(value: object) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return len(text).to_bytes(4, "little") + text


def expecting(calls: int) -> ReplyReader:
    reader = ReplyReader(1000)
    for number in range(calls):
        reader.expect(number)
    return reader


def read(sent: bytes) -> tuple[list[Reply], str | None]:
    reader = expecting(2)
    return reader.read(sent), reader.fault


texts = st.text(st.characters(codec="utf-8"), max_size=50)
good = st.lists(
    st.one_of(
        st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.none(), st.just(""), texts),
        st.tuples(st.none(), st.sampled_from(KINDS), texts, texts),
    ),
    max_size=8,
)


@settings(max_examples=50)
@given(good, st.data())
def test_replies_are_the_same_however_they_are_cut(contents: list[tuple[object, ...]], data: st.DataObject) -> None:
    sent = b"".join(frame([number, *content, 0.25]) for number, content in enumerate(contents))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    reader = expecting(len(contents))
    replies = [reply for start, end in pairwise([0, *cuts, len(sent)]) for reply in reader.read(sent[start:end])]

    assert reader.fault is None
    assert [(each.score, each.error, each.message, each.output) for each in replies] == contents


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_make_no_reply_that_is_not_one(sent: bytes, is_framed: bool) -> None:
    replies, fault = read(frame(sent) if is_framed else sent)

    assert all(reply.score is None or math.isfinite(reply.score) for reply in replies)
    assert fault is not None or replies or not is_framed


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=7) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@given(json_values)
def test_any_other_json_is_a_fault(value: object) -> None:
    replies, fault = read(frame(value))

    if replies:  # nothing but a list of the right six
        assert isinstance(value, list)
        assert len(value) == 6
        assert value[0] == 0
    else:
        assert fault


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        ((REPLY_BYTES + 1).to_bytes(4, "little"), "a reply of 65537 bytes was announced; 65536 are allowed"),
        (frame([1, 0.5, None, "", "", 0.1]), "to a call that was not made"),
        (frame([-1, 0.5, None, "", "", 0.1]), "to a call that was not made"),
        (frame([0, 0.5, None, "", "", 0.1]) * 2, "to a call that was not made"),
        (
            frame([0, 0.5, None, "", "", 0.1])
            + frame([1, 0.5, None, "", "", 0.1])
            + frame([2, 0.5, None, "", "", 0.1]),
            "was not made",
        ),
        (frame([0, None, None, "", "", 0.1]), "a reply has neither a score nor an error, or both"),
        (frame([0, 0.5, "exception", "", "", 0.1]), "a reply has neither a score nor an error, or both"),
        (frame([0, 0.5, None, "", "", 1e300]), "a reply holds a number that is out of range"),
        (frame([0, 0.5, None, "", "", -1.0]), "a reply holds a number that is out of range"),
        (frame(b'[0,1e999,null,"","",0.1]'), "malformed"),
        (frame(b'[0,NaN,null,"","",0.1]'), "malformed"),
        (frame([0, 0.5, None, "", "", 0.1, 1]), "malformed"),
        (frame([0, None, "timeout", "", "", 0.1]), "malformed"),
        (frame([0, "0.5", None, "", "", 0.1]), "malformed"),
        (frame(b'[0,0.5,null,"\xff","",0.1]'), "malformed"),
        (frame(b"[" * 60_000), "malformed"),
        (frame(b""), "malformed"),
    ],
)
def test_what_no_host_sends_is_a_fault(sent: bytes, fault: str) -> None:
    _, found = read(sent)

    assert found is not None
    assert fault in found


def test_nothing_is_read_after_a_fault() -> None:
    reader = expecting(2)
    first = frame([0, 0.5, None, "", "", 0.1])

    assert len(reader.read(first + frame(b"[]") + frame([1, 0.5, None, "", "", 0.1]))) == 1
    assert reader.read(frame([1, 0.5, None, "", "", 0.1])) == []


def test_output_is_cut_to_its_limit() -> None:
    (reply,), _ = read(frame([0, 0.5, None, "", "x" * 1001, 0.1]))

    assert reply.output == "x" * 1000
