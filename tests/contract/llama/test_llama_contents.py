"""Images, sounds and conversations in runs that ask llama.cpp's own server."""

from typing import Any

import openai
import pytest

from tests.contract.llama.conftest import (
    BOTH_TYPES,
    Ask,
    Run,
    chat_text,
    counts,
    response_text,
    source,
    text,
    texts,
    user,
)
from tests.llama.media import BLUE, RED, base64_of, data_url, png, wav
from tests.llama.models import IMAGE_TOKENS, SOUND_TOKENS


@BOTH_TYPES
def test_images_reach_the_model(run: Run, ask: Ask, kind: str) -> None:
    urls = [data_url(png(colour)) for colour in (RED, BLUE)]
    question = {"type": "input_text", "text": "Colour?"}
    ended, items = run(
        source(
            kind,
            [{"picture": url} for url in urls],
            user(question, {"type": "input_image", "image_url": "{{ item.picture }}", "detail": "auto"}),
        )
    )
    direct = [
        ask(
            "/chat/completions",
            max_tokens=16,
            messages=[user({"type": "text", "text": "Colour?"}, {"type": "image_url", "image_url": {"url": url}})],
        )
        for url in urls
    ]
    without = ask("/chat/completions", max_tokens=1, messages=[user("Colour?")])["usage"]["prompt_tokens"]

    assert counts(ended) == (2, 0, 0)
    assert texts(items) == [chat_text(answer) for answer in direct]
    assert text(items[0]) != text(items[1])
    assert {item.sample.usage.prompt_tokens for item in items} == {without + IMAGE_TOKENS}
    assert [item.sample.input[0].content for item in items] == [f"Colour? <image>{url}</image>" for url in urls]


@BOTH_TYPES
def test_an_uploaded_image_reaches_the_model(run: Run, sdk: openai.OpenAI, kind: str) -> None:
    uploaded = sdk.files.create(file=("red.png", png(RED)), purpose="vision")
    by_id = user({"type": "input_image", "file_id": uploaded.id})
    by_url = user({"type": "input_image", "image_url": data_url(png(RED))})
    _, (item,) = run(source(kind, [{}], by_id))
    _, (expected,) = run(source(kind, [{}], by_url))

    assert text(item) == text(expected)
    assert item.sample.usage.prompt_tokens == expected.sample.usage.prompt_tokens


def test_sounds_reach_the_model(run: Run, ask: Ask) -> None:
    sounds = [base64_of(wav(hertz)) for hertz in (220, 3520)]
    question = {"type": "input_text", "text": "High?"}
    sound = {"type": "input_audio", "input_audio": {"data": "{{ item.sound }}", "format": "wav"}}
    ended, items = run(source("completions", [{"sound": each} for each in sounds], user(question, sound)))
    direct = [
        ask(
            "/chat/completions",
            max_tokens=16,
            messages=[
                user(
                    {"type": "text", "text": "High?"},
                    {"type": "input_audio", "input_audio": {"data": each, "format": "wav"}},
                )
            ],
        )
        for each in sounds
    ]
    without = ask("/chat/completions", max_tokens=1, messages=[user("High?")])["usage"]["prompt_tokens"]

    assert counts(ended) == (2, 0, 0)
    assert texts(items) == [chat_text(answer) for answer in direct]
    assert text(items[0]) != text(items[1])
    assert {item.sample.usage.prompt_tokens for item in items} == {without + SOUND_TOKENS}


CALL = {"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": '{"colour": "red"}'}}
CHAT_CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Which one?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "the red one"},
    {"role": "assistant", "content": "The red one."},
    {"role": "user", "content": "Sure?"},
]
RESPONSES_CONVERSATION: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Which one?"},
    {"type": "function_call", "call_id": "call_1", "name": "look_up", "arguments": '{"colour": "red"}'},
    {"type": "function_call_output", "call_id": "call_1", "output": "the red one"},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "The red one.", "annotations": []}],
    },
    {"role": "user", "content": "Sure?"},
]


@BOTH_TYPES
@pytest.mark.parametrize("conversation", [CHAT_CONVERSATION, RESPONSES_CONVERSATION], ids=["chat", "responses"])
def test_a_trajectory_is_continued(run: Run, ask: Ask, kind: str, conversation: list[dict[str, Any]]) -> None:
    shorter = [{"role": "user", "content": "Sure?"}]
    data_source = source(kind, [{"conversation": conversation}, {"conversation": shorter}])
    data_source["input_messages"] = {"type": "item_reference", "item_reference": "item.conversation"}
    ended, items = run(data_source)
    if kind == "completions":
        direct = [ask("/chat/completions", max_tokens=16, messages=each) for each in (CHAT_CONVERSATION, shorter)]
        expected = [chat_text(answer) for answer in direct]
    else:
        direct = [ask("/responses", max_output_tokens=16, input=each) for each in (RESPONSES_CONVERSATION, shorter)]
        expected = [response_text(answer) for answer in direct]

    assert counts(ended) == (2, 0, 0), [item.sample.error for item in items]
    assert texts(items) == expected
    assert [message.role for message in items[0].sample.input] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]


def test_what_is_not_a_picture_is_the_items_own_error(run: Run) -> None:
    picture = {"type": "input_image", "image_url": "{{ item.picture }}"}
    items_in = [{"picture": data_url(b"no picture")}, {"picture": data_url(png(RED))}]
    ended, items = run(source("completions", items_in, user(picture)))

    assert counts(ended) == (1, 0, 1)
    assert items[0].sample.error.code == "invalid_request_error"
    assert "image" in items[0].sample.error.message
