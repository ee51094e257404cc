"""Facts about exchanges as logged calls, and about what is kept out of them."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.masking import MASK
from evalhaven.logs.reading.calls import read_exchange
from evalhaven.logs.reading.events import UnreadableReplyError
from evalhaven.logs.reading.redaction import InvalidPatternError, Redaction
from evalhaven.settings import Settings
from tests.unit.logs.exchanged import completion, exchange

NOTHING = Redaction()


def test_a_call_has_what_its_request_and_reply_say() -> None:
    request = {"model": "gpt-4.1", "store": True, "metadata": {"team": "a"}, "messages": [], "n": 12345678901234567890}

    call = read_exchange(exchange(completion(), request), "s-1", NOTHING)

    assert (call.id, call.kind, call.origin) == ("chatcmpl-1", CallKind.CHAT, "s-1")
    assert (call.asked_model, call.model) == ("gpt-4.1", "answered")
    # An endpoint's own clock may be wrong.
    assert call.created_at == 1_700_000_000
    assert call.metadata == {"team": "a"}
    assert (json.loads(call.request), json.loads(call.reply)) == (request, completion())
    assert (call.first_byte_ms, call.latency_ms) == (3, 7)


@pytest.mark.parametrize("missing", [None, "", 7, "an id"])
@pytest.mark.parametrize("kind", list(CallKind))
def test_a_call_without_an_id_gets_one_that_is_the_same_wherever_it_is_read(missing: Any, kind: CallKind) -> None:
    reply = (
        completion(call_id=missing) if kind is CallKind.CHAT else {"object": "response", "id": missing, "output": []}
    )

    first, again = (read_exchange(exchange(reply, kind=kind), "s-1", NOTHING) for _ in range(2))
    other = read_exchange(exchange(reply, kind=kind), "s-2", NOTHING)

    assert first == again
    assert first.id != other.id
    assert first.id.startswith("chatcmpl-" if kind is CallKind.CHAT else "resp_")
    assert json.loads(first.reply)["id"] == first.id


def test_an_id_can_be_made_of_every_origin() -> None:
    call = read_exchange(exchange(completion(call_id=None)), "otlp \ud800 \0", NOTHING)
    assert call.id.startswith("chatcmpl-")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ({"error": {"message": "x"}}, CallKind.CHAT),
        ({"choices": []}, CallKind.RESPONSE),
        ({"output": "x"}, CallKind.RESPONSE),
    ],
)
def test_a_reply_of_another_kind_is_not_a_call(reply: Any, kind: CallKind) -> None:
    with pytest.raises(UnreadableReplyError, match="it has no"):
        read_exchange(exchange(reply, kind=kind), "s-1", NOTHING)


def test_patterns_are_replaced_in_every_text_of_request_reply_and_metadata() -> None:
    secret = "4111 1111 1111 1111"
    request = {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": f"Pay with {secret}, please"}]}],
        "metadata": {"card": secret},
        "tools": [{"type": "function", "function": {"name": "f", "description": secret}}],
    }
    reply = {**completion(f"Paid with {secret}."), "note": {"deep": [secret]}}

    call = read_exchange(exchange(reply, request), "s-1", Redaction.of([r"\d{4}( \d{4}){3}", "please"]))

    assert secret not in call.request + call.reply
    assert call.metadata == {"card": "[redacted]"}
    assert "Pay with [redacted], [redacted]" in call.request
    assert "Paid with [redacted]." in call.reply


def test_patterns_leave_what_calls_are_found_by() -> None:
    call = read_exchange(exchange(completion(), {"model": "m1"}), "s-1", Redaction.of([r"\w+"]))

    assert (call.id, call.asked_model, call.model) == ("chatcmpl-1", "m1", "answered")
    assert json.loads(call.reply)["object"] == "chat.completion"


def test_a_pattern_that_takes_too_long_keeps_the_call_from_being_stored() -> None:
    with pytest.raises(UnreadableReplyError, match="takes too long"):
        read_exchange(exchange(completion("1," * 40)), "s-1", Redaction.of([r"(.*?,){25}x"]))


@pytest.mark.parametrize("pattern", ["(", "x*", "a|"])
def test_a_pattern_that_is_none_or_finds_everything_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError):
        Redaction.of(["fine", pattern])


def test_the_setting_takes_a_pattern_a_line_and_refuses_what_is_none() -> None:
    assert Settings.model_validate({"log_redact": "a,b\n\n(c|d)\n"}).log_redact == ("a,b", "(c|d)")
    with pytest.raises(ValidationError, match="one a line: '\\('"):
        Settings.model_validate({"log_redact": "a\n("})


def test_secrets_of_tools_are_masked_wherever_they_are_repeated() -> None:
    tool = {"type": "mcp", "server_label": "d", "authorization": "tok-4711", "headers": {"x-key": "key-0815"}}
    part = {"type": "output_text", "text": "I used tok-4711 and key-0815", "annotations": []}
    reply = {"id": "resp_1", "object": "response", "tools": [tool], "output": [{"type": "message", "content": [part]}]}

    call = read_exchange(exchange(reply, {"model": "m", "tools": [tool]}, kind=CallKind.RESPONSE), "s-1", NOTHING)

    assert "tok-4711" not in call.request + call.reply
    assert "key-0815" not in call.request + call.reply
    assert json.loads(call.request)["tools"][0]["headers"] == {"x-key": MASK}
    assert f"I used {MASK} and {MASK}" in call.reply
