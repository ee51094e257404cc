"""Tool definitions and tool choices in the form of either protocol."""

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.sampling.messages.making import UnsupportedRequestError

_FUNCTION_KEYS = frozenset({"type", "name", "description", "parameters", "strict"})
_CUSTOM_KEYS = frozenset({"type", "name", "description", "format"})


def chat_tool(tool: JsonObject, number: int, *, is_translated: bool) -> JsonObject:
    """Return a tool for chat completions.

    Args:
        tool: In either form; of any type.
        number: Its 0-based place among the tools.
        is_translated: Whether it was meant for the Responses protocol; if so, types other than functions and
            custom tools are refused; otherwise they are passed on.

    Raises:
        UnsupportedRequestError: Chat completions have no such tool.
    """
    kind = tool.get("type")
    if kind == "function":
        if isinstance(tool.get("function"), dict):
            return tool
        _require_known(tool, _FUNCTION_KEYS, number)
        return {"type": "function", "function": _set_of(tool, ("name", "description", "parameters", "strict"))}
    if kind == "custom" and not isinstance(tool.get("custom"), dict):
        _require_known(tool, _CUSTOM_KEYS, number)
        custom = _set_of(tool, ("name", "description", "format"))
        grammar = custom.get("format")
        if isinstance(grammar, dict) and grammar.get("type") == "grammar" and "grammar" not in grammar:
            rules: JsonObject = {key: value for key, value in grammar.items() if key != "type"}
            custom["format"] = {"type": "grammar", "grammar": rules}
        return {"type": "custom", "custom": custom}
    if is_translated and kind != "custom":
        raise UnsupportedRequestError(
            f"A tool of type {kind!r} runs within the Responses protocol; chat completions have functions and custom "
            "tools only. Use an endpoint that has the Responses protocol, or leave the tool out.",
            "sampling_params",
            "tools",
            number,
        )
    return tool


def responses_tool(tool: JsonObject) -> JsonObject:
    """Return a tool for the Responses protocol; what is in its form already stays as it is.

    In chat completions a function is not strict unless it says so; in Responses it is by default. So it is stated.
    """
    function, custom = tool.get("function"), tool.get("custom")
    if tool.get("type") == "function" and isinstance(function, dict):
        form: JsonObject = {"strict": False, "parameters": None}
        return {"type": "function", **form, **_set_of(function, function)}
    if tool.get("type") == "custom" and isinstance(custom, dict):
        form = _set_of(custom, custom)
        grammar = form.get("format")
        rules = grammar.get("grammar") if isinstance(grammar, dict) else None
        if isinstance(rules, dict):
            form["format"] = {"type": "grammar", **rules}
        return {"type": "custom", **form}
    return tool


def chat_tool_choice(choice: JsonValue, *, is_translated: bool) -> JsonValue:
    """Return a tool choice for chat completions.

    Raises:
        UnsupportedRequestError: Chat completions have no such choice.
    """
    if not isinstance(choice, dict):
        return choice
    kind = choice.get("type")
    if kind in ("function", "custom"):
        return choice if "name" not in choice else {"type": kind, str(kind): {"name": choice["name"]}}
    if kind == "allowed_tools":
        inner = choice.get("allowed_tools")
        allowed: JsonObject = inner if isinstance(inner, dict) else _set_of(choice, ("mode", "tools"))
        tools = allowed.get("tools")
        if isinstance(tools, list):
            named: JsonValue = [chat_tool_choice(tool, is_translated=is_translated) for tool in tools]
            allowed = {**allowed, "tools": named}
        return {"type": kind, "allowed_tools": allowed}
    if is_translated:
        raise UnsupportedRequestError(
            f"The tool choice {kind!r} belongs to the Responses protocol; chat completions have none like it.",
            "sampling_params",
            "tool_choice",
        )
    return choice


def responses_tool_choice(choice: JsonValue) -> JsonValue:
    """Return a tool choice for the Responses protocol; what is in its form already stays as it is."""
    if not isinstance(choice, dict):
        return choice
    kind = choice.get("type")
    inner = choice.get(str(kind))
    if kind in ("function", "custom") and isinstance(inner, dict):
        return {"type": kind, "name": inner.get("name")}
    if kind == "allowed_tools":
        allowed = inner if isinstance(inner, dict) else choice
        tools = allowed.get("tools")
        named = [responses_tool_choice(tool) for tool in tools] if isinstance(tools, list) else tools
        return {"type": kind, "mode": allowed.get("mode"), "tools": named}
    return choice


def without_strict(tool: JsonObject) -> JsonObject:
    """Return a function without its demand for a strict schema."""
    function = tool.get("function")
    if isinstance(function, dict):
        return {**tool, "function": {key: value for key, value in function.items() if key != "strict"}}
    return {key: value for key, value in tool.items() if key != "strict"}


def is_strict(tool: JsonObject) -> bool:
    """Tell whether a function demands a strict schema."""
    function = tool.get("function")
    return bool((function if isinstance(function, dict) else tool).get("strict"))


def _set_of(given: JsonObject, keys: "JsonObject | tuple[str, ...]") -> JsonObject:
    """Return the keys that have a value."""
    return {key: given[key] for key in keys if given.get(key) is not None}


def _require_known(tool: JsonObject, known: frozenset[str], number: int) -> None:
    lost = [key for key, value in tool.items() if key not in known and value not in (None, False)]
    if lost:
        raise UnsupportedRequestError(
            f"The tool {tool.get('name')!r} has {lost[0]!r}, which chat completions have no place for. Use an endpoint "
            "that has the Responses protocol, or leave it out.",
            "sampling_params",
            "tools",
            number,
            lost[0],
        )
