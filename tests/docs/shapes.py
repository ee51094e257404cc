"""What a JSON Schema of an OpenAPI document lets through, in a form in which two documents can be compared."""

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

ANY_TAG = "*"
"""Tag of the objects of a union whose `type` is any value that no other member has."""

_FACTS = (
    *("format", "pattern", "minLength", "maxLength", "minimum", "maximum"),
    *("minItems", "maxItems", "maxProperties", "propertyNames"),
)


@dataclass
class Shape:
    """All that a value may be.

    Args:
        kinds: The JSON types other than object, each with its limits (`minimum`, `format`, …).
        enums: The strings it may be; None when any.
        objects: The objects that it may be, by the value of their `type`; "" for those without.
        items: What the elements of an array may be, as schemas.
        is_anything: Whether nothing at all is said.
        default: What an absent value counts as.
    """

    kinds: dict[str, Json] = field(default_factory=dict)
    enums: set[str] | None = field(default_factory=set)
    objects: dict[str, list["ObjectShape"]] = field(default_factory=dict[str, list["ObjectShape"]])
    items: list[Json] = field(default_factory=list)
    is_anything: bool = False
    default: Any = None


@dataclass
class ObjectShape:
    """One object; its fields are looked into when they are asked for, since schemas may be recursive.

    Args:
        name: The name of its schema, "" for one without.
        fields: The schemas of each field; several when objects of a union were put together.
        required: The fields that must be there.
        others: What fields beyond these may hold; empty when that is not said.
        limits: `maxProperties` and the like.
    """

    name: str
    fields: dict[str, list[Json]]
    required: set[str]
    others: list[Json] = field(default_factory=list)
    limits: Json = field(default_factory=dict)


class Schemas:
    """The schemas of one document."""

    def __init__(self, document: Json) -> None:
        self.document = document

    def resolve(self, value: Json) -> Json:
        """Return what a reference leads to, or the value itself."""
        while "$ref" in value:
            place: Any = self.document
            for step in value["$ref"].removeprefix("#/").split("/"):
                place = place[step.replace("~1", "/").replace("~0", "~")]
            value = place
        return value

    def shape(self, schemas: list[Json]) -> Shape:
        """Return what values of any of some schemas may be."""
        found = Shape()
        for schema in schemas:
            self._add(found, schema, "")
        return found

    def _add(self, found: Shape, schema: Json, name: str) -> None:
        if "$ref" in schema:
            self._add(found, self.resolve({"$ref": schema["$ref"]}), name or schema["$ref"].rpartition("/")[2])
            return
        if found.default is None:
            found.default = schema.get("default")
        members = schema.get("oneOf") or schema.get("anyOf")
        if members:
            for member in members:
                self._add(found, member, "")
            return
        if "allOf" in schema:
            schema = self._merged(schema)
        kinds = _kinds(schema)
        for kind in kinds:
            if kind == "object":
                self._add_object(found, schema, name)
            else:
                _add_kind(found, kind, schema)
        found.is_anything = found.is_anything or not kinds

    def _merged(self, schema: Json) -> Json:
        merged: Json = {"type": "object", "properties": {}, "required": []}
        for part in [*schema["allOf"], {key: value for key, value in schema.items() if key != "allOf"}]:
            resolved = self.resolve(part)
            whole = self._merged(resolved) if "allOf" in resolved else resolved
            merged["properties"] |= whole.get("properties", {})
            merged["required"] += whole.get("required", [])
        return merged

    def _add_object(self, found: Shape, schema: Json, name: str) -> None:
        fields = {key: [value] for key, value in schema.get("properties", {}).items()}
        others = schema.get("additionalProperties")
        new = ObjectShape(
            name,
            fields,
            set(schema.get("required", [])),
            [others] if isinstance(others, dict) and others else [],
            _facts(schema),
        )
        for tag in self._tags(new):
            found.objects.setdefault(tag, []).append(new)

    def _tags(self, shape: ObjectShape) -> list[str]:
        if "type" not in shape.required or "type" not in shape.fields:
            return [""]
        kind = self.resolve(shape.fields["type"][0])
        if "not" in kind:
            return [ANY_TAG]
        values = kind.get("enum") or ([kind["const"]] if "const" in kind else [])
        return values or [""]


def _kinds(schema: Json) -> list[str]:
    kinds = schema.get("type")
    if kinds is not None:
        return [kinds] if isinstance(kinds, str) else kinds
    if "properties" in schema:
        return ["object"]
    return ["string"] if "enum" in schema or "const" in schema else []


def _add_kind(found: Shape, kind: str, schema: Json) -> None:
    found.kinds[kind] = found.kinds.get(kind, {}) | _facts(schema)
    if kind == "array":
        found.items.append(schema.get("items", {}))
    if kind == "string":
        values = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
        found.enums = None if values is None or found.enums is None else found.enums | set(values)


def _facts(schema: Json) -> Json:
    return {key: schema[key] for key in _FACTS if key in schema}


def united(one: ObjectShape, other: ObjectShape) -> ObjectShape:
    """Return the object that is either of two."""
    fields = {key: [*one.fields.get(key, []), *other.fields.get(key, [])] for key in [*one.fields, *other.fields]}
    return ObjectShape(
        one.name or other.name,
        fields,
        one.required & other.required,
        [*one.others, *other.others],
        one.limits | other.limits,
    )
