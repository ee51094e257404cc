"""Facts about item schemas: valid, offline, bounded, and plain about what is wrong."""

import time
from typing import Any

import pytest

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import parse
from evalhaven.domain.schemas import ItemSchema

LABELED = ItemSchema(
    {
        "type": "object",
        "properties": {"label": {"type": "string"}, "tags": {"type": "array", "items": {"type": "integer"}}},
        "required": ["label"],
    }
)


def nested(levels: int) -> Any:
    """Return an object with that many levels."""
    return parse('{"a":' * levels + "1" + "}" * levels)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://schemas.invalid/a.json"},
        {"$ref": "https://schemas.invalid/a.json#/x"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "other.json"},
        {"$ref": "urn:uuid:ee564b8a-7a87-4125-8c96-e9f123d6766f"},
        {"properties": {"a": {"items": {"$ref": "file:///proc/self/environ"}}}},
        {"$schema": "http://schemas.invalid/draft"},
        {"$schema": "file:///etc/passwd"},
        {"$schema": "urn:x"},
        {"$dynamicRef": "http://schemas.invalid/a.json"},
        {"$id": "http://schemas.invalid/root.json", "$ref": "leaf.json"},
    ],
)
def test_schemas_outside_are_never_fetched(schema: Any) -> None:
    with pytest.raises(InvalidRequestError, match=r"outside itself, which is never fetched.*'\$defs'") as refusal:
        ItemSchema(schema)

    assert refusal.value.param == "data_source_config.item_schema"


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}},
        {"$id": "http://schemas.invalid/root.json", "$ref": "#/$defs/a", "$defs": {"a": True}},
        {"properties": {"child": {"$ref": "#"}}},
        {"allOf": [{"$ref": "#"}]},
        True,
        {},
    ],
)
def test_schemas_that_refer_to_themselves_or_to_a_known_draft_are_fine(schema: Any) -> None:
    assert ItemSchema(schema).is_valid({"child": {}})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strin"},
        {"type": 5},
        {"properties": []},
        {"pattern": "("},
        {"minLength": -1},
        {"multipleOf": 0},
        {"$ref": "#/$defs/none"},
        {"$ref": 5},
        {"$id": "not a uri %%"},
        {"enum": ["\ud800"]},
        {"properties": {"\ud800": {}}},
        5,
        None,
        "object",
        nested(400) | {"type": "strin"},
    ],
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(InvalidRequestError, match="is not a valid JSON Schema"):
        ItemSchema(schema)


def test_problems_name_json_pointers() -> None:
    assert list(LABELED.problems({"label": 5, "tags": [1, "x"]})) == [
        '/label: 5 is not of type "string"',
        '/tags/1: "x" is not of type "integer"',
    ]
    assert list(LABELED.problems({})) == ['(item): "label" is a required property']
    assert list(LABELED.problems({"label": ""})) == []


def test_pointers_are_escaped() -> None:
    schema = ItemSchema({"properties": {"a/b~c": {"type": "string"}}})

    assert list(schema.problems({"a/b~c": 1})) == ['/a~1b~0c: 1 is not of type "string"']


def test_problems_are_few_and_short() -> None:
    item: Any = {"label": "", "tags": ["x" * 10_000] * 100}
    problems = list(LABELED.problems(item))

    assert len(problems) == 4
    assert problems[-1] == "and more"
    assert max(map(len, problems)) < 250


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(x+x+)+y", "^(a|aa)+$", "^(?=(a+)+b)", "(.*)*\\1b"])
def test_catastrophic_patterns_end_quickly(pattern: str) -> None:
    schema = ItemSchema({"properties": {"a": {"type": "string", "pattern": pattern}}})
    item: Any = {"a": "ax" * 20 + "a" * 40 + "!"}
    started = time.perf_counter()

    assert not schema.is_valid(item)
    assert list(schema.problems(item))
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    "item", [{"label": "\ud800"}, {"label": "", "\ud800": "\udfff"}, {"label": "", "x": ["\ud800"]}]
)
def test_items_with_lone_surrogates_can_be_checked(item: Any) -> None:
    closed = ItemSchema({"properties": {"label": {"maxLength": 1}}, "additionalProperties": {"type": "integer"}})

    assert LABELED.is_valid(item)
    assert closed.is_valid(item) == (list(closed.problems(item)) == []) == (len(item) == 1)


def test_a_lone_surrogate_is_one_character() -> None:
    assert ItemSchema({"properties": {"a": {"maxLength": 1, "minLength": 1}}}).is_valid({"a": "\ud800"})


