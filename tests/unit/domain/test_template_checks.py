"""Facts about templates that can never resolve: where they stand and what mends them."""

from typing import Any

import pytest

from evalhaven.domain.template_checks import criteria_cautions, input_message_cautions, item_key_cautions
from tests.unit.written import criteria_of, data_source_of

CLOSED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "label": {"type": "string"},
        "free text": {},
        "ticket": {"type": "object", "properties": {"text": {}, "the text": {}}, "additionalProperties": False},
        "tags": {"type": "array", "items": {"type": "string"}},
        "free": {},
    },
    "additionalProperties": False,
}
CHECK: dict[str, Any] = {"type": "string_check", "name": "s", "input": "", "reference": "", "operation": "eq"}
OPEN: dict[str, Any] = {"type": "object", "properties": {"label": {"type": "string"}}}


def cautions_of(text: str, schema: Any = True) -> list[tuple[str, str]]:
    """Return pointer and message of the cautions about the input of one criterion."""
    criteria: list[Any] = [{"type": "string_check", "name": "n", "input": text, "reference": "", "operation": "eq"}]
    return [(each.pointer, each.message) for each in criteria_cautions(criteria_of(criteria), schema)]


@pytest.mark.parametrize("text", ["{{ sample.output_text.strip() }}", "{{ item.label | lower }}", "{{ item. }}"])
def test_calls_and_filters_are_cautioned_with_the_cure(text: str) -> None:
    ((pointer, message),) = cautions_of(text)

    assert pointer == "/testing_criteria/0/input"
    assert message.startswith(text + " never resolves: only plain paths are supported")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{{ item.lable }}", "lable"),
        ("{{ item.ticket.txt }}", "txt"),
        ("{{ item.a b }}", "a b"),
        ("{{ item['a b'] }}", "a b"),
        ('{{ item["no label"].x }}', "no label"),
    ],
)
def test_a_field_that_a_closed_schema_lacks_is_cautioned_with_the_fields_it_has(text: str, field: str) -> None:
    ((_, message),) = cautions_of(text, CLOSED)

    known = "text, the text" if field == "txt" else "free, free text, label, tags, ticket"
    assert f"the item schema has no field {field!r} (it has: {known})." in message


@pytest.mark.parametrize(
    "text",
    [
        "{{ item.label }}",
        "{{ item.ticket.text }}",
        "{{ item.tags[0].x }}",
        "{{ item.free.anything }}",
        "{{ item }}",
        "{{ item[0] }}",
        "{{ item.free text }}",
        "{{ item.ticket.the text }}",
        "{{ item['label'] }}",
        "{{ item.tags[0]['a b'] }}",
        "{{ sample.anything.at.all }}",
        "no placeholder {x} {{ y }}",
    ],
)
def test_what_may_resolve_is_not_cautioned(text: str) -> None:
    assert cautions_of(text, CLOSED) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{{ item.a or item.b }}", "a or item"),
        ("{{ item.label and more }}", "label and more"),
        ("{{ item.list[0].a b }}", "a b"),
        ("{{ sample.output_text or item.b }}", "output_text or item"),
    ],
)
@pytest.mark.parametrize("schema", [True, OPEN])
def test_a_name_with_spaces_that_no_schema_knows_is_cautioned_with_the_sure_way(
    text: str, name: str, schema: Any
) -> None:
    ((_, message),) = cautions_of(text, schema)

    assert message.startswith(f"{text} resolves only if there is a key {name!r}, exactly: calls, filters")
    assert f'write ["{name}"] instead' in message
    assert cautions_of(text.replace(f".{name}", f'["{name}"]'), schema) == []


def test_keys_that_begin_with_a_byte_order_mark_are_cautioned() -> None:
    inner: dict[str, Any] = {"type": "array", "items": {"properties": {"\ufeffdeep": {}, "b\ufeff": {}}}}
    found = item_key_cautions({"type": "object", "properties": {"\ufeffid": {}, "rows": inner, "text": {}}})

    assert [each.pointer for each in found] == [
        "/data_source_config/item_schema/properties/\ufeffid",
        "/data_source_config/item_schema/properties/rows/items/properties/\ufeffdeep",
    ]
    assert "The key '\\ufeffid' begins with an invisible byte order mark" in found[0].message
    assert "{{ item.id }} does not find it" in found[0].message


@pytest.mark.parametrize("schema", [True, False, {}, {"properties": []}, {"items": [1]}, CLOSED])
def test_schemas_with_plain_keys_are_not_cautioned(schema: Any) -> None:
    assert item_key_cautions(schema) == []


@pytest.mark.parametrize("schema", [True, OPEN, {}, {"type": "object", "additionalProperties": True}])
def test_an_open_schema_lacks_nothing(schema: Any) -> None:
    assert cautions_of("{{ item.whatever }}", schema) == []


@pytest.mark.parametrize("key", ["patternProperties", "$ref", "allOf", "anyOf", "oneOf", "if"])
def test_a_schema_that_allows_fields_elsewhere_counts_as_open(key: str) -> None:
    assert cautions_of("{{ item.whatever }}", {**CLOSED, key: {}}) == []


def test_a_closed_schema_without_fields_says_so() -> None:
    ((_, message),) = cautions_of("{{ item.x }}", {"additionalProperties": False})

    assert "(it has: none)" in message


def test_pointers_lead_into_messages_multi_graders_and_references() -> None:
    bad = "{{ item.x() }}"
    parts = [{"type": "input_text", "text": bad}, {"type": "input_image", "image_url": bad}]
    criteria: list[Any] = [
        {"type": "score_model", "name": bad, "model": bad, "input": [{"role": "user", "content": parts}]},
        {"type": "python", "name": "p", "source": bad},
        {**CHECK, "reference": bad},
        {"type": "multi", "name": "m", "graders": {"a/b": {**CHECK, "input": bad}}, "calculate_output": "1"},
        {"type": "multi", "name": "m", "graders": [{**CHECK, "reference": bad}], "calculate_output": "1"},
        {"type": "label_model", "name": "l", "model": bad, "labels": [bad], "passing_labels": [bad], "input": []},
    ]

    assert [each.pointer for each in criteria_cautions(criteria_of(criteria), True)] == [
        "/testing_criteria/0/input/0/content/0/text",
        "/testing_criteria/0/input/0/content/1/image_url",
        "/testing_criteria/2/reference",
        "/testing_criteria/3/graders/a~1b/input",
        "/testing_criteria/4/graders/0/reference",
    ]


def test_each_placeholder_of_a_text_is_cautioned() -> None:
    assert len(cautions_of("{{ item.a() }} {{ item.b() }} {{ item.c }}")) == 2


def test_sample_in_input_messages_is_cautioned() -> None:
    template: list[Any] = [{"role": "user", "content": "{{ item.label }} {{ sample.output_text }}"}]
    (caution,) = input_message_cautions(
        data_source_of(
            {"type": "responses", "model": "m", "input_messages": {"type": "template", "template": template}}
        ),
        CLOSED,
    )

    assert caution.pointer == "/data_source/input_messages/template/0/content"
    assert "'sample' does not exist before the model has answered; use 'item'." in caution.message


@pytest.mark.parametrize(
    "data_source",
    [
        {"type": "jsonl"},
        {"type": "completions", "input_messages": None},
        {
            "type": "responses",
            "model": "m",
            "input_messages": {"type": "item_reference", "item_reference": "item.sample.x()"},
        },
    ],
)
def test_runs_without_templates_have_no_cautions(data_source: Any) -> None:
    assert input_message_cautions(data_source_of(data_source), CLOSED) == []
