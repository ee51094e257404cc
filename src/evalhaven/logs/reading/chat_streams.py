"""A streamed chat completion as the object that the same call gets without a stream."""

from collections.abc import Iterable

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.logs.reading.events import UnreadableReplyError
from evalhaven.logs.reading.merging import merge

_OF_CHUNKS = frozenset({"object", "choices", "obfuscation"})
_CONTINUED = ("delta", "logprobs")


def fold_chunks(events: Iterable[JsonObject | None]) -> JsonObject:
    """Return the chat completion that chunks make up.

    Raises:
        UnreadableReplyError: The stream ended before the completion did, or holds none.
    """
    said: JsonObject = {}
    choices: dict[int, JsonObject] = {}
    is_done = False
    has_failed = False
    for event in events:
        if event is None:
            is_done = True
            continue
        has_failed = has_failed or bool(event.get("error"))
        # Some servers leave members empty in chunks that bring only figures.
        said.update(
            {key: value for key, value in event.items() if key not in _OF_CHUNKS and (value or key not in said)}
        )
        parts = event.get("choices")
        for part in parts if isinstance(parts, list) else []:
            if isinstance(part, dict):
                _add(choices, part)
    is_complete = bool(choices) and all(choice.get("finish_reason") for choice in choices.values())
    if not is_complete and (has_failed or not is_done or not choices):
        raise UnreadableReplyError("the stream ended before the answer did")
    said.pop("error", None)
    folded: list[JsonValue] = [_whole(index, choices[index]) for index in sorted(choices)]
    return {"id": said.pop("id", None), "object": "chat.completion", **said, "choices": folded}


def _add(choices: dict[int, JsonObject], part: JsonObject) -> None:
    index = part.get("index")
    choice = choices.setdefault(index if isinstance(index, int) else 0, {})
    for key, value in part.items():
        if key in _CONTINUED and isinstance(value, dict):
            merged = choice.get(key)
            if not isinstance(merged, dict):
                merged = choice[key] = {}
            merge(merged, value)
        elif value is not None or key not in choice:
            choice[key] = value


def _whole(index: int, choice: JsonObject) -> JsonObject:
    message = choice.get("delta")
    if not isinstance(message, dict):
        message = {}
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        # Only the pieces of a call need a number.
        message["tool_calls"] = [_without_index(call) for call in calls]
    others = {key: value for key, value in choice.items() if key not in ("index", "delta", "finish_reason")}
    return {
        "index": index,
        "message": {"role": "assistant", "content": None, **message},
        "logprobs": None,
        **others,
        "finish_reason": choice.get("finish_reason"),
    }


def _without_index(call: JsonValue) -> JsonValue:
    return {key: value for key, value in call.items() if key != "index"} if isinstance(call, dict) else call
