"""The least JSON value that satisfies a schema, for answers that are made up."""

from collections import OrderedDict

from evalhaven.domain import jsontext
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.json_pointer import value_at
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.domain.schemas import ItemSchema

_DEEPEST = 32
_MOST_ITEMS = 100
_MOST_PARTS = 10_000
_LONGEST = 10_000
_RESULT = "result"
_SIMPLE: dict[str, JsonValue] = {"null": None, "boolean": False, "string": "", "integer": 0, "number": 0}
_KEYS_OF_OBJECTS = ("properties", "required")
_KEYS_OF_LISTS = ("items", "prefixItems", "minItems")
_KEYS_OF_NUMBERS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")


class SchemaAnswers:
    """Answers that satisfy schemas; it remembers those it has seen."""

    def __init__(self, most: int) -> None:
        """Remember up to `most` schemas."""
        self._most = most
        self._known: OrderedDict[str, tuple[ItemSchema, str]] = OrderedDict()

    def answer(self, schema: JsonObject, text: str) -> str:
        """Return a text if it is JSON that satisfies the schema, else the least value that does.

        A text that fits as the `result` of that value stands there.

        Raises:
            InvalidRequestError: The schema is not valid, or no value was found for it.
        """
        name = jsontext.render(schema)
        if name not in self._known:
            self._known[name] = _prepare(schema)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        self._known.move_to_end(name)
        compiled, least = self._known[name]
        value = _parsed(text)
        if value is not None and compiled.is_valid(value[0]):
            return text
        shell = jsontext.parse(least)
        if isinstance(shell, dict) and _RESULT in shell:
            for result in (*(value or ()), text):
                if compiled.is_valid({**shell, _RESULT: result}):
                    return jsontext.render({**shell, _RESULT: result})
        return least


def _parsed(text: str) -> tuple[JsonValue] | None:
    try:
        return (jsontext.parse_received(text),)
    except InvalidJsonError:
        return None


def _prepare(schema: JsonObject) -> tuple[ItemSchema, str]:
    compiled = ItemSchema(schema, "schema")
    least = _Instances(schema).make(schema, 0)
    if not compiled.is_valid(least):
        raise InvalidRequestError(
            "The scripted endpoint found no value for this schema; add a rule with an `answer` that satisfies it."
        )
    return compiled, jsontext.render(least)


class _Instances:
    """Makes values for the parts of one schema."""

    def __init__(self, root: JsonObject) -> None:
        self._root = root
        self._parts = 0

    def make(self, schema: JsonValue, depth: int) -> JsonValue:
        """Return a value that probably satisfies a schema.

        Raises:
            InvalidRequestError: The value would be too large.
        """
        self._parts += 1
        if self._parts > _MOST_PARTS:
            # A schema that requires itself twice would double at each level.
            raise InvalidRequestError(f"The scripted endpoint makes no value of more than {_MOST_PARTS:,} parts.")
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return None
        merged = self._merged(schema)
        if merged is not schema:
            return self.make(merged, depth + 1)
        options = [schema["const"]] if "const" in schema else schema.get("enum")
        return options[0] if isinstance(options, list) and options else self._of_type(schema, depth)

    def _of_type(self, schema: JsonObject, depth: int) -> JsonValue:
        kind = _type_of(schema)
        if kind == "object":
            return self._object(schema, depth)
        if kind == "array":
            return self._list(schema, depth)
        if kind in ("integer", "number"):
            return _number(schema, is_integer=kind == "integer")
        return "x" * min(_count(schema.get("minLength")), _LONGEST) if kind == "string" else _SIMPLE[kind]

    def _merged(self, schema: JsonObject) -> JsonObject:
        """Return a schema with what it refers to and the least of its alternatives put in."""
        parts: list[JsonValue] = []
        if isinstance(schema.get("$ref"), str):
            parts.append(value_at(self._root, str(schema["$ref"]).partition("#")[2]))
        every = schema.get("allOf")
        parts.extend(every if isinstance(every, list) else [])
        for key in ("anyOf", "oneOf"):
            alternatives = schema.get(key)
            if isinstance(alternatives, list) and alternatives:
                parts.append(min(alternatives, key=self._effort))
        found = [part for part in parts if isinstance(part, dict)]
        if not found:
            return schema
        own = {key: value for key, value in schema.items() if key not in ("$ref", "allOf", "anyOf", "oneOf")}
        merged: JsonObject = {}
        for part in (*found, own):
            merged = _joined(merged, part)
        return merged

    def _effort(self, schema: JsonValue) -> int:
        """Return how far a schema is from a plain value: one that refers back would never end."""
        if not isinstance(schema, dict):
            return 0
        if "const" in schema or "enum" in schema:
            return 0
        if "$ref" in schema:
            return 2
        return 1 if _type_of(schema) in ("object", "array") else 0

    def _object(self, schema: JsonObject, depth: int) -> JsonObject:
        properties = schema.get("properties")
        known = properties if isinstance(properties, dict) else {}
        required = schema.get("required")
        names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        return {name: self.make(known.get(name, {}), depth + 1) for name in names}

    def _list(self, schema: JsonObject, depth: int) -> list[JsonValue]:
        first = schema.get("prefixItems")
        schemas = list(first) if isinstance(first, list) else []
        count = min(_count(schema.get("minItems")), _MOST_ITEMS)
        schemas += [schema.get("items", {})] * (count - len(schemas))
        return [self.make(each, depth + 1) for each in schemas[:count]]


def _type_of(schema: JsonObject) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kinds = [each for each in kind if isinstance(each, str)]
        kind = "null" if "null" in kinds else next(iter(kinds), None)
    if isinstance(kind, str) and (kind in _SIMPLE or kind in ("object", "array")):
        return kind
    for keys, implied in ((_KEYS_OF_OBJECTS, "object"), (_KEYS_OF_LISTS, "array"), (_KEYS_OF_NUMBERS, "number")):
        if any(key in schema for key in keys):
            return implied
    return "string"


def _joined(first: JsonObject, second: JsonObject) -> JsonObject:
    """Return two schemas as one that asks for both, as far as objects go."""
    joined: JsonObject = {**first, **second}
    for key in ("properties", "$defs"):
        one, other = first.get(key), second.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            joined[key] = {**one, **other}
    one, other = first.get("required"), second.get("required")
    if isinstance(one, list) and isinstance(other, list):
        joined["required"] = [*one, *(name for name in other if name not in one)]
    return joined


def _number(schema: JsonObject, *, is_integer: bool) -> JsonValue:
    step = schema.get("multipleOf")
    unit = step if isinstance(step, int | float) and step > 0 else 1 if is_integer else 0
    bounds = [schema.get(key) for key in ("minimum", "exclusiveMinimum")]
    low = max((bound for bound in bounds if isinstance(bound, int | float)), default=None)
    highest = [schema.get(key) for key in ("maximum", "exclusiveMaximum")]
    high = min((bound for bound in highest if isinstance(bound, int | float)), default=None)
    value: int | float = 0
    if low is not None and low >= 0:
        value = low
    elif high is not None and high <= 0:
        value = high
    candidates: list[int | float] = [value]
    if unit:
        steps = int(value // unit)
        candidates += [steps * unit, (steps + 1) * unit, (steps - 1) * unit]
    elif low is not None and high is not None:
        candidates.append((low + high) / 2)
    candidates += [value + 1, value - 1]
    fitting = ItemSchema(schema, "schema")
    return next((_whole(each) for each in candidates if fitting.is_valid(_whole(each))), value)


def _whole(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value


def _count(value: JsonValue) -> int:
    return value if isinstance(value, int) and value > 0 else 0
