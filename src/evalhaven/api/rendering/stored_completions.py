"""Stored chat completions on the wire.

Source: the published examples of a stored chat completion and of its messages.
"""

from evalhaven.api.rendering.logged_calls import (
    call_extension,
    first_known,
    object_or_null,
    objects_in,
    text_or_null,
    time_of,
)
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.domain.sample_forms import text_of
from evalhaven.logs.conversations import conversation_of, reply_of, request_of

_PARAMETERS: JsonObject = {  # shown with these values if the request has none
    "tool_choice": None,
    "seed": None,
    "top_p": 1.0,
    "temperature": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "tools": None,
    "response_format": None,
}
_MESSAGE_KEYS = ("tool_calls", "tool_call_id", "function_call", "audio")


def stored_completion(call: LoggedCall, *, is_pending: bool = False) -> JsonObject:
    """Return a stored chat completion: the reply, with parameters of the request."""
    request, reply = request_of(call), reply_of(call)
    parameters = {key: first_known((request.get(key), reply.get(key), default)) for key, default in _PARAMETERS.items()}
    return {
        **reply,
        "id": call.id,
        "object": "chat.completion",
        "created": time_of(reply.get("created"), call),
        "model": call.model,
        "choices": objects_in(reply.get("choices")),
        "usage": object_or_null(reply.get("usage")),
        "service_tier": text_or_null(reply.get("service_tier")),
        "system_fingerprint": text_or_null(reply.get("system_fingerprint")),
        "request_id": text_or_null(reply.get("request_id")),
        **parameters,
        "input_user": first_known((request.get("user"), reply.get("input_user"))),
        "metadata": call.metadata,
        "evalhaven": call_extension(call, is_pending=is_pending),
    }


def stored_messages(call: LoggedCall) -> list[JsonObject]:
    """Return the messages that a chat completion was asked with, in their order."""
    messages = objects_in(conversation_of(call))
    return [_message(each, f"{call.id}-{number}") for number, each in enumerate(messages) if isinstance(each, dict)]


def _message(message: JsonObject, message_id: str) -> JsonObject:
    content = message.get("content")
    shown: JsonObject = {
        "id": message_id,
        "role": text_or_null(message.get("role")) or "",
        "content": text_of(message),
        "refusal": text_or_null(message.get("refusal")),
        "name": text_or_null(message.get("name")),
        "content_parts": objects_in(content) if isinstance(content, list) else None,
    }
    given: dict[str, JsonValue] = {key: message[key] for key in _MESSAGE_KEYS if message.get(key) is not None}
    return {**shown, **given}
