"""Exchanges as the gateway hands them over."""

import json
from typing import Any

from evalhaven.domain.logged_calls import CallKind
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs.exchanges import Exchange

STARTED_AT = 1_700_000_000.25


def exchange(
    reply: Any,
    request: Any = None,
    *,
    kind: CallKind = CallKind.CHAT,
    is_streamed: bool = False,
    started_at: float = STARTED_AT,
) -> Exchange:
    """Return an exchange; what is not bytes is written as JSON."""
    return Exchange(
        scope=DEFAULT_PROJECT,
        kind=kind,
        started_at=started_at,
        request=_bytes({"model": "asked", "messages": []} if request is None else request),
        reply=_bytes(reply),
        is_streamed=is_streamed,
        first_byte_ms=3,
        latency_ms=7,
    )


def streamed(events: list[Any], *, kind: CallKind = CallKind.CHAT, end: bytes = b"data: [DONE]\n\n") -> Exchange:
    """Return an exchange whose reply is these events; each has its type as its name, as Responses has it."""
    return exchange(stream_of(events) + end, kind=kind, is_streamed=True)


def stream_of(events: list[Any]) -> bytes:
    """Return server-sent events."""
    names = [f"event: {each['type']}\n" if "type" in each else "" for each in events]
    return "".join(f"{name}data: {json.dumps(each)}\n\n" for name, each in zip(names, events, strict=True)).encode()


def completion(text: str = "Yes.", call_id: Any = "chatcmpl-1") -> dict[str, Any]:
    """Return a chat completion."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {"id": call_id, "object": "chat.completion", "created": 5, "model": "answered", "choices": [choice]}


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()
