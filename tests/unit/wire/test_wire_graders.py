"""Facts about testing criteria and graders as they are sent."""

from typing import Any

import pytest

from evalhaven.wire.grader_endpoints import RunGraderRequest, ValidateGraderRequest
from evalhaven.wire.graders import CRITERION_TYPES, EvalGraderMulti, EvalGraderScoreModel, GraderStringCheck
from evalhaven.wire.requests import RequestError, parse_request
from tests.unit.wire.documents import (
    CRITERIA,
    LABEL_MODEL,
    MULTI,
    PYTHON,
    SCORE_MODEL,
    STRING_CHECK,
    TEXT_SIMILARITY,
    make_eval,
    parse_eval,
    refuse_eval,
)


def without(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != key}


@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda criterion: criterion["type"])
def test_every_grader_is_a_testing_criterion_without_unknown_keys(criterion: dict[str, Any]) -> None:
    parsed = parse_eval(make_eval(criterion))

    assert parsed.body.testing_criteria[0].type == criterion["type"]
    assert parsed.unknown == ()


@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda criterion: criterion["type"])
def test_every_testing_criterion_needs_a_name(criterion: dict[str, Any]) -> None:
    for nameless in (without(criterion, "name"), criterion | {"name": None}, criterion | {"name": 1}):
        assert refuse_eval(make_eval(STRING_CHECK, nameless)).param == "testing_criteria[1].name"


@pytest.mark.parametrize("criterion", CRITERIA, ids=lambda criterion: criterion["type"])
def test_every_key_of_a_grader_has_a_strict_type(criterion: dict[str, Any]) -> None:
    for key in criterion:
        error = refuse_eval(make_eval(criterion | {key: True}))

        assert error.param == f"testing_criteria[0].{key}"
        assert f"'{error.param}'" in error.message


def test_unknown_grader_type_names_the_allowed_types() -> None:
    error = refuse_eval(make_eval(STRING_CHECK | {"type": "exact"}))

    assert error.param == "testing_criteria[0].type"
    assert "exact" in error.message
    assert all(repr(name) in error.message for name in CRITERION_TYPES)


def test_missing_grader_type_names_the_allowed_types() -> None:
    error = refuse_eval(make_eval(without(STRING_CHECK, "type")))

    assert error.param == "testing_criteria[0].type"
    assert "is required" in error.message
    assert all(repr(name) in error.message for name in CRITERION_TYPES)


def test_criterion_that_is_no_object_is_told_what_it_must_be() -> None:
    error = refuse_eval(make_eval("string_check"))

    assert error.param == "testing_criteria[0]"
    assert "must be an object whose 'type' is one of 'string_check'" in error.message


@pytest.mark.parametrize("operation", ["eq", "ne", "neq", "like", "ilike"])
def test_string_check_accepts_each_operation(operation: str) -> None:
    parse_eval(make_eval(STRING_CHECK | {"operation": operation}))


def test_unknown_operation_names_the_allowed_ones() -> None:
    error = refuse_eval(make_eval(STRING_CHECK | {"operation": "equals"}))

    assert error.param == "testing_criteria[0].operation"
    assert error.message == (
        "'testing_criteria[0].operation' must be 'eq', 'ne', 'neq', 'like' or 'ilike', but is a string: \"equals\"."
    )


def test_unknown_similarity_metric_names_the_allowed_ones() -> None:
    error = refuse_eval(make_eval(TEXT_SIMILARITY | {"evaluation_metric": "rouge"}))

    assert error.param == "testing_criteria[0].evaluation_metric"
    assert "'rouge_l'" in error.message


def test_text_similarity_needs_a_threshold_in_evals_only() -> None:
    grader = without(TEXT_SIMILARITY, "pass_threshold")

    assert refuse_eval(make_eval(grader)).param == "testing_criteria[0].pass_threshold"
    parse_request(ValidateGraderRequest, {"grader": grader})


@pytest.mark.parametrize("threshold", [float("nan"), float("inf"), True, "0.5"])
def test_threshold_is_a_finite_number(threshold: object) -> None:
    for criterion in (SCORE_MODEL, PYTHON, MULTI, TEXT_SIMILARITY):
        error = refuse_eval(make_eval(criterion | {"pass_threshold": threshold}))

        assert error.param == "testing_criteria[0].pass_threshold"


def test_stray_passing_labels_are_named() -> None:
    error = refuse_eval(make_eval(LABEL_MODEL | {"passing_labels": ["good", "fine", "ok", "fine"]}))

    assert error.param == "testing_criteria[0].passing_labels"
    assert "'fine', 'ok'" in error.message
    assert "'good'" not in error.message


@pytest.mark.parametrize("labels", [[], [1], "good", None])
def test_labels_are_a_non_empty_array_of_strings(labels: object) -> None:
    error = refuse_eval(make_eval(LABEL_MODEL | {"labels": labels}))

    assert error.param is not None
    assert error.param.startswith("testing_criteria[0].labels")


