"""The secrets of tools: what authenticates a tool where a request or its echo describes it."""

from collections.abc import Iterator

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.masking import MASK

SECRET_KEYS = frozenset({"authorization", "headers", "domain_secrets"})
_RENDERED_TOOLS = '"tools":'
_RENDERED_KEYS = tuple(f'"{key}":' for key in sorted(SECRET_KEYS))


def may_hold_secrets(text: str) -> bool:
    """Tell whether `masked` may change a document, by the text that `jsontext.render` made of it."""
    # Within a string, the quotes before the colon would have a backslash.
    return _RENDERED_TOOLS in text and any(key in text for key in _RENDERED_KEYS)


def masked(document: JsonObject) -> JsonObject:
    """Return a document with the secrets of each tool in it masked, wherever its `tools` are."""
    return {
        key: masked_tools(member) if key == "tools" and isinstance(member, list) else _with_masked_tools(member)
        for key, member in document.items()
    }


def masked_tools(tools: list[JsonValue]) -> list[JsonValue]:
    """Return tools with their secrets masked."""
    return [_masked_tool(tool) for tool in tools]


def secrets_of(tools: list[JsonValue]) -> list[str]:
    """Return every text in tools that is masked in answers."""
    return [text for tool in tools if _may_hold_secrets(tool) for text in _secret_texts(tool)]


def secrets_in(value: JsonValue) -> list[str]:
    """Return every text that `masked` would mask in a document."""
    return list(_secrets_in(value))


def _secrets_in(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            if key == "tools" and isinstance(member, list):
                yield from secrets_of(member)
            else:
                yield from _secrets_in(member)
    elif isinstance(value, list):
        for element in value:
            yield from _secrets_in(element)


def _with_masked_tools(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return masked(value)
    return [_with_masked_tools(element) for element in value] if isinstance(value, list) else value


def _may_hold_secrets(tool: JsonValue) -> bool:
    # The parameters of a function are a schema, whose keys the user chose.
    return not (isinstance(tool, dict) and tool.get("type") == "function")


def _masked_tool(tool: JsonValue) -> JsonValue:
    return _masked_members(tool) if _may_hold_secrets(tool) else tool


def _masked_members(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {
            key: _masked_secret(key, member) if key in SECRET_KEYS else _masked_members(member)
            for key, member in value.items()
        }
    return [_masked_members(element) for element in value] if isinstance(value, list) else value


def _masked_secret(key: str, secret: JsonValue) -> JsonValue:
    if secret is None:
        return None
    if key == "headers" and isinstance(secret, dict):
        return dict.fromkeys(secret, MASK)
    if key == "domain_secrets" and isinstance(secret, list):
        return [{**each, "value": MASK} if isinstance(each, dict) else MASK for each in secret]
    return MASK


def _secret_texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            if key == "domain_secrets" and isinstance(member, list):
                for each in member:
                    yield from _texts(each.get("value") if isinstance(each, dict) else each)
            elif key in SECRET_KEYS:
                yield from _texts(member)
            else:
                yield from _secret_texts(member)
    elif isinstance(value, list):
        for element in value:
            yield from _secret_texts(element)


def _texts(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts(member)
