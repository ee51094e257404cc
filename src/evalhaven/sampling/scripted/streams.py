"""Answers of the scripted endpoint as streams: the same answer, word by word."""

import re
from collections.abc import Iterator
from typing import cast

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.sampling.response_events import EventWriter, TextItem

_WORD = re.compile(r"\s*\S+\s*\Z|\s*\S+")


def stream_of(body: bytes, request: JsonObject, *, is_chat: bool) -> Iterator[bytes]:
    """Yield an answer as server-sent events.

    Args:
        body: The answer as a whole: a chat completion or a response, as `reply_body` makes it.
        request: The request.
        is_chat: Which of the two it is.
    """
    answer = cast("JsonObject", jsontext.parse(body))
    return _chunks(answer, request) if is_chat else _events(answer)


def _chunks(completion: JsonObject, request: JsonObject) -> Iterator[bytes]:
    [choice] = cast("list[JsonObject]", completion["choices"])
    message = cast("JsonObject", choice["message"])
    said: JsonObject = {key: completion[key] for key in ("id", "created", "model")}
    said["object"] = "chat.completion.chunk"
    options = request.get("stream_options")
    has_usage = isinstance(options, dict) and options.get("include_usage") is True

    def chunk(delta: JsonObject, reason: JsonValue = None) -> bytes:
        each: JsonObject = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return _event({**said, "choices": [each], **({"usage": None} if has_usage else {})})

    yield chunk({"role": "assistant", "content": "" if message["refusal"] is None else None, "refusal": None})
    for key in ("content", "refusal"):
        text = message[key]
        if isinstance(text, str):
            yield from (chunk({key: piece}) for piece in _pieces(text))
    yield chunk({}, choice["finish_reason"])
    if has_usage:
        yield _event({**said, "choices": [], "usage": completion["usage"]})
    yield b"data: [DONE]\n\n"


def _events(response: JsonObject) -> Iterator[bytes]:
    writer = EventWriter()
    begun: JsonObject = {**response, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    yield writer.event("response.created", response=begun)
    yield writer.event("response.in_progress", response=begun)
    [message] = cast("list[JsonObject]", response["output"])
    [part] = cast("list[JsonObject]", message["content"])
    key = "refusal" if part["type"] == "refusal" else "text"
    item = TextItem(writer, {**message, "status": "in_progress"}, 0, {**part, key: ""})
    yield item.begin()
    for piece in _pieces(cast("str", part[key])):
        yield item.add(piece)
    yield item.end(cast("str", message["status"]))
    yield writer.event(f"response.{response['status']}", response=response)


def _pieces(text: str) -> list[str]:
    """Return a text word by word; joined, the pieces are the text."""
    return _WORD.findall(text) or ([text] if text else [])


def _event(document: JsonObject) -> bytes:
    return f"data: {jsontext.render(document)}\n\n".encode()
