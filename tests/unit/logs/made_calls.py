"""Logged calls as tests store them."""

import json
from typing import Any

from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.scopes import DEFAULT_PROJECT, ProjectScope

CREATED_AT = 1_764_331_200  # noon, so that calls of some hours are of one day


def chat_call(number: int = 1, text: str = "Yes.", **changes: Any) -> LoggedCall:
    """Return a chat completion; later numbers are newer.

    Args:
        number: Which one.
        text: What was answered.
        changes: `request` and `reply` as objects, which add keys to the usual ones; other fields replace them.
    """
    request = {"model": "gpt-4.1", "store": True, "messages": [{"role": "user", "content": f"Question {number}?"}]}
    message = {"role": "assistant", "content": text, "refusal": None}
    reply = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": CREATED_AT + number,
        "model": "gpt-4.1-2025-04-14",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
    }
    return _call(CallKind.CHAT, f"chatcmpl-{number}", number, request, reply, changes)


def response_call(number: int = 1, text: str = "Yes.", **changes: Any) -> LoggedCall:
    """Return a response, as `chat_call` returns a chat completion."""
    request = {"model": "gpt-4.1", "input": f"Question {number}?"}
    content = [{"type": "output_text", "text": text, "annotations": []}]
    reply = {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": CREATED_AT + number,
        "status": "completed",
        "model": "gpt-4.1-2025-04-14",
        "output": [{"type": "message", "id": f"msg_{number}", "role": "assistant", "content": content}],
        "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
    }
    return _call(CallKind.RESPONSE, f"resp_{number}", number, request, reply, changes)


def _call(
    kind: CallKind, call_id: str, number: int, request: dict[str, Any], reply: dict[str, Any], changes: dict[str, Any]
) -> LoggedCall:
    request, reply = {**request, **changes.pop("request", {})}, {**reply, **changes.pop("reply", {})}
    scope: ProjectScope = changes.pop("scope", DEFAULT_PROJECT)
    fields: dict[str, Any] = {
        "created_at": CREATED_AT + number,
        "asked_model": request["model"],
        "model": reply["model"],
        "metadata": request.get("metadata") or {},
        "origin": f"test-{kind}-{number}",
        "latency_ms": 120,
        **changes,
    }
    return LoggedCall(
        scope=scope, id=call_id, kind=kind, request=json.dumps(request), reply=json.dumps(reply), **fields
    )
