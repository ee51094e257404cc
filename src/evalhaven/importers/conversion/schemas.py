"""Which JSON Schemas a python grader can check by itself, without a library."""

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.importers.conversion.js_regex import to_python
from evalhaven.importers.conversion.made import ConversionError

_NOTES = frozenset(
    {"$schema", "$id", "title", "description", "default", "examples", "definitions", "$defs", "$comment"}
)
_SCHEMAS = frozenset({"not", "additionalProperties", "items"})
_LISTS = frozenset({"allOf", "anyOf", "oneOf"})
_MAPS = frozenset({"properties", "definitions", "$defs"})
_PLAIN = frozenset(
    {
        "$ref",
        "type",
        "enum",
        "const",
        "required",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
        "uniqueItems",
    }
)


def checked_schema(schema: JsonValue) -> JsonValue:
    """Return a schema whose patterns are Python's.

    Raises:
        ConversionError: It has a keyword that cannot be checked.
    """
    if isinstance(schema, str):
        raise ConversionError("its schema is a text; write it as an object")
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, dict):
        raise ConversionError("its schema is not an object")
    made: JsonObject = {}
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, dict):
            made[key] = {name: checked_schema(part) for name, part in value.items()}
        elif key in _LISTS and isinstance(value, list):
            made[key] = [checked_schema(part) for part in value]
        elif key in _SCHEMAS:
            made[key] = checked_schema(value)
        elif key == "pattern" and isinstance(value, str):
            made[key] = to_python(value)
        elif key == "$ref" and not (isinstance(value, str) and value.startswith("#")):
            raise ConversionError(f"its schema refers to {value!r}")
        elif key in _PLAIN:
            made[key] = value
        elif key not in _NOTES:
            raise ConversionError(f"its schema has {key!r}, which is not checked here")
    return made
