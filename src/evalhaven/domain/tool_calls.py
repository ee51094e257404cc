"""Tool calls: output items of the Responses protocol converted to the form of chat completions, and back."""

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue

# The client would have to execute or approve these; the other calls ran inside the endpoint.
_LEFT_TO_THE_CLIENT = frozenset(
    {
        "function_call",
        "custom_tool_call",
        "computer_call",
        "local_shell_call",
        "shell_call",
        "apply_patch_call",
        "mcp_approval_request",
    }
)
_REQUESTS = frozenset({"mcp_approval_request"})
_ARGUMENTS = {  # the keys of an item that say what is called for; if there is only one, its value is used
    "computer_call": ("action", "actions"),
    "local_shell_call": ("action",),
    "shell_call": ("action",),
    "apply_patch_call": ("operation",),
    "web_search_call": ("action",),
    "file_search_call": ("queries",),
    "code_interpreter_call": ("code", "container_id"),
    "image_generation_call": ("action", "background", "output_format", "quality", "revised_prompt", "size"),
}
_NOT_ARGUMENTS = frozenset({"id", "call_id", "type", "status", "output", "outputs", "result", "results", "error"})
_WRAPPED = frozenset({"file_search_call", "code_interpreter_call", "image_generation_call"})


def is_call(kind: JsonValue) -> bool:
    """Tell whether an output item of this type is a tool call."""
    return isinstance(kind, str) and (kind.endswith("_call") or kind in _REQUESTS)


def is_left_to_client(kind: JsonValue) -> bool:
    """Tell whether a call of this type waits for the client."""
    return kind in _LEFT_TO_THE_CLIENT


def tool_call_of(item: JsonObject) -> JsonObject:
    """Return a call in the form of chat completions.

    Functions and custom tools have their own form there. Any other call gets the form of a function, with the item's
    type without `_call` as its `type`, and what it asks for as JSON text in `arguments`.

    Args:
        item: An output item for which `is_call` holds.
    """
    kind = _text(item.get("type"))
    call_id = _text(item.get("call_id")) or _text(item.get("id"))
    if kind == "function_call":
        return {"id": call_id, "type": "function", "function": _function(item.get("name"), item.get("arguments"))}
    if kind == "custom_tool_call":
        return {
            "id": call_id,
            "type": "custom",
            "custom": {"name": _text(item.get("name")), "input": _text(item.get("input"))},
        }
    short = kind.removesuffix("_call")
    arguments = item["arguments"] if "arguments" in item else _arguments_of(kind, item)
    call: JsonObject = {"id": call_id, "type": short, "function": _function(item.get("name") or short, arguments)}
    if isinstance(item.get("server_label"), str):
        call["server_label"] = item["server_label"]
    return call


def call_item_of(call: JsonObject) -> JsonObject | None:
    """Return a function or custom call of chat completions as an input item; None for any other."""
    call_id = call.get("id")
    function = call.get("function")
    if isinstance(function, dict) and call.get("type", "function") == "function":
        form = _function(function.get("name"), function.get("arguments"))
        return {"type": "function_call", "call_id": call_id, **form}
    custom = call.get("custom")
    if isinstance(custom, dict):
        return {
            "type": "custom_tool_call",
            "call_id": call_id,
            "name": _text(custom.get("name")),
            "input": _text(custom.get("input")),
        }
    return None


def _function(name: JsonValue, arguments: JsonValue) -> JsonObject:
    """Return name and arguments; some servers send arguments as an object, which becomes JSON text."""
    text = arguments if isinstance(arguments, str) else "" if arguments is None else jsontext.render(arguments)
    return {"name": _text(name), "arguments": text}


def _arguments_of(kind: str, item: JsonObject) -> JsonValue:
    names = _ARGUMENTS.get(kind)
    if names is None:
        return {key: value for key, value in item.items() if key not in _NOT_ARGUMENTS}
    given: JsonObject = {name: item[name] for name in names if item.get(name) is not None}
    if kind not in _WRAPPED and len(given) == 1:
        return next(iter(given.values()))
    return given


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
