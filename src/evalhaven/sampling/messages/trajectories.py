"""Conversations that an item brings along, in the form of either protocol.

A conversation is an array of messages of chat completions, of input items of the Responses protocol, or of both. What
the other protocol cannot carry is an error, except what only describes an answer: ids, statuses, annotations and the
phase.
"""

from dataclasses import dataclass
from typing import cast

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.tool_calls import call_item_of, is_call, tool_call_of
from evalhaven.sampling.catalog import ChatOrResponses
from evalhaven.sampling.messages.attachments import FileLookup
from evalhaven.sampling.messages.contents import chat_content, responses_content, shown_content, shown_object
from evalhaven.sampling.messages.making import RequestError, unsendable

_NOT_IN_CHAT = frozenset({"type", "id", "status", "phase", "annotations", "parsed"})
_TRANSLATED = frozenset({"role", "content", "tool_calls", "tool_call_id", "function_call", "refusal"})
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
_TOOL_ROLES = frozenset({"tool", "function"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an endpoint wants messages.

    Attributes:
        protocol: The form of the messages.
        takes_audio: Whether sound is passed on.
        takes_developers: Whether it knows the role `developer`; if not, that is sent as `system`.
    """

    protocol: ChatOrResponses
    takes_audio: bool = True
    takes_developers: bool = True

    def role(self, role: str) -> str:
        """Return a role as it is sent."""
        return "system" if role == "developer" and not self.takes_developers else role


def checked_items(value: JsonValue, first: int = 0) -> list[JsonObject]:
    """Return a conversation whose elements are messages or items of a type.

    Args:
        value: What the item has as its conversation.
        first: The number of its first element, for errors.

    Raises:
        RequestError: The value is anything else.
    """
    if not isinstance(value, list):
        raise unsendable(f"The input messages must be an array, but are {_named(value)}.")
    if not value:
        raise unsendable("The input messages are an empty array.")
    for at, item in enumerate(value, first):
        if not isinstance(item, dict):
            raise unsendable(f"Input message {at} must be an object, but is {_named(item)}.")
        if _is_message(item):
            if not isinstance(item.get("role"), str) or not item["role"]:
                raise unsendable(f"Input message {at} has no role.", at, "role")
            if not isinstance(item.get("tool_calls"), list | None):
                raise unsendable(f"Input message {at} has tool_calls that are not an array.")
        elif not isinstance(item["type"], str):
            raise unsendable(f"Input message {at} has a type that is not a string.")
    return cast("list[JsonObject]", value)


def sent_items(items: list[JsonObject], dialect: Dialect, files: FileLookup, first: int = 0) -> list[JsonObject]:
    """Return a conversation as the endpoint wants it.

    Args:
        items: As `checked_items` returns them.
        dialect: What the endpoint wants.
        files: Where file ids are looked up.
        first: The number of its first element, for errors.

    Raises:
        RequestError: The endpoint's protocol cannot carry something in it.
    """
    numbered = list(enumerate(items, first))
    return _as_chat(numbered, dialect, files) if dialect.protocol == "chat" else _as_input(numbered, dialect, files)


def shown_items(items: list[JsonObject], dialect: Dialect) -> list[JsonValue]:
    """Return a conversation as output items show it: role, content as one string, tool calls."""
    return [_shown(item, dialect) for item in items]


def _as_chat(items: list[tuple[int, JsonObject]], dialect: Dialect, files: FileLookup) -> list[JsonObject]:
    messages: list[JsonObject] = []
    is_turn_open = False  # whether the last message is an assistant's to which further calls belong
    for number, item in items:
        at = f"Input message {number}"
        kind = item.get("type")
        if _is_message(item):
            try:
                messages.append(_chat_message(item, dialect, files, at))
            except RequestError as error:
                raise error.inside(number) from None
            is_turn_open = item["role"] == "assistant" and kind == "message"
        elif kind in ("function_call", "custom_tool_call"):
            if not is_turn_open:
                messages.append({"role": "assistant", "content": None})
                is_turn_open = True
            made = cast("list[JsonValue]", messages[-1].get("tool_calls") or [])
            messages[-1]["tool_calls"] = [*made, tool_call_of(item)]
        elif kind in _OUTPUTS:
            messages.append(_tool_message(item, files, at))
            is_turn_open = False
        elif kind != "reasoning" or _says_something(item):
            raise unsendable(f"{at} is of type {_named(kind)}, which chat completions have no place for.")
    if not messages:
        raise unsendable("The input messages hold nothing that chat completions have a place for.")
    return messages


def _chat_message(item: JsonObject, dialect: Dialect, files: FileLookup, at: str) -> JsonObject:
    message: JsonObject = {
        key: value
        for key, value in item.items()
        if (value is not None and key not in _NOT_IN_CHAT) or key in ("role", "content")
    }
    message["role"] = dialect.role(cast("str", item["role"]))
    if "content" in message:
        message["content"] = chat_content(message["content"], files, at)
    return message


def _tool_message(item: JsonObject, files: FileLookup, at: str) -> JsonObject:
    content = chat_content(item.get("output"), files, at)
    if isinstance(content, list) and any(cast("JsonObject", part)["type"] != "text" for part in content):
        raise unsendable(f"{at}: a tool's output in chat completions is text only.")
    return {"role": "tool", "tool_call_id": item.get("call_id"), "content": content if content is not None else ""}


def _as_input(items: list[tuple[int, JsonObject]], dialect: Dialect, files: FileLookup) -> list[JsonObject]:
    sent: list[JsonObject] = []
    calls = _CallIds()
    for number, item in items:
        at = f"Input message {number}"
        if not _is_message(item):
            calls.note(item)
            sent.append(_inlined(item, files, at))
        elif item["role"] in _TOOL_ROLES:
            output = responses_content(item.get("content"), "tool", files, at, audio=dialect.takes_audio)
            sent.append({**calls.answered_by(item), "output": output})
        else:
            try:
                sent.extend(_input_of(item, dialect, files, at, calls))
            except RequestError as error:
                raise error.inside(number) from None
    return sent


def _input_of(item: JsonObject, dialect: Dialect, files: FileLookup, at: str, calls: "_CallIds") -> list[JsonObject]:
    """Return the items of one message: its content, then its calls."""
    role = dialect.role(cast("str", item["role"]))
    is_typed = item.get("type") == "message"
    if is_typed and role == "assistant" and "id" in item and isinstance(item.get("content"), list):
        return [item]  # an answer as it was given
    content = responses_content(item.get("content"), role, files, at, audio=dialect.takes_audio)
    if is_typed:
        said = {key: value for key, value in item.items() if value is not None}
        return [{**said, "role": role, "content": content}]
    _require_translatable(item, at)
    refusal, phase = item.get("refusal"), item.get("phase")
    if refusal is not None:
        content = _with_refusal(content, refusal)
    made = _calls_of(item, calls, at)
    message: JsonObject = {"role": role, "content": content}
    if role == "assistant":
        message = {"type": "message", **message}  # OpenAI accepts it without a type, llama.cpp does not
    if phase is not None:
        message["phase"] = phase
    for call in made:
        calls.note(call)
    return [message, *made] if content or not made else made


def _with_refusal(content: JsonValue, refusal: JsonValue) -> JsonValue:
    """Return the content of an answer that refuses."""
    parts: list[JsonValue] = content if isinstance(content, list) else []
    if content and isinstance(content, str):
        parts = [{"type": "output_text", "text": content}]
    return [*parts, {"type": "refusal", "refusal": refusal}]


def _calls_of(item: JsonObject, calls: "_CallIds", at: str) -> list[JsonObject]:
    """Return the calls of an assistant's message as items; the old `function_call` has no id and gets one."""
    given = item.get("tool_calls")
    made = [call_item_of(call) if isinstance(call, dict) else None for call in given] if isinstance(given, list) else []
    old = item.get("function_call")
    if isinstance(old, dict):
        made.append(call_item_of({"id": calls.next_old(old.get("name")), "type": "function", "function": old}))
    if any(call is None for call in made):
        raise unsendable(f"{at} has a tool call that is neither a function's nor a custom tool's.")
    return cast("list[JsonObject]", made)


def _require_translatable(item: JsonObject, at: str) -> None:
    """Refuse keys that a message of chat completions may have and an input item may not."""
    lost = [
        key
        for key, value in item.items()
        if value is not None and value != [] and key not in _TRANSLATED and key not in _NOT_IN_CHAT
    ]
    if lost:
        raise unsendable(f"{at} has {lost[0]!r}, which the Responses protocol has no place for.")


class _CallIds:
    """The ids of calls so far: which belong to custom tools, and those made up for the old form, which has none."""

    def __init__(self) -> None:
        self._custom: set[str] = set()
        self._old: dict[str, int] = {}

    def note(self, item: JsonObject) -> None:
        call_id = item.get("call_id")
        if item.get("type") == "custom_tool_call" and isinstance(call_id, str):
            self._custom.add(call_id)

    def next_old(self, name: JsonValue) -> str:
        """Return an id for a call of the old form."""
        key = str(name)
        self._old[key] = self._old.get(key, 0) + 1
        return f"call_{key}_{self._old[key]}"

    def answered_by(self, message: JsonObject) -> JsonObject:
        """Return type and call id of the output that a tool's message is."""
        if message["role"] == "function":
            key = str(message.get("name"))
            return {"type": "function_call_output", "call_id": f"call_{key}_{self._old.get(key, 1)}"}
        call_id = message.get("tool_call_id")
        is_custom = isinstance(call_id, str) and call_id in self._custom
        kind = "custom_tool_call_output" if is_custom else "function_call_output"
        return {"type": kind, "call_id": call_id}


def _inlined(item: JsonObject, files: FileLookup, at: str) -> JsonObject:
    """Return an input item with the ids of files in its output replaced by the files."""
    output = item.get("output")
    if item.get("type") in _OUTPUTS and isinstance(output, list):
        return {**item, "output": responses_content(output, "tool", files, at, audio=True)}
    return item


def _is_message(item: JsonObject) -> bool:
    kind = item.get("type")
    return kind is None or kind == "message"


def _says_something(reasoning: JsonObject) -> bool:
    return any(reasoning.get(key) for key in ("summary", "content", "encrypted_content"))


def _shown(item: JsonObject, dialect: Dialect) -> JsonObject:
    kind = item.get("type")
    if _is_message(item):
        shown: JsonObject = {
            "role": dialect.role(cast("str", item["role"])),
            "content": shown_content(item.get("content")) or shown_content(item.get("refusal")),
        }
        for key in ("tool_calls", "tool_call_id", "function_call"):
            if item.get(key) is not None:
                shown[key] = item[key]
        return shown
    if is_call(kind):
        return {"role": "assistant", "content": "", "tool_calls": [tool_call_of(item)]}
    if kind in _OUTPUTS:
        return {"role": "tool", "content": shown_content(item.get("output")), "tool_call_id": item.get("call_id")}
    if kind == "reasoning":
        return {"role": "assistant", "content": _thoughts(item)}
    return {"role": "tool" if str(kind).endswith("_output") else "assistant", "content": shown_object(item)}


def _thoughts(reasoning: JsonObject) -> str:
    """Return what a model showed of its reasoning."""
    parts = [part for key in ("summary", "content") for part in _listed(reasoning.get(key))]
    return " ".join(str(part["text"]) for part in parts if isinstance(part, dict) and "text" in part)


def _listed(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _named(value: JsonValue) -> str:
    if isinstance(value, dict):
        return "an object"
    return "an array" if isinstance(value, list) else jsontext.render(value)[:60]
