"""Item schemas read loosely: a schema that declares every leaf a string means any scalar.

Widely used programs derive a schema from column names alone, so that every leaf is a `string`, and then send
booleans, numbers and nulls.
"""

from typing import cast

from evalhaven.domain.jsontext import JsonObject, JsonValue

_TAKEN_FOR_STRINGS = ("boolean", "number", "null")
_NOT_LOOSE = frozenset({"enum", "const", "pattern"})
_WITHOUT_SCALARS = ["string", "array", "object"]
# Only parts that a valid value must satisfy: inside `not`, `if` and `contains` a wider type could refuse more.
_ONE = frozenset({"additionalItems", "additionalProperties", "else", "items", "then"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"})


def loosened(schema: JsonValue) -> JsonValue:
    """Return a schema that accepts booleans, numbers and nulls wherever the given one declares a string.

    A place with an `enum`, a `const` or a `pattern` stays as it is.
    """
    if not isinstance(schema, dict):
        return schema
    loose: JsonObject = {key: _loosened_member(key, value) for key, value in schema.items()}
    kind = schema.get("type")
    kinds = [kind] if isinstance(kind, str) else kind
    if isinstance(kinds, list) and "string" in kinds and not schema.keys() & _NOT_LOOSE:
        loose["type"] = list(dict.fromkeys(cast("list[JsonValue]", [*kinds, *_TAKEN_FOR_STRINGS])))
    elif kinds is None and "pattern" in schema:
        # Another subschema may declare the type; a pattern by itself accepts every value that is not a string.
        loose["type"] = list[JsonValue](_WITHOUT_SCALARS)
    alternatives = loose.pop("oneOf", None)
    if alternatives is not None:
        # Wider alternatives overlap, so more than one may fit.
        others = loose.get("allOf")
        loose["allOf"] = [*(others if isinstance(others, list) else []), {"anyOf": alternatives}]
    return loose


def _loosened_member(key: str, value: JsonValue) -> JsonValue:
    if key in _LISTS and isinstance(value, list):
        return [loosened(each) for each in value]
    if key in _NAMED and isinstance(value, dict):
        return {name: loosened(each) for name, each in value.items()}
    return loosened(value) if key in _ONE else value