@pytest.mark.parametrize(
    "schema", [{"type": "object", "properties": {"a": {"$ref": "#"}}}, {"type": "array"}, {"const": {}}]
)
def test_items_deeper_than_the_validator_goes_do_not_pass_by_accident(schema: Any) -> None:
    checked = ItemSchema(schema)

    assert not checked.is_valid(nested(500))
    assert list(checked.problems(nested(500)))


def test_numbers_of_any_size_are_compared_exactly() -> None:
    schema = ItemSchema({"properties": {"a": {"type": "integer", "maximum": 2**64}}})

    assert schema.is_valid({"a": 2**64})
    assert not schema.is_valid({"a": 2**64 + 1})


@pytest.mark.parametrize(("wrong", "told"), [(3, 3), (4, 4), (50, 4)])
def test_some_of_many_problems_are_named_and_that_there_are_more(wrong: int, told: int) -> None:
    schema = ItemSchema({"properties": {f"n{number}": {"type": "integer"} for number in range(wrong)}})
    problems = list(schema.problems({f"n{number}": "x" for number in range(wrong)}))

    assert len(problems) == told
    assert (problems[-1] == "and more") == (wrong > 3)


STRING: Any = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (STRING, True),
        (STRING, 1),
        (STRING, 1.5),
        (STRING, None),
        ({"type": ["string", "null"]}, False),
        ({"type": ["string"], "minLength": 3}, 7),
        ({"anyOf": [STRING, {"type": "null"}]}, 5),
        ({"oneOf": [STRING, {"type": "integer"}]}, 1.5),
        ({"allOf": [STRING, {"description": "x"}]}, 1),
        ({"$ref": "#/$defs/s"}, True),
        ({"type": "array", "items": STRING}, ["x", 1, None]),
        ({"type": "object", "additionalProperties": STRING}, {"k": {}.get("k")}),
        ({"type": "object", "patternProperties": {"^k": STRING}}, {"k": 1}),
    ],
)
def test_scalars_pass_for_strings_where_a_schema_is_read_loosely(schema: Any, value: Any) -> None:
    compiled = ItemSchema({"properties": {"n": {"type": "integer"}, "a": schema}, "$defs": {"s": STRING}})

    assert not compiled.is_valid({"n": 1, "a": value})
    assert compiled.is_loosely_valid({"n": 1, "a": value})
    assert not compiled.is_loosely_valid({"n": "1", "a": value}), "it is not the only kind of fault"
    assert compiled.first_fault({"n": 1, "a": value}).startswith("/a")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (STRING, []),
        (STRING, {}),
        ({"type": "integer"}, "1"),
        ({"type": "integer"}, True),
        ({"type": "boolean"}, None),
        ({"type": "object"}, None),
        ({"type": ["integer", "null"]}, True),
        ({"type": "string", "enum": ["a", 1]}, 1),
        ({"type": "string", "const": 1}, 1),
        ({"type": "string", "pattern": ".*"}, 1),
        ({"allOf": [STRING, {"pattern": ".*"}]}, 1),
        ({"$ref": "#/$defs/s", "pattern": ".*"}, 1),
        ({"type": "string", "not": {"type": "number"}}, 1),
        ({"not": STRING}, "x"),
    ],
)
def test_whatever_else_is_wrong_stays_wrong(schema: Any, value: Any) -> None:
    compiled = ItemSchema({"properties": {"a": schema}, "$defs": {"s": STRING}})

    assert not compiled.is_valid({"a": value})
    assert not compiled.is_loosely_valid({"a": value})


def test_a_missing_property_stays_missing_when_read_loosely() -> None:
    compiled = ItemSchema({"properties": {"a": STRING}, "required": ["a", "b"]})

    assert not compiled.is_loosely_valid({"a": 1})
    assert compiled.is_loosely_valid({"a": 1, "b": 1})


def test_a_schema_whose_references_cannot_be_kept_is_read_strictly_only() -> None:
    compiled = ItemSchema({"properties": {"a": {"oneOf": [STRING]}, "b": {"$ref": "#/properties/a/oneOf/0"}}})

    assert compiled.is_valid({"b": "x"})
    assert not compiled.is_loosely_valid({"b": 1})


def test_odd_text_can_be_read_loosely() -> None:
    compiled = ItemSchema({"properties": {"a": STRING}})

    assert compiled.is_loosely_valid({"a": 1, "\ud800": "\ud800"})
    assert compiled.first_fault({"a": 1, "\ud800": "\ud800"}) == "/a"
