"""Facts about the quick way of reading the usual chat completion: it never reads one differently from the long way."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhaven.domain.jsontext import InvalidJsonError, parse_reply
from evalhaven.domain.samples import Sample
from evalhaven.sampling.protocols.chat_replies import completion_sample
from evalhaven.sampling.protocols.plain_chat import find_plain_sample
from evalhaven.sampling.protocols.reply_errors import UnusableReplyError

ABSENT = object()
ODD = [None, "", " ", "x", 0, 7, -1, 2.0, 2.5, 1 << 63, True, [], ["x"], {}, {"type": "text", "text": "x"}]
TEXTS = ["yes", " yes\n", '{"a": 1}', "7", "\u2028", "\u00e9"]
MESSAGE_KEYS = ["role", "content", "refusal", "tool_calls", "function_call", "audio", "reasoning", "thinking", "name"]
USAGE_KEYS = ["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "input_tokens", "output_tokens"]
DETAIL_KEYS = [
    *("prompt_tokens_details", "input_tokens_details"),
    *("completion_tokens_details", "output_tokens_details"),
]
DETAILS = [*ODD, {"cached_tokens": 3}, {"cached_tokens": None, "reasoning_tokens": 4}, {"reasoning_tokens": "5"}]


def plain_reply(text: str = "yes", **message: Any) -> dict[str, Any]:
    """Return a completion as most endpoints answer it."""
    said = {"role": "assistant", "content": text, "refusal": None, **message}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "m-1",
        "choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }


def changed(document: dict[str, Any], keys: list[str], values: list[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return documents with up to two keys that are absent or have another value."""
    changes = st.dictionaries(st.sampled_from(keys), st.sampled_from([ABSENT, *values]), max_size=2)
    return changes.map(lambda given: {k: v for k, v in {**document, **given}.items() if v is not ABSENT})


@st.composite
def replies(draw: st.DrawFn) -> dict[str, Any]:
    """Return completions that are odd in a few places."""
    reply = plain_reply(draw(st.sampled_from(TEXTS)))
    choice, usage = reply["choices"][0], reply["usage"]
    choice["message"] = draw(changed(choice["message"], MESSAGE_KEYS, [*ODD, *TEXTS]))
    usage = draw(changed(draw(changed(usage, USAGE_KEYS, ODD)), DETAIL_KEYS, DETAILS))
    choice = draw(changed(choice, ["finish_reason", "error", "message"], ODD))
    reply = {**reply, "usage": usage, "choices": draw(st.sampled_from([[choice], [choice] * 2, [choice, "x"], []]))}
    return draw(changed(reply, ["model", "error", "usage", "choices"], ODD))


def read_at_length(body: bytes) -> Sample | None:
    """Return the sample that a reply is if every way of writing one is considered; None if it is not usable."""
    try:
        reply = parse_reply(body)
        return completion_sample(reply) if isinstance(reply, dict) else None
    except (InvalidJsonError, UnusableReplyError):
        return None


@given(replies())
def test_what_is_read_quickly_is_read_as_at_length(reply: dict[str, Any]) -> None:
    body = json.dumps(reply).encode()
    sample = find_plain_sample(body)
    assert sample is None or sample == read_at_length(body)


@pytest.mark.parametrize(
    "reply",
    [
        plain_reply(),
        plain_reply(tool_calls=[], reasoning_content="hm"),
        {**plain_reply(), "usage": None, "service_tier": "default", "system_fingerprint": "fp"},
        {
            **plain_reply(),
            "usage": {
                "prompt_tokens": 5,
                "completion_tokens": 2,
                "total_tokens": 7,
                "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 1, "accepted_prediction_tokens": 0},
            },
        },
    ],
)
def test_usual_replies_are_read_quickly(reply: dict[str, Any]) -> None:
    body = json.dumps(reply).encode()
    sample = find_plain_sample(body)
    assert sample is not None
    assert sample == read_at_length(body)


def test_reply_that_is_nested_too_deeply_is_not_read_quickly() -> None:
    deep = json.dumps(plain_reply()).replace('"chatcmpl-1"', "[" * 600 + "]" * 600)
    assert find_plain_sample(deep.encode()) is None
