"""Chat completions as responses."""

from collections.abc import Sequence
from typing import NamedTuple

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.samples import token_count, usage_of
from evalhaven.domain.tool_calls import call_item_of
from evalhaven.sampling.protocols.content_parts import read_content
from evalhaven.sampling.protocols.reply_errors import (
    UnusableReplyError,
    refusal_or_refuse,
    tells_of_failure,
    text_or_none,
    text_or_refuse,
    upstream_failure,
)

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why a response is incomplete, by the reason for which a chat completion ended."""

_REASONING_TEXTS = ("reasoning_content", "reasoning")
# What a request says and the response repeats, with what holds where it says nothing.
_ECHOED: tuple[tuple[str, JsonValue], ...] = (
    ("background", False),
    ("instructions", None),
    ("max_output_tokens", None),
    ("max_tool_calls", None),
    ("metadata", {}),
    ("parallel_tool_calls", True),
    ("previous_response_id", None),
    ("prompt_cache_key", None),
    ("safety_identifier", None),
    ("service_tier", "default"),
    ("store", True),
    ("temperature", 1.0),
    ("text", {"format": {"type": "text"}}),
    ("tool_choice", "auto"),
    ("tools", []),
    ("top_logprobs", 0),
    ("top_p", 1.0),
    ("truncation", "disabled"),
    ("user", None),
)


class Echo(NamedTuple):
    """What a response says besides the answer.

    Attributes:
        response_id: Its id.
        created_at: Unix second.
        request: The request.
    """

    response_id: str
    created_at: int
    request: JsonObject

    def response(self, model: JsonValue, output: Sequence[JsonValue], status: str) -> JsonObject:
        """Return a response without its usage."""
        request = self.request
        reasoning = request.get("reasoning")
        effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
        named = model if isinstance(model, str) and model else request.get("model")
        said: JsonObject = {
            "id": self.response_id,
            "object": "response",
            "created_at": self.created_at,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "model": named,
            "output": list(output),
            "reasoning": {"effort": effort, "summary": None},
            "usage": None,
        }
        return said | {key: default if request.get(key) is None else request[key] for key, default in _ECHOED}

    def item_id(self, prefix: str, number: int) -> str:
        """Return the id of an output item."""
        return f"{prefix}_{self.response_id.removeprefix('resp_')}{number:02x}"


def response_of(completion: JsonObject, echo: Echo) -> JsonObject:
    """Return the response that a chat completion is.

    Args:
        completion: The reply; its first choice counts, since no more were asked for.
        echo: What the response says besides.

    Raises:
        UnusableReplyError: The reply is no chat completion, or reports a failure.
    """
    if tells_of_failure(completion.get("error")):
        raise upstream_failure(completion["error"])
    choices = completion.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise UnusableReplyError("it has no choice with a message")
    reason = text_or_none(choice.get("finish_reason"))
    response = echo.response(completion.get("model"), _output_of(message, reason, echo), status_of(reason))
    response["incomplete_details"] = incomplete_details_of(reason)
    response["usage"] = response_usage(completion.get("usage"))
    return response


def status_of(finish_reason: str) -> str:
    """Return the status of a response or of its items."""
    return "incomplete" if finish_reason in INCOMPLETE else "completed"


def incomplete_details_of(finish_reason: str) -> JsonObject | None:
    """Return why a response is incomplete; None if it is complete."""
    reason = INCOMPLETE.get(finish_reason)
    return {"reason": reason} if reason else None


def response_usage(usage: JsonValue) -> JsonObject | None:
    """Return the usage of a chat completion as that of a response; None if it has none."""
    if not isinstance(usage, dict):
        return None
    counted = usage_of(usage)
    details = usage.get("prompt_tokens_details")
    written = token_count(details.get("cache_write_tokens")) if isinstance(details, dict) else 0
    return {
        "input_tokens": counted.prompt_tokens,
        "input_tokens_details": {"cached_tokens": counted.cached_tokens, "cache_write_tokens": written},
        "output_tokens": counted.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": counted.reasoning_tokens},
        "total_tokens": counted.total_tokens,
    }


def reasoning_in(message: JsonObject) -> str:
    """Return the reasoning that a message or a part of one shows, under whatever name."""
    return next((text for key in _REASONING_TEXTS if isinstance(text := message.get(key), str) and text), "")


def text_part(text: str) -> JsonObject:
    """Return the part of a response's message that is a text."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _output_of(message: JsonObject, reason: str, echo: Echo) -> list[JsonValue]:
    output: list[JsonValue] = []
    if thoughts := reasoning_in(message):
        part: JsonObject = {"type": "reasoning_text", "text": thoughts}
        output.append({"type": "reasoning", "id": echo.item_id("rs", 0), "summary": [], "content": [part]})
    spoken = read_content(message.get("content"))
    refusal = refusal_or_refuse(message.get("refusal")) or spoken.refusal
    content: list[JsonValue] = (
        [text_part(spoken.text)] if spoken.text or not (refusal or message.get("tool_calls")) else []
    )
    annotations = _annotations(message.get("annotations"))
    if content and annotations:
        content = [{**text_part(spoken.text), "annotations": annotations}]
    if refusal:
        content.append({"type": "refusal", "refusal": refusal})
    if content:
        item_id = echo.item_id("msg", len(output))
        said: JsonObject = {"type": "message", "id": item_id, "status": status_of(reason), "role": "assistant"}
        output.append({**said, "content": content})
    for call in _calls_of(message):
        item_id = echo.item_id("ctc" if call["type"] == "custom_tool_call" else "fc", len(output))
        output.append({**call, "id": item_id, "status": status_of(reason)})
    return output


def _calls_of(message: JsonObject) -> list[JsonObject]:
    given = message.get("tool_calls")
    if given and not isinstance(given, list):
        raise UnusableReplyError("it has tool_calls that are not an array")
    calls: list[JsonObject] = []
    for call in given if isinstance(given, list) else []:
        item = call_item_of(call) if isinstance(call, dict) else None
        if item is None:
            raise UnusableReplyError("it has a tool call that is neither a function's nor a custom tool's")
        text_or_refuse(item["call_id"], "id of a tool call")
        calls.append(item)
    return calls


def _annotations(given: JsonValue) -> list[JsonValue]:
    """Return the citations of a message, which responses have without a level of their own."""
    found: list[JsonValue] = []
    for each in given if isinstance(given, list) else []:
        inner = each.get("url_citation") if isinstance(each, dict) else None
        if isinstance(inner, dict):
            found.append({"type": "url_citation", **inner})
    return found
