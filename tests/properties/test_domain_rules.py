"""Properties of ids, templates, samples, tallies and rows."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evalhaven.domain.ids import IdFactory, OutputItemId, created_at_of, pack_output_item_id, unpack_output_item_id
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.sample_forms import is_readable
from evalhaven.domain.samples import NO_SAMPLE, ItemError, Sample, sample_of_row
from evalhaven.domain.spending import NO_SPENDING
from evalhaven.domain.statuses import ItemStatus
from evalhaven.domain.tallies import NOTHING, CriterionTally, Tally
from evalhaven.domain.template_checks import criteria_cautions
from evalhaven.domain.templates import parse_template
from evalhaven.runs.rows.parsing import RowError, parse_row
from tests.properties.json_texts import (
    OBJECTS,
    RANDOMS,
    TEXTS,
    VALUES,
    damaged,
    loaded,
    same,
    spelled,
    spelled_bytes,
)
from tests.unit.domain.still_clock import StillClock
from tests.unit.written import criteria_of

CRITERIA = 3
ERROR = ItemError("c", "m")


def grade_of(score: float, passed: bool, unresolved: tuple[str, ...], error: ItemError | None) -> Grade:
    """Return a grade."""
    return Grade(score, passed, unresolved, error)


GRADES = st.builds(
    grade_of,
    score=st.floats(0, 1),
    passed=st.booleans(),
    unresolved=st.just(()) | st.just(("item.x",)),
    error=st.none() | st.none() | st.just(ERROR),
)


def item_of(grades: list[Grade], is_errored: bool) -> OutputItem:
    """Return an output item; one that erred by itself was not graded."""
    sample = Sample(error=ERROR) if is_errored else NO_SAMPLE
    return OutputItem(OutputItemId("outputitem_1"), 0, 0, 0, "{}", b"", sample, [] if is_errored else grades)


def row_of(item: JsonObject, random: Random) -> bytes:
    """Return the text of a row whose sample is its item."""
    return spelled_bytes({"item": item, "sample": item}, random)


ITEMS = st.builds(item_of, st.lists(GRADES, min_size=CRITERIA, max_size=CRITERIA), st.booleans())
TEMPLATES = st.lists(
    st.sampled_from(["{{", "}}", " ", "item", "sample", ".", "a", "[0]", '["', '"]', "\\", "|", "(", "{", "}", "\n"])
    | TEXTS,
    max_size=14,
).map("".join)
CHATS = st.fixed_dictionaries(
    {},
    optional={
        "choices": VALUES
        | st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "finish_reason": VALUES,
                    "message": VALUES
                    | st.fixed_dictionaries(
                        {},
                        optional={"role": VALUES, "content": VALUES, "tool_calls": VALUES, "audio": VALUES},
                    ),
                },
            ),
            max_size=2,
        ),
        "usage": VALUES | st.fixed_dictionaries({"prompt_tokens": VALUES, "prompt_tokens_details": VALUES}),
        "model": VALUES,
        "output_text": VALUES,
        "output_json": VALUES,
        "output_tools": VALUES,
        "output_audio": VALUES,
    },
)


def recounted(items: list[OutputItem]) -> Tally:
    """Return the tally of items, counted the plain way."""
    if not items:
        return NOTHING

    def with_status(status: ItemStatus) -> int:
        return sum(item.status is status for item in items)

    def of_criterion(index: int) -> CriterionTally:
        grades = [item.grades[index] for item in items if item.grades]
        concluded = [grade.passed for grade in grades if grade.error is None]
        return CriterionTally(concluded.count(True), concluded.count(False), len(grades) - len(concluded))

    return Tally(
        passed=with_status(ItemStatus.PASS),
        failed=with_status(ItemStatus.FAIL),
        errored=with_status(ItemStatus.ERROR),
        unresolved=sum(any(grade.unresolved for grade in item.grades) for item in items),
        criteria=tuple(map(of_criterion, range(CRITERIA))),
    )


@given(st.lists(st.lists(ITEMS, max_size=5), max_size=5))
def test_tallies_folded_in_any_batches_equal_a_recount(batches: list[list[OutputItem]]) -> None:
    tally = added = NOTHING
    for batch in batches:
        tally = tally.fold(batch, CRITERIA)
        added = added.plus(NOTHING.fold(batch, CRITERIA))
    items = [item for batch in batches for item in batch]

    whole = NOTHING.fold(items, CRITERIA)
    assert tally == whole
    assert added == whole
    assert replace(whole, spending=NO_SPENDING) == recounted(items)
    assert whole.spending.errors == Counter(item.error_code for item in items if item.error_code is not None)
    assert tally.total == len(items)


@given(st.lists(st.floats(0, 2**32 - 1, allow_nan=False), max_size=30), st.randoms(use_true_random=False))
def test_ids_increase_and_hold_their_second_whatever_the_clock_does(times: list[float], random: Random) -> None:
    clock = StillClock(0)
    ids = IdFactory(clock, random.getrandbits)
    evals: list[str] = []
    files: list[str] = []
    for at in times:
        clock.time = at
        evals.append(ids.new_eval_id())
        files.append(ids.new_file_id())
        assert created_at_of(evals[-1]) <= created_at_of(files[-1]) >= int(at)

    assert all(one < other for one, other in pairwise(evals))
    assert all(one < other for one, other in pairwise(files))


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=128))
def test_every_id_text_survives_packing(text: str) -> None:
    for public_id in (text, f"outputitem_{text}"):
        assert unpack_output_item_id(pack_output_item_id(public_id)) == public_id


@given(st.binary(min_size=16, max_size=16))
def test_every_id_of_our_own_form_takes_16_bytes(digits: bytes) -> None:
    public_id = f"outputitem_{digits.hex()}"

    assert pack_output_item_id(public_id) == digits
    assert unpack_output_item_id(digits) == public_id


@given(TEXTS | TEMPLATES, st.dictionaries(st.sampled_from(["item", "sample"]), VALUES))
def test_every_text_is_a_template(text: str, namespaces: dict[str, JsonValue]) -> None:
    template = parse_template(text)
    rendered = template.render(namespaces)

    assert isinstance(rendered.text, str)
    assert len(rendered.unresolved) <= len(template.placeholders)
    if not template.placeholders:
        assert rendered.text == text


@given(TEXTS)
def test_text_without_two_braces_renders_to_itself(text: str) -> None:
    plain = text.replace("{{", "{")
    while "{{" in plain:
        plain = plain.replace("{{", "{")

    assert parse_template(plain).render({}).text == plain


@given(OBJECTS, TEXTS, RANDOMS)
def test_every_key_can_be_reached_also_through_json_strings(item: JsonObject, key: str, random: Random) -> None:
    item = {**item, key: "found"}
    template = parse_template(f"<{{{{ item[{json.dumps(key)}] }}}}>")

    assert template.render({"item": item}).text == "<found>"
    assert template.render({"item": spelled(item, random)}).text == "<found>"


@given(VALUES, TEMPLATES)
def test_checks_of_templates_take_any_text_and_any_schema(schema: JsonValue, text: str) -> None:
    [check] = criteria_of(
        [{"type": "string_check", "name": "n", "input": text, "reference": text[::-1], "operation": "eq"}]
    )

    assert isinstance(criteria_cautions([check], schema), list)
    assert isinstance(criteria_cautions([check], {"additionalProperties": False}), list)


SAID = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["message", "function_call", "custom_tool_call", "web_search_call", "reasoning"])
        | VALUES,
        "role": VALUES,
        "content": VALUES | st.lists(st.fixed_dictionaries({}, optional={"text": VALUES, "transcript": VALUES})),
        "audio": VALUES,
        "refusal": VALUES,
        "name": VALUES,
        "arguments": VALUES,
        "phase": VALUES,
    },
)
OTHER_FORMS = st.fixed_dictionaries(
    {},
    optional={
        "output": VALUES | SAID | st.lists(SAID | VALUES, max_size=3),
        "outputs": VALUES | st.lists(SAID, max_size=3),
        "message": VALUES | SAID,
        "content": VALUES,
        "choices": VALUES,
        "status": VALUES | st.just("incomplete"),
        "incomplete_details": VALUES,
        "finish_reason": VALUES,
        "usage": VALUES | st.fixed_dictionaries({"input_tokens": VALUES}),
        "token_usage": VALUES,
        "sampled_model_name": VALUES,
    },
)


@given(OTHER_FORMS)
def test_whatever_looks_like_an_answer_is_read_or_said_to_be_none(recorded: dict[str, Any]) -> None:
    sample = sample_of_row(recorded, json.dumps(recorded))

    assert sample.namespace is not None
    assert ("output_text" in sample.namespace) <= is_readable(recorded)
    assert all(type(count) is int and count >= 0 for count in vars_of_usage(sample))
    kept = {name: value for name, value in recorded.items() if name != "choices"}
    assert same({name: sample.namespace[name] for name in kept}, kept)
    json.dumps([sample.output, sample.finish_reason, sample.model, sample.namespace])


@given(CHATS | OBJECTS)
def test_every_object_is_a_sample(recorded: dict[str, Any]) -> None:
    sample = sample_of_row(recorded, json.dumps(recorded))

    assert sample.namespace is not None
    assert isinstance(sample.namespace.get("output_text", ""), str)
    assert all(type(count) is int and count >= 0 for count in vars_of_usage(sample))
    derived = {name for name in recorded if recorded[name] is None and name.startswith("output_")}
    given_names = recorded.keys() - derived - {"output_text"}
    assert same(
        {name: sample.namespace[name] for name in sorted(given_names)},
        {name: recorded[name] for name in sorted(given_names)},
    )


def vars_of_usage(sample: Sample) -> list[int]:
    """Return the counts of a sample's usage."""
    usage = sample.usage
    return [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, usage.cached_tokens]


@given(OBJECTS, st.none() | OBJECTS, OBJECTS, RANDOMS)
def test_rows_keep_item_and_sample_as_they_were_written(
    item: JsonObject, sample: JsonObject | None, more: JsonObject, random: Random
) -> None:
    raw = spelled_bytes({**more, "sample": sample, "item": item}, random)
    row = parse_row(raw)

    assert same(row.item, item)
    assert row.item_text.encode() in raw
    assert same(json.loads(row.item_text), item)
    if sample:
        assert row.sample.recorded_text is not None
        assert same(json.loads(row.sample.recorded_text), sample)
    else:
        assert row.sample is NO_SAMPLE


@given(damaged(st.builds(row_of, OBJECTS, RANDOMS)) | st.binary(max_size=12))
def test_damaged_rows_are_refused_and_nothing_else(raw: bytes) -> None:
    is_json, value = loaded(raw)
    try:
        row = parse_row(raw)
    except RowError:
        assert not (is_json and isinstance(value, dict) and isinstance(value.get("item"), dict)) or not isinstance(
            value.get("sample"), dict | None
        )
    else:
        assert is_json
        assert same(row.item, value["item"])
