"""How many times a JSON Schema applies its parts to the same value.

A few hundred bytes can ask for billions of checks, with `$defs` that each apply the next one twice. Such a schema is
refused, because the validator can neither be interrupted nor share its thread.
"""

from evalhaven.domain.json_pointer import value_at
from evalhaven.domain.jsontext import JsonObject, JsonValue

MAX_APPLIED = 10_000

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("not", "if", "then", "else")


def is_too_costly(schema: JsonValue) -> bool:
    """Tell whether some part of a schema applies more than 10,000 subschemas to one value.

    The keywords that apply to the same value are counted: allOf, anyOf, oneOf, not, if, then, else,
    dependentSchemas and references inside the document. A reference that leads back to itself counts once.
    """
    counter = _Counter(schema)
    return any(counter.count(part, frozenset()) > MAX_APPLIED for part in _objects(schema))


def _objects(value: JsonValue) -> "list[JsonObject]":
    """Return every object in a document, outermost first."""
    found: list[JsonObject] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            found.append(each)
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return found


class _Counter:
    """Counts and remembers results, so that counting takes time linear in the size of the document."""

    def __init__(self, root: JsonValue) -> None:
        self._root = root
        self._known: dict[int, int] = {}

    def count(self, schema: JsonValue, above: frozenset[int]) -> int:
        """Return how many subschemas, itself included, a schema applies to one value; counting stops above the limit.

        Args:
            schema: The schema.
            above: The enclosing objects, which are being counted already.
        """
        if not isinstance(schema, dict) or id(schema) in above:
            return 1
        if id(schema) not in self._known:
            inner = above | {id(schema)}
            total = 1
            for part in self._applied(schema):
                total = min(total + self.count(part, inner), MAX_APPLIED + 1)
            self._known[id(schema)] = total
        return self._known[id(schema)]

    def _applied(self, schema: JsonObject) -> list[JsonValue]:
        parts: list[JsonValue] = [schema[key] for key in _SINGLE if key in schema]
        for key in _LISTS:
            each = schema.get(key)
            parts.extend(each if isinstance(each, list) else [])
        dependent = schema.get("dependentSchemas")
        parts.extend(dependent.values() if isinstance(dependent, dict) else [])
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            parts.append(value_at(self._root, reference[1:]))
        return parts
