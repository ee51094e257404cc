"""Facts about the words for what differs between two versions of an eval."""

from typing import Any

import pytest

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.eval_changes import changes_between
from evalhaven.domain.evals import DataSourceConfig, Eval
from evalhaven.domain.ids import EvalId

CHECK = {"type": "string_check", "name": "right", "input": "a", "reference": "b", "operation": "eq"}
FIELDS = {"a": {"type": "string"}, "b": {}}


def version(
    *criteria: dict[str, Any], item: dict[str, Any] | None = None, config: dict[str, Any] | None = None
) -> Eval:
    """Return an eval; criteria get ids of their own, as each eval gives them."""
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"item": item or {"type": "object", "properties": FIELDS}},
    }
    identified = [{**each, "id": f"{each['name']}-{len(criteria)}-{n}"} for n, each in enumerate(criteria)]
    return Eval(
        EvalId("eval_1"), 1, 1, "n", {}, DataSourceConfig(config or {"type": "custom", "schema": schema}),
        Criteria(identified),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ([CHECK], [CHECK], []),
        ([CHECK], [dict(reversed(CHECK.items()))], []),
        ([CHECK, {**CHECK, "name": "x", "input": "c"}], [{**CHECK, "name": "x", "input": "c"}, CHECK], []),
        ([CHECK], [{**CHECK, "input": "c", "reference": "d"}], ["criterion 'right' differs in 'input', 'reference'"]),
        ([CHECK], [{**CHECK, "extra": None}], ["criterion 'right' differs in 'extra'"]),
        ([CHECK], [{**CHECK, "name": "correct"}], ["criterion 'right' is called 'correct' now"]),
        ([CHECK], [CHECK, CHECK], ["criterion 'right (2)' is new"]),
        ([CHECK], [], ["criterion 'right' is gone"]),
        ([CHECK], [{**CHECK, "name": "e\x1b" * 40, "input": "c"}],
         [f"criterion '{'e' + chr(92) + 'x1b'}{('e' + chr(92) + 'x1b') * 28}e…' is new", "criterion 'right' is gone"]),
    ],
)  # fmt: skip
def test_criteria_are_compared_by_name(
    before: list[dict[str, Any]], after: list[dict[str, Any]], changes: list[str]
) -> None:
    assert changes_between(version(*before), version(*after)) == changes


@pytest.mark.parametrize(
    ("item", "changes"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}, "b": {}, "c": {}}}, ["items have a new field 'c'"]),
        ({"type": "object", "properties": {"b": {}}}, ["field 'a' of items is gone"]),
        ({"type": "object", "properties": {"a": {}, "b": {}}}, ["field 'a' of items is described differently"]),
        ({"type": "object", "properties": FIELDS, "required": ["b"]}, ["field 'b' of items is required now"]),
        ({"type": "object", "properties": FIELDS, "additionalProperties": False}, ["the shape of items differs"]),
    ],
)
def test_items_are_compared_by_field(item: dict[str, Any], changes: list[str]) -> None:
    assert changes_between(version(CHECK), version(CHECK, item=item)) == changes


def test_what_becomes_optional_and_where_items_come_from_is_told() -> None:
    strict = {"type": "object", "properties": FIELDS, "required": ["a"]}
    logs = {"type": "logs", "schema": {}, "metadata": {"k": "1"}}

    assert changes_between(version(item=strict), version()) == ["field 'a' of items is optional now"]
    assert changes_between(version(), version(config=logs)) == ["items come from logs instead of custom"]
    assert changes_between(version(config=logs), version(config={**logs, "metadata": {"k": "2"}})) == [
        "other logged calls are chosen"
    ]


def test_of_many_differences_the_first_are_told() -> None:
    many = [{**CHECK, "name": str(n), "input": str(n)} for n in range(30)]

    told = changes_between(version(), version(*many))
    assert (len(told), told[0], told[-1]) == (21, "criterion '0' is new", "10 more differences")
