"""Facts about unknown keys and about what a refusal says."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from evalhaven.wire.evals import CreateEvalRequest
from evalhaven.wire.requests import find_unknown_keys, format_param
from evalhaven.wire.runs import CreateEvalRunRequest
from tests.unit.wire.documents import (
    MULTI,
    PYTHON,
    STRING_CHECK,
    make_eval,
    make_run,
    parse_eval,
    parse_run,
    refuse_eval,
    refuse_run,
    with_content,
)


def test_unknown_keys_are_accepted_and_listed_as_json_pointers() -> None:
    run = make_run(
        sampling_params={"max_tokens": 5, "text": {}},
        temperature=0,
        response_format={"type": "text"},
        prediction={},
    )
    run["a/b~c"] = 1

    assert parse_run(run).unknown == (
        "/a~1b~0c",
        "/data_source/temperature",
        "/data_source/response_format",
        "/data_source/prediction",
        "/data_source/sampling_params/max_tokens",
        "/data_source/sampling_params/text",
    )


def test_unknown_keys_inside_criteria_messages_and_multi_graders_are_listed() -> None:
    multi = MULTI | {"graders": {"a/b": STRING_CHECK | {"weight": 1}}}
    listed = MULTI | {"graders": [STRING_CHECK, PYTHON | {"weight": 1}]}

    parsed = parse_eval(make_eval(STRING_CHECK | {"note": 1}, multi, listed))

    assert parsed.unknown == (
        "/testing_criteria/0/note",
        "/testing_criteria/1/graders/a~1b/weight",
        "/testing_criteria/2/graders/1/weight",
    )


def test_keys_of_open_objects_are_not_unknown() -> None:
    config = {"type": "custom", "item_schema": {"properties": {"x": {"extra": 1}}}}
    parsed = parse_eval(make_eval(STRING_CHECK | {"id": "Match-1"}, data_source_config=config, metadata={"a": "b"}))
    tools = [
        {"type": "mcp", "server_label": "s"},
        {"type": "function", "function": {"name": "f", "x": 1}, "y": 2},
    ]

    assert parsed.unknown == ()
    assert parse_run(make_run(sampling_params={"tools": tools})).unknown == ()
    assert parse_run(with_content({"type": "input_text", "text": "", "cache": 1})).unknown == ()


def test_key_named_like_a_method_or_field_of_the_models_is_an_unknown_key() -> None:
    document = make_eval(model_dump=1, copy=2, schema_=3, _private=4)

    assert parse_eval(document).unknown == ("/model_dump", "/copy", "/schema_", "/_private")


def test_unknown_keys_of_a_part_start_at_its_pointer() -> None:
    body = CreateEvalRequest.model_validate(make_eval(extra=1))

    assert list(find_unknown_keys(body, "/0")) == ["/0/extra"]


def test_path_is_written_with_dots_and_indexes() -> None:
    assert format_param(("testing_criteria", 0, "operation")) == "testing_criteria[0].operation"
    assert format_param(("graders", 1, 2)) == "graders[1][2]"
    assert format_param(()) is None


def test_refusal_names_the_first_cause_in_the_order_of_fields() -> None:
    broken = STRING_CHECK | {"name": 5, "operation": "is"}

    assert refuse_eval(make_eval(broken, broken)).param == "testing_criteria[0].name"


def test_refusal_stays_short_however_large_the_value() -> None:
    assert len(refuse_eval(make_eval(name=["x" * 100_000])).message) < 200
    assert len(refuse_run(with_content(10**5000)).message) < 200


def test_refusal_can_be_encoded_whatever_the_document_holds() -> None:
    lone = "\ud800"
    refusals = [
        refuse_eval(make_eval(metadata={lone: 1})),
        refuse_eval(make_eval(name=[lone])),
        refuse_eval(make_eval(**{lone: 1})),
        refuse_eval(make_eval(STRING_CHECK | {"operation": lone})),
        refuse_eval(make_eval(STRING_CHECK | {"type": lone})),
        refuse_eval(make_eval(MULTI | {"graders": {lone: {}}})),
    ]

    for refusal in refusals:
        json.dumps([refusal.message, refusal.param], ensure_ascii=False).encode()
        assert str(refusal) == refusal.message


def test_path_keeps_a_key_that_looks_like_a_tag() -> None:
    graders = {"choice=string_check": STRING_CHECK | {"operation": "is"}}

    error = refuse_eval(make_eval(MULTI | {"graders": graders}))

    assert error.param == "testing_criteria[0].graders.choice=string_check.operation"


def test_no_refusal_speaks_of_the_validation_library() -> None:
    documents = [make_eval(name=1), make_eval("x"), make_eval(MULTI | {"graders": 5}), make_eval(metadata=5)]

    for document in documents:
        message = refuse_eval(document).message
        assert "choice=" not in message
        assert "Input should" not in message
        assert message.endswith(".")


_LABELS = {"type": "label_model", "name": "n", "model": "m", "input": [], "labels": ["x"], "passing_labels": ["x"]}
_SCORES = {"type": "score_model", "name": "n", "model": "m", "input": []}
_SEARCH = {"type": "responses", "source": {"type": "responses"}}


def _of_criterion(**criterion: Any) -> tuple[type[BaseModel], Any]:
    return CreateEvalRequest, {**make_eval(), "testing_criteria": [criterion]}


def _of_source(**source: Any) -> tuple[type[BaseModel], Any]:
    return CreateEvalRunRequest, {"data_source": source}


def _sampled(content: Any) -> tuple[type[BaseModel], Any]:
    messages = {"type": "template", "template": content}
    return _of_source(type="completions", model="m", input_messages=messages, source={"type": "file_id", "id": "f"})


_WRONG = [{}] * 1_000
_WRONG_LISTS = {
    "testing_criteria": (CreateEvalRequest, {**make_eval(), "testing_criteria": _WRONG}),
    "graders, a list": _of_criterion(**{**MULTI, "graders": _WRONG}),
    "graders, an object": _of_criterion(**{**MULTI, "graders": {str(number): {} for number in range(1_000)}}),
    "labels": _of_criterion(**{**_LABELS, "labels": _WRONG}),
    "passing_labels": _of_criterion(**{**_LABELS, "passing_labels": _WRONG}),
    "input of a label model": _of_criterion(**{**_LABELS, "input": _WRONG}),
    "input of a score model": _of_criterion(**{**_SCORES, "input": _WRONG}),
    "range": _of_criterion(**{**_SCORES, "range": _WRONG}),
    "template": _sampled(_WRONG),
    "content": _sampled([{"role": "user", "content": _WRONG}]),
    "users": _of_source(**{**_SEARCH, "source": {"type": "responses", "users": _WRONG}}),
    "tools": _of_source(**{**_SEARCH, "source": {"type": "responses", "tools": _WRONG}}),
}


@pytest.mark.parametrize("name", _WRONG_LISTS)
def test_of_a_list_of_wrong_entries_only_the_first_is_looked_at(name: str) -> None:
    """A million wrong criteria, which a body may hold, once kept the server busy for many seconds."""
    model, document = _WRONG_LISTS[name]
    with pytest.raises(ValidationError) as caught:
        model.model_validate(document)
    assert caught.value.error_count() <= 2, "an entry lacks at most two things here"
