"""Facts about which rows pass, and what the user is told about those that do."""

import json
from typing import Any

import pytest

from evalhaven.domain.schemas import ItemSchema
from evalhaven.runs.rows.checks import BareItemSearch, RowChecker
from evalhaven.runs.rows.parsing import RowError

LEAVES = ItemSchema({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}})
ANY = ItemSchema(True)


def row(item: Any, **more: Any) -> bytes:
    return json.dumps({"item": item, **more}).encode()


def told(rows: list[bytes], schema: ItemSchema = ANY, **how: bool) -> list[str]:
    """Return the warnings about rows that all pass."""
    given = {"is_sampled": False, "is_strict": False, "are_bare": False, **how}
    checker = RowChecker(schema, **given)
    for number, text in enumerate(rows):
        checker.check(text, f"row {number}")
    cautions = checker.notices.cautions
    assert {caution.pointer for caution in cautions} <= {"/data_source/source"}
    return [caution.message for caution in cautions]


def test_rows_that_break_the_schema_are_refused_with_pointers() -> None:
    schema = ItemSchema({"properties": {"a": {"type": "string"}}, "required": ["b"]})
    with pytest.raises(
        RowError, match=r'item schema: (?=.*/a: 5 is not of type "string")(?=.*"b" is a required property)'
    ):
        told([row({"a": 5})], schema)
    assert told([row({"b": 5}, sample={"output_text": "5"})], schema) == []


def test_scalars_in_the_place_of_strings_are_counted_and_the_first_is_named() -> None:
    (message,) = told([row({"a": "x"}), row({"a": "x", "b": True}), row({"a": None}), row({"a": 1.5})], LEAVES)

    assert message.startswith("3 rows have a boolean, a number or null where the item schema declares a string")
    assert "the first is row 1 at /b" in message
    assert told([row({"a": "x"})], LEAVES) == []


def test_a_strict_check_refuses_what_is_no_string() -> None:
    with pytest.raises(RowError, match='/a: 5 is not of type "string"'):
        told([row({"a": 5})], LEAVES, is_strict=True)


@pytest.mark.parametrize("value", [[], {}, [True]])
def test_arrays_and_objects_are_no_strings(value: Any) -> None:
    with pytest.raises(RowError, match="/a: "):
        told([row({"a": value, "b": True})], LEAVES)


def test_samples_without_an_answer_are_reported_with_their_first_row() -> None:
    rows = [row({}, sample={"output_text": "x"}), row({}, sample={"answer": "x"}), row({}, sample={"output": []})]
    (message,) = told(rows)

    assert message.startswith("2 rows have a 'sample' in which no model's answer is found, the first is row 1")
    assert told([row({}), row({}, sample={}), row({}, sample=None)]) == []


def test_where_a_model_is_asked_samples_are_ignored_of_whatever_form() -> None:
    (message,) = told([row({}, sample={"answer": "x"})], is_sampled=True)

    assert "ignored" in message


def search(rows: list[bytes]) -> tuple[bool, int]:
    """Return whether rows are bare, and how many were looked at."""
    found = BareItemSearch()
    count = 0
    for text in rows:
        count += 1
        if not found.look(text):
            break
    return found.are_bare, count


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([b'{"a":1}', b'{"b":1}'], (True, 2)),
        ([b"{}"], (True, 1)),
        ([b'{"a":1}', b"[]", b"{"], (True, 3)),
        ([b'{"item":{}}', b'{"a":1}'], (False, 1)),
        ([b'{"a":1}', b'{"a":1,"sample":{}}', b'{"a":1}'], (False, 2)),
        ([b"[1]", b"5"], (False, 2)),
        ([], (False, 0)),
    ],
)
def test_rows_are_bare_only_all_together(rows: list[bytes], expected: tuple[bool, int]) -> None:
    assert search(rows) == expected


def test_bare_rows_are_reported_and_checked_as_items() -> None:
    (message,) = told([b'{"a":"x"}'], LEAVES, are_bare=True)

    assert "each row is taken for the item itself" in message
    with pytest.raises(RowError, match="/a: "):
        told([b'{"a":[]}'], LEAVES, are_bare=True)
