"""Replies of both protocols, and the sample that is read from one."""

import json
from typing import Any

from evalhaven.domain import jsontext
from evalhaven.domain.samples import Sample, sample_namespace
from evalhaven.domain.templates import parse_template
from evalhaven.sampling.messages.making import CHAT_PATH
from evalhaven.sampling.protocols.replies import read_reply

CALL = {"id": "call_1", "type": "function", "function": {"name": "get_stock", "arguments": '{"symbols":["NVDA"]}'}}
AUDIO = {"id": "audio_1", "expires_at": 1, "data": "UklGRg==", "transcript": "Hello."}
CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1763640415,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Markets", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 323,
        "completion_tokens": 12,
        "total_tokens": 335,
        "prompt_tokens_details": {"cached_tokens": 100, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 10},
    },
    "system_fingerprint": "fp_1",
}
TEXT_ITEM: dict[str, Any] = {
    "type": "message",
    "id": "msg_1",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Markets", "annotations": [], "logprobs": []}],
}
CALL_ITEM: dict[str, Any] = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "get_stock",
    "arguments": '{"symbols":["NVDA"]}',
    "status": "completed",
}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1763640415,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "model": "gpt-5-nano-2025-08-07",
    "output": [{"type": "reasoning", "id": "rs_1", "summary": []}, TEXT_ITEM],
    "parallel_tool_calls": True,
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "usage": {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 64},
        "total_tokens": 123,
    },
    "metadata": {},
}


def read(reply: Any, path: str = CHAT_PATH) -> Sample:
    """Return the sample of a reply, which a stored sample must equal in what graders see."""
    sample = read_reply(path, json.dumps(reply).encode())
    stored = json.loads(jsontext.render([sample.output, sample.finish_reason, sample.model]))
    assert sample_namespace(*stored) == sample.namespace
    assert (sample.error, sample.input) == (None, [])
    return sample


def chat(message: dict[str, Any], finish_reason: Any = "stop") -> dict[str, Any]:
    """Return a chat completion of one choice."""
    return {**CHAT, "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]}


def response(*items: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return a response with these output items."""
    return {**RESPONSE, "output": list(items), **changes}


def seen(sample: Sample, text: str) -> str:
    """Return what a grader's template says of a sample."""
    rendered = parse_template(text).render({"sample": sample.namespace})
    assert rendered.unresolved == ()
    return rendered.text