@pytest.mark.parametrize("scores", [[0], [0, 1, 2], [1, 0], [1, 1], ["0", "1"], [False, True], {}, [0, 10**400]])
def test_score_range_is_two_ascending_numbers(scores: object) -> None:
    error = refuse_eval(make_eval(SCORE_MODEL | {"range": scores}))

    assert error.param is not None
    assert error.param.startswith("testing_criteria[0].range")


def test_score_range_takes_integers_and_null() -> None:
    parsed = parse_eval(make_eval(SCORE_MODEL | {"range": [1, 5.5]}, SCORE_MODEL | {"range": None}))
    first, second = parsed.body.testing_criteria

    assert isinstance(first, EvalGraderScoreModel)
    assert isinstance(second, EvalGraderScoreModel)
    assert (first.range, second.range) == ([1.0, 5.5], None)


def test_judge_parameters_take_both_spellings_of_the_token_limit() -> None:
    params = {
        "max_completion_tokens": 5,
        "max_completions_tokens": 6,
        "reasoning_effort": "extreme",
        "seed": 1,
    }

    parsed = parse_eval(make_eval(SCORE_MODEL | {"sampling_params": params}))

    assert parsed.unknown == ()


def test_documented_echo_of_a_label_model_parses() -> None:
    parse_eval(make_eval(LABEL_MODEL | {"sampling_params": None, "id": "Tone-1"}))


def test_python_source_is_measured_in_bytes() -> None:
    size_limit = 256 * 1024
    parse_eval(make_eval(PYTHON | {"source": "#" * (size_limit - 1)}))
    for source in ("#" * size_limit, "é" * (size_limit // 2)):
        error = refuse_eval(make_eval(PYTHON | {"source": source}))

        assert error.param == "testing_criteria[0].source"
        assert str(size_limit) in error.message
        assert len(error.message) < 200


def test_python_source_is_not_empty() -> None:
    assert refuse_eval(make_eval(PYTHON | {"source": ""})).param == "testing_criteria[0].source"


def test_multi_takes_a_list_of_graders_with_names() -> None:
    parsed = parse_eval(make_eval(MULTI | {"graders": [STRING_CHECK, PYTHON]}))

    criterion = parsed.body.testing_criteria[0]
    assert isinstance(criterion, EvalGraderMulti)
    assert isinstance(criterion.graders, list)


def test_multi_takes_a_map_of_graders_without_names() -> None:
    parse_eval(make_eval(MULTI | {"graders": {"a": without(STRING_CHECK, "name")}}))


@pytest.mark.parametrize("graders", [[], {}])
def test_multi_needs_at_least_one_grader(graders: object) -> None:
    assert refuse_eval(make_eval(MULTI | {"graders": graders})).param == "testing_criteria[0].graders"


def test_listed_graders_need_distinct_names() -> None:
    missing = refuse_eval(make_eval(MULTI | {"graders": [STRING_CHECK, without(PYTHON, "name")]}))
    twice = refuse_eval(make_eval(MULTI | {"graders": [STRING_CHECK, STRING_CHECK]}))

    assert missing.param == twice.param == "testing_criteria[0].graders[1].name"
    assert "'Match'" in twice.message


def test_multi_does_not_nest() -> None:
    error = refuse_eval(make_eval(MULTI | {"graders": {"inner": MULTI}}))

    assert error.param == "testing_criteria[0].graders.inner.type"
    assert "'python'" in error.message


def test_multi_needs_a_formula() -> None:
    for document in (without(MULTI, "calculate_output"), MULTI | {"calculate_output": ""}):
        assert refuse_eval(make_eval(document)).param == "testing_criteria[0].calculate_output"


def test_error_inside_a_multi_grader_names_the_whole_path() -> None:
    graders = {"string_check": STRING_CHECK | {"operation": "is"}}

    error = refuse_eval(make_eval(MULTI | {"graders": graders}))

    assert error.param == "testing_criteria[0].graders.string_check.operation"


def test_grader_endpoints_take_graders_without_names() -> None:
    for name in ({}, {"name": None}):
        grader = without(STRING_CHECK, "name") | name
        body = parse_request(RunGraderRequest, {"grader": grader, "model_sample": "x", "item": None}).body

        assert isinstance(body.grader, GraderStringCheck)
        assert body.grader.name == ""


def test_grader_endpoint_needs_a_model_sample_and_an_object_item() -> None:
    for more, param in (({}, "model_sample"), ({"model_sample": "", "item": []}, "item")):
        with pytest.raises(RequestError) as refusal:
            parse_request(RunGraderRequest, {"grader": STRING_CHECK} | more)

        assert refusal.value.param == param


def test_text_may_hold_lone_surrogates_and_nul() -> None:
    odd = {"name": "\ud800", "input": "\x00\ud83d", "reference": "{{ item.a }}"}

    parse_eval(make_eval(STRING_CHECK | odd, PYTHON | {"source": "x = '\ud800'"}))
