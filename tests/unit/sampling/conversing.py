"""Conversations in either form, and how they are sent."""

from typing import Any

from tests.unit.sampling.asking import CHAT, RESPONSES, Files, converse

USER = {"role": "user", "content": "u"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
CALL_ITEM = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
CUSTOM_CALL = {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "select"}}
CUSTOM_ITEM = {"type": "custom_tool_call", "call_id": "c2", "name": "sql", "input": "select"}


def to_chat(*messages: Any, files: Files | None = None) -> Any:
    """Return a conversation as it is sent to an endpoint with chat completions only."""
    return converse("responses", CHAT, *messages, files=files)


def to_responses(*messages: Any, files: Files | None = None) -> Any:
    """Return a conversation as it is sent to an endpoint with the Responses protocol only."""
    return converse("completions", RESPONSES, *messages, files=files)
