"""Requests and replies of both protocols, as far as the scripted endpoint reads and writes them."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue

FinishReason = Literal["stop", "length", "content_filter"]

_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a call; `cached_input` is part of `input`, `reasoning` part of `output`."""

    input: int
    cached_input: int
    output: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class Request:
    """The parts of a request that matter.

    Attributes:
        is_chat: Whether it is a chat completion.
        model: The model it names.
        last_user_text: The text of the last user message, else of the last message.
        tokens: Words of all its texts.
        max_tokens: Most tokens of the answer.
        schema: The JSON Schema that the answer must satisfy.
        wants_object: Whether it must be a JSON object.
    """

    is_chat: bool
    model: str
    last_user_text: str
    tokens: int
    max_tokens: int | None
    schema: JsonObject | None
    wants_object: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The text of an answer or of a refusal."""

    text: str
    finish_reason: FinishReason
    tokens: Tokens
    is_refusal: bool = False


def count_tokens(text: str) -> int:
    """Return the tokens of a text: its words, since nothing here has a tokenizer."""
    return len(text.split())


def read_request(body: JsonValue, *, is_chat: bool) -> Request:
    """Return the parts of a request that matter; a missing part counts as empty."""
    document = body if isinstance(body, dict) else {}
    messages = list(_messages(document, is_chat=is_chat))
    users = [text for role, text in messages if role == "user"]
    form = _format(document, is_chat=is_chat)
    limits = [document.get(key) for key in ("max_completion_tokens", "max_tokens", "max_output_tokens")]
    model = document.get("model")
    return Request(
        is_chat=is_chat,
        model=model if isinstance(model, str) else "",
        last_user_text=users[-1] if users else messages[-1][1] if messages else "",
        tokens=sum(count_tokens(text) for _, text in messages),
        max_tokens=next((limit for limit in limits if isinstance(limit, int) and limit > 0), None),
        schema=_schema(form, is_chat=is_chat),
        wants_object=form.get("type") == "json_object",
    )


def _messages(document: JsonObject, *, is_chat: bool) -> Iterator[tuple[str, str]]:
    """Yield role and text of each message."""
    if not is_chat and isinstance(document.get("instructions"), str):
        yield "system", str(document["instructions"])
    found = document.get("messages" if is_chat else "input")
    if isinstance(found, str):
        yield "user", found
    for message in found if isinstance(found, list) else []:
        if isinstance(message, dict):
            yield str(message.get("role", "")), _text(message.get("content"))


def _text(content: JsonValue) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") for part in parts if isinstance(part, dict) and part.get("type") in _TEXT_PARTS]
    return "\n".join(text for text in texts if isinstance(text, str))


def _format(document: JsonObject, *, is_chat: bool) -> JsonObject:
    if is_chat:
        found = document.get("response_format")
    else:
        text = document.get("text")
        found = text.get("format") if isinstance(text, dict) else None
    return found if isinstance(found, dict) else {}


def _schema(form: JsonObject, *, is_chat: bool) -> JsonObject | None:
    if form.get("type") != "json_schema":
        return None
    holder = form.get("json_schema") if is_chat else form
    schema = holder.get("schema") if isinstance(holder, dict) else None
    return schema if isinstance(schema, dict) else {}


def reply_body(request: Request, answer: Answer, made_of: bytes, created_at: int = 0) -> bytes:
    """Return the body of a reply in the protocol of its request.

    Args:
        request: What was read of the request.
        answer: The answer.
        made_of: What makes the id, such as the request's body.
        created_at: Unix second to name.
    """
    number = blake2b(made_of, digest_size=12).hexdigest()
    write = _completion if request.is_chat else _response
    return jsontext.render(write(request, answer, number, created_at)).encode()


def _completion(request: Request, answer: Answer, number: str, created_at: int) -> JsonObject:
    tokens = answer.tokens
    message: JsonObject = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.is_refusal:
        message |= {"content": None, "refusal": answer.text}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": created_at,
        "model": request.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish_reason}],
        "usage": {
            "prompt_tokens": tokens.input,
            "completion_tokens": tokens.output,
            "total_tokens": tokens.input + tokens.output,
            "prompt_tokens_details": {"cached_tokens": tokens.cached_input},
            "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
        },
    }


def _response(request: Request, answer: Answer, number: str, created_at: int) -> JsonObject:
    tokens = answer.tokens
    reason = _INCOMPLETE.get(answer.finish_reason)
    status = "incomplete" if reason else "completed"
    part: JsonObject = {"type": "output_text", "text": answer.text, "annotations": []}
    if answer.is_refusal:
        part = {"type": "refusal", "refusal": answer.text}
    message: JsonObject = {
        "type": "message",
        "id": f"msg_{number}",
        "status": status,
        "role": "assistant",
        "content": [part],
    }
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": created_at,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": request.model,
        "output": [message],
        "usage": {
            "input_tokens": tokens.input,
            "input_tokens_details": {"cached_tokens": tokens.cached_input},
            "output_tokens": tokens.output,
            "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
            "total_tokens": tokens.input + tokens.output,
        },
    }
