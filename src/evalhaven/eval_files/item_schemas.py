"""The JSON Schema that the items of a file's data satisfy."""

from collections.abc import Iterable

from evalhaven.domain.jsontext import JsonObject, JsonValue

_MOST_KEYS = 1000
_TYPES = (
    (bool, "boolean"),
    (str, "string"),
    (int, "integer"),
    (float, "number"),
    (list, "array"),
    (dict, "object"),
)
_ORDER = ("string", "integer", "number", "boolean", "object", "array", "null")


def derive_item_schema(items: Iterable[JsonObject]) -> JsonObject:
    """Return a schema with the types of each key; a key is required if every item has it.

    It is closed, so that a template that names another key is refused.

    Args:
        items: All items.
    """
    types: dict[str, set[str]] = {}
    seen: dict[str, int] = {}
    count = 0
    for item in items:
        count += 1
        for key, value in item.items():
            types.setdefault(key, set()).add(_type_of(value))
            seen[key] = seen.get(key, 0) + 1
    if len(types) > _MOST_KEYS:  # keys are data here
        return {"type": "object"}
    properties: JsonObject = {key: {"type": _declared(found)} for key, found in types.items()}
    required: list[JsonValue] = [key for key, times in seen.items() if times == count]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _declared(found: set[str]) -> JsonValue:
    if "number" in found:
        found = found - {"integer"}
    ordered: list[JsonValue] = [each for each in _ORDER if each in found]
    return ordered[0] if len(ordered) == 1 else ordered


def _type_of(value: JsonValue) -> str:
    # To isinstance, a boolean is an integer.
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "null")
