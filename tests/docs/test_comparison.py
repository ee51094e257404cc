"""The comparison of two OpenAPI documents sees each kind of difference, and none where there is none."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.docs.comparison import compare

Json = dict[str, Any]

TOOL = {
    "oneOf": [
        {"type": "object", "properties": {"type": {"enum": ["a"]}, "x": {"type": "string"}}, "required": ["type"]},
        {"type": "object", "properties": {"type": {"enum": ["b"]}}, "required": ["type"]},
    ]
}
THING: Json = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "size": {"type": "integer", "minimum": 1},
        "state": {"type": "string", "enum": ["on", "off"]},
        "tools": {"type": "array", "items": TOOL},
        "inner": {"type": "object", "properties": {"deep": {"anyOf": [{"type": "number"}, {"type": "null"}]}}},
        "again": {"$ref": "#/components/schemas/Thing"},
    },
    "required": ["id"],
}


def document(prefix: str = "") -> Json:
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}}
    operation: Json = {
        "operationId": "getThing",
        "parameters": [{"name": "limit", "in": "query", "required": False, "schema": {"type": "integer"}}],
        "responses": {"200": answer},
    }
    made: Json = {"paths": {f"{prefix}/things": {"get": operation}}, "components": {"schemas": {"Thing": THING}}}
    return copy.deepcopy(made)


def fields(own: Json) -> Json:
    return own["components"]["schemas"]["Thing"]["properties"]


def operation(own: Json) -> Json:
    return own["paths"]["/v1/things"]["get"]


def test_equal_documents_do_not_differ() -> None:
    found = compare([document()], document("/v1"))

    assert found.differences == {}
    assert list(found.objects["Thing"]) == ["id", "size", "state", "tools", "inner", "again", *_INNER]


_INNER = ["tools[]<a>.type", "tools[]<a>.x", "tools[]<b>.type", "inner.deep"]

CHANGES: list[tuple[str, Callable[[Json], Any]]] = [
    ("Thing.id: not described", lambda own: fields(own).pop("id")),
    ("Thing.more: added", lambda own: fields(own).update(more={})),
    ("Thing.id: null added", lambda own: fields(own).update(id={"anyOf": [{"type": "string"}, {"type": "null"}]})),
    (
        "Thing.inner.deep: null not taken",
        lambda own: fields(own)["inner"]["properties"].update(deep={"type": "number"}),
    ),
    ("Thing.id: integer added", lambda own: fields(own).update(id={"type": ["string", "integer"]})),
    ("Thing.id: anything", lambda own: fields(own).update(id={})),
    ("Thing.size: minimum None instead of 1", lambda own: fields(own)["size"].pop("minimum")),
    ("Thing.size: default 3 instead of None", lambda own: fields(own)["size"].update(default=3)),
    ("Thing.state: value half added", lambda own: fields(own)["state"]["enum"].append("half")),
    ("Thing.state: value on not taken", lambda own: fields(own)["state"]["enum"].remove("on")),
    ("Thing.state: any string", lambda own: fields(own)["state"].pop("enum")),
    ("Thing.id: only a", lambda own: fields(own)["id"].update(const="a")),
    ("Thing.tools[]<b>: not taken", lambda own: fields(own)["tools"]["items"]["oneOf"].pop()),
    ("Thing.tools[]<a>.x: not described", lambda own: fields(own)["tools"]["items"]["oneOf"][0]["properties"].pop("x")),
    ("Thing.id: optional", lambda own: own["components"]["schemas"]["Thing"]["required"].clear()),
    ("Thing.size: required", lambda own: own["components"]["schemas"]["Thing"]["required"].append("size")),
    ("getThing query limit: not described", lambda own: operation(own)["parameters"].clear()),
    ("getThing query limit: required", lambda own: operation(own)["parameters"][0].update(required=True)),
    ("getThing 404: added", lambda own: operation(own)["responses"].update({"404": {"content": {}}})),
    ("getThing 200: not described", lambda own: operation(own)["responses"].pop("200")),
    ("getThing body: added", lambda own: operation(own).update(requestBody={})),
    ("getThing: not served", lambda own: own["paths"].clear()),
    ("other: operation added", lambda own: own["paths"].update({"/x": {"get": {"operationId": "other"}}})),
]


@pytest.mark.parametrize(("difference", "change"), CHANGES, ids=[each for each, _ in CHANGES])
def test_a_change_is_one_difference(difference: str, change: Callable[[Json], Any]) -> None:
    own = document("/v1")
    change(own)

    assert list(compare([document()], own).differences) == [difference]


def test_members_of_a_union_and_of_allof_are_put_together() -> None:
    own = document("/v1")
    whole = own["components"]["schemas"]["Thing"]
    parts = [{"type": "object", "properties": {each: schema}} for each, schema in whole["properties"].items()]
    own["components"]["schemas"]["Thing"] = {"allOf": [*parts, {"type": "object", "required": ["id"]}]}

    assert compare([document()], own).differences == {}


def test_a_type_that_takes_any_other_value_passes_the_rest_on() -> None:
    own = document("/v1")
    other = {"type": "string", "not": {"enum": ["a"]}}
    fields(own)["tools"]["items"]["oneOf"][1] = {"properties": {"type": other}, "required": ["type"]}

    assert list(compare([document()], own).differences) == [
        "Thing.tools[]<b>: passed on, not described",
        "Thing.tools[]<*>: any other type",
    ]
