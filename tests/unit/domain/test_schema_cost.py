"""Facts about schemas that multiply their own checks."""

import pytest

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.schema_cost import is_too_costly
from evalhaven.domain.schemas import ItemSchema


def doubling(steps: int) -> JsonObject:
    """Return a schema of which each definition applies the next one twice."""
    definitions: JsonObject = {
        f"d{step}": {"allOf": [{"$ref": f"#/$defs/d{step + 1}"}, {"$ref": f"#/$defs/d{step + 1}"}]}
        for step in range(steps)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{steps}": {"type": "object"}}}


def test_a_schema_that_doubles_its_checks_is_refused_before_it_is_used() -> None:
    with pytest.raises(InvalidRequestError, match="applies more than 10,000 subschemas"):
        ItemSchema(doubling(40))


def test_the_same_below_a_property_is_refused_too() -> None:
    inner = doubling(40)
    schema: JsonObject = {"$defs": inner["$defs"], "properties": {"a": {"$ref": "#/$defs/d0"}}}

    assert is_too_costly(schema)


def test_modest_sharing_and_recursion_are_fine() -> None:
    tree: JsonObject = {
        "$defs": {"node": {"properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}}}},
        "$ref": "#/$defs/node",
    }

    assert not is_too_costly(tree)
    assert not is_too_costly(doubling(8))
    assert not is_too_costly({"$ref": "#"})
    assert not is_too_costly(True)
    assert ItemSchema(tree).is_valid({"left": {"right": {}}})
