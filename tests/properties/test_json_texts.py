"""Properties of JSON parsing, rendering and splitting."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.runs.accepting.inline import take_apart
from tests.properties.json_texts import (
    OBJECTS,
    PAIRS,
    RANDOMS,
    VALUES,
    Members,
    damaged,
    loaded,
    same,
    spelled_bytes,
)


def spelled_object(pairs: list[tuple[str, JsonValue]], random: Random) -> bytes:
    """Return the text of an object in which a key may be repeated."""
    return spelled_bytes(Members(pairs), random)


def spelled_run(rows: list[JsonObject], more: JsonObject, random: Random) -> bytes:
    """Return the body of a run over inline rows."""
    source: JsonObject = {**more, "type": "file_content", "content": [*rows]}
    return spelled_bytes({"data_source": {"type": "jsonl", "source": source}}, random)


DOCUMENTS = st.builds(spelled_bytes, VALUES, RANDOMS)
OF_OBJECTS = st.builds(spelled_object, PAIRS, RANDOMS)
OF_RUNS = st.builds(spelled_run, st.lists(OBJECTS, max_size=4), OBJECTS, RANDOMS)
OF_LISTS = st.builds(spelled_bytes, st.lists(VALUES, max_size=5), RANDOMS)


@given(VALUES)
def test_rendered_values_parse_to_themselves(value: JsonValue) -> None:
    assert same(jsontext.parse(jsontext.render(value)), value)
    assert same(json.loads(jsontext.render(value)), value)


@given(VALUES)
def test_rendered_values_are_utf_8_text(value: JsonValue) -> None:
    assert jsontext.parse(jsontext.render(value).encode()) == value


@given(VALUES, RANDOMS)
def test_every_spelling_parses_to_the_same_value(value: JsonValue, random: Random) -> None:
    raw = spelled_bytes(value, random)

    assert same(jsontext.parse(raw), value)
    assert same(jsontext.parse(raw.decode()), value)


@given(OBJECTS, RANDOMS)
def test_canonical_hash_knows_no_key_order_and_no_white_space(value: JsonObject, random: Random) -> None:
    keys = random.sample(list(value), len(value))
    turned = {key: value[key] for key in keys}

    assert jsontext.canonical_hash(jsontext.parse(spelled_bytes(turned, random))) == jsontext.canonical_hash(value)


@given(VALUES, VALUES)
def test_canonical_hash_tells_values_apart(one: JsonValue, other: JsonValue) -> None:
    is_same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)

    assert (jsontext.canonical_hash(one) == jsontext.canonical_hash(other)) == is_same


@given(PAIRS, RANDOMS, st.binary(max_size=5), st.binary(max_size=5))
def test_members_are_those_that_a_parser_sees(
    pairs: list[tuple[str, JsonValue]], random: Random, before: bytes, after: bytes
) -> None:
    raw = spelled_bytes(Members(pairs), random)
    spans = jsontext.members(before + raw + after, (len(before), len(before) + len(raw)))

    found = {key: jsontext.parse((before + raw + after)[start:end]) for key, (start, end) in spans.items()}
    assert same(found, json.loads(raw))


@given(st.lists(VALUES, max_size=6), RANDOMS, st.binary(max_size=5), st.binary(max_size=5))
def test_elements_are_those_that_a_parser_sees(
    values: list[JsonValue], random: Random, before: bytes, after: bytes
) -> None:
    raw = spelled_bytes(values, random)
    spans = jsontext.elements(before + raw + after, (len(before), len(before) + len(raw)))

    assert same([jsontext.parse((before + raw + after)[start:end]) for start, end in spans], values)


@given(damaged(DOCUMENTS) | st.binary(max_size=20))
def test_damaged_text_is_accepted_exactly_when_it_is_json(raw: bytes) -> None:
    is_json, value = loaded(raw)

    if is_json:
        assert same(jsontext.parse(raw), value)
    else:
        with pytest.raises(InvalidJsonError):
            jsontext.parse(raw)


@given(damaged(OF_OBJECTS))
def test_damaged_objects_split_as_a_parser_sees_them_or_are_refused(raw: bytes) -> None:
    is_json, value = loaded(raw)
    try:
        spans = jsontext.members(raw, (0, len(raw)))
        found = {key: jsontext.parse(raw[start:end]) for key, (start, end) in spans.items()}
    except InvalidJsonError:
        assert not is_json or not isinstance(value, dict)
    else:
        # A value that a later one of the same key replaces is not looked at.
        assert not is_json or same(found, value)


@given(damaged(OF_LISTS))
def test_damaged_lists_split_exactly_when_they_are_json(raw: bytes) -> None:
    is_json, value = loaded(raw)
    try:
        found = [jsontext.parse(raw[start:end]) for start, end in jsontext.elements(raw, (0, len(raw)))]
    except InvalidJsonError:
        assert not is_json or not isinstance(value, list)
    else:
        assert same(found, value)


@given(OF_RUNS | damaged(OF_RUNS))
def test_run_bodies_taken_apart_are_accepted_exactly_when_they_are_json(raw: bytes) -> None:
    is_json, value = loaded(raw)
    try:
        body = take_apart(raw)
        rows = [] if body.rows is None else [jsontext.parse(raw[s:e]) for s, e in jsontext.elements(raw, body.rows)]
    except InvalidJsonError:
        assert not is_json
        return
    assert is_json
    if body.rows is None:
        assert same(body.document, value)
    else:
        assert same(rows, value["data_source"]["source"]["content"])
        value["data_source"]["source"]["content"] = []
        assert same(body.document, value)
