"""What a logged call was asked, as a conversation that can be shown, graded and sent again."""

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.tool_calls import is_call

_REASONING = "reasoning"


def conversation_of(call: LoggedCall) -> list[JsonValue]:
    """Return the messages or input items of a call, in order.

    A response's `instructions` come first, as a system message. Reasoning is left out: it can be read only where it was
    made, and the model that is asked next does its own.
    """
    request = request_of(call)
    if call.kind is CallKind.CHAT:
        return _listed(request.get("messages"))
    items = input_items_of(request)
    instructions = request.get("instructions")
    if isinstance(instructions, str) and instructions:
        items.insert(0, {"role": "system", "content": instructions})
    elif isinstance(instructions, list):
        items[:0] = instructions
    return _without_reasoning(items)


def request_of(call: LoggedCall) -> JsonObject:
    """Return the request of a call; empty if what was recorded is no object."""
    return _object(jsontext.parse(call.request))


def reply_of(call: LoggedCall) -> JsonObject:
    """Return the reply of a call; empty if what was recorded is no object."""
    return _object(jsontext.parse(call.reply))


def input_items_of(request: JsonObject) -> list[JsonValue]:
    """Return the `input` of a response's request as items: a text is a message of the user."""
    given = request.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return list(_listed(given))


def _without_reasoning(items: list[JsonValue]) -> list[JsonValue]:
    kept = [item for item in items if not (isinstance(item, dict) and item.get("type") == _REASONING)]
    # What a model said after thinking is refused without these thoughts as long as it carries its id.
    return items if len(kept) == len(items) else [_without_id(item) for item in kept]


def _without_id(item: JsonValue) -> JsonValue:
    if isinstance(item, dict) and (item.get("role") == "assistant" or is_call(item.get("type"))):
        return {key: value for key, value in item.items() if key != "id"}
    return item


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
