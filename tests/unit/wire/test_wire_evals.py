"""Facts about eval bodies: configs, metadata, names and updates."""

from typing import Any

import pytest

from evalhaven.wire.evals import UpdateEvalRequest
from evalhaven.wire.requests import RequestError, parse_request
from tests.unit.wire.documents import STRING_CHECK, make_eval, parse_eval, refuse_eval

MIXED: dict[str, Any] = {"n": 1.5, "b": True, "0": None, "l": ["x", {"y": []}]}


def test_every_config_type_parses() -> None:
    configs: list[dict[str, Any]] = [
        {"type": "custom", "item_schema": {}, "include_sample_schema": True},
        {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": None},
        {"type": "logs", "metadata": {"usecase": "push"}},
        {"type": "logs", "metadata": None},
        {"type": "stored_completions", "metadata": {"usecase": "push"}},
        {"type": "stored_completions"},
    ]
    for config in configs:
        assert parse_eval(make_eval(data_source_config=config)).unknown == ()


@pytest.mark.parametrize("kind", ["jsonl", "", 1, None])
def test_unknown_config_type_names_the_allowed_types(kind: object) -> None:
    error = refuse_eval(make_eval(data_source_config={"type": kind, "item_schema": {}}))

    assert error.param == "data_source_config.type"
    assert "'custom', 'logs' or 'stored_completions'" in error.message


@pytest.mark.parametrize("schema", [None, True, [], "{}"])
def test_item_schema_is_an_object(schema: object) -> None:
    error = refuse_eval(make_eval(data_source_config={"type": "custom", "item_schema": schema}))

    assert error.param == "data_source_config.item_schema"
    assert "an object" in error.message


def test_missing_parts_of_an_eval_are_named() -> None:
    assert refuse_eval({"testing_criteria": []}).param == "data_source_config"
    error = refuse_eval({"data_source_config": {"type": "logs"}})
    assert error.param == "testing_criteria"
    assert error.message == "'testing_criteria' is required but missing."


def test_null_equals_absent_for_name_and_metadata() -> None:
    body = parse_eval(make_eval(STRING_CHECK, name=None, metadata=None)).body

    assert (body.name, body.metadata) == (None, None)


def test_name_is_a_string() -> None:
    error = refuse_eval(make_eval(name=5))

    assert (error.param, error.message) == ("name", "'name' must be a string, but is an integer: 5.")


def test_metadata_at_its_limits_is_accepted() -> None:
    metadata = {"k" * 62 + f"{index:02}": "v" * 512 for index in range(16)}

    assert parse_eval(make_eval(metadata=metadata)).body.metadata == metadata


def test_metadata_errors_name_the_key() -> None:
    long_key = "k" * 65
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"theme": 1}, "metadata.theme", "'theme'"),
        ({"theme": None}, "metadata.theme", "'theme'"),
        ({"theme": "v" * 513}, "metadata.theme", "513"),
        ({long_key: ""}, "metadata", long_key),
        ({str(index): "" for index in range(17)}, "metadata", "at most 16 pairs"),
    ]
    for metadata, param, said in cases:
        error = refuse_eval(make_eval(metadata=metadata))
        assert error.param == param
        assert said in error.message


def test_metadata_that_is_no_object_is_refused() -> None:
    assert refuse_eval(make_eval(metadata=[])).param == "metadata"


@pytest.mark.parametrize("kind", ["logs", "stored_completions"])
def test_config_metadata_holds_values_of_any_type(kind: str) -> None:
    long = {"k" * 100: "v" * 600, **{str(index): index for index in range(20)}}
    for metadata in (MIXED, long, {}, None):
        config = {"type": kind, "metadata": metadata}
        parsed = parse_eval(make_eval(data_source_config=config))
        assert parsed.body.data_source_config.model_dump() == config
        assert parsed.unknown == ()


@pytest.mark.parametrize("kind", ["logs", "stored_completions"])
def test_config_metadata_that_is_no_object_is_refused(kind: str) -> None:
    error = refuse_eval(make_eval(data_source_config={"type": kind, "metadata": []}))

    assert error.param == "data_source_config.metadata"


def test_update_tells_null_metadata_from_absent() -> None:
    cleared = parse_request(UpdateEvalRequest, {"metadata": None}).body
    untouched = parse_request(UpdateEvalRequest, {"name": "New"}).body

    assert "metadata" in cleared.model_fields_set
    assert "metadata" not in untouched.model_fields_set


@pytest.mark.parametrize("document", [None, [], "x", 1, True])
def test_body_that_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(RequestError, match="must be a JSON object") as refusal:
        parse_request(UpdateEvalRequest, document)

    assert refusal.value.param is None
