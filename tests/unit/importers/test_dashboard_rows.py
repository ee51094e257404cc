"""Facts about rows of results exports: what they are as output items of the API."""

import json
from typing import Any

import pytest

from evalhaven.domain.ids import created_at_of
from evalhaven.importers.dashboard_rows import (
    ExportRow,
    RowRefusedError,
    flattened_message,
    output_item_document,
    parse_export_row,
)

RUN_ID = "evalrun_68b53fe282b88191982834d80bc19797"
SAMPLE: dict[str, Any] = {
    "trajectory": [{"role": "user", "content": "Say it."}],
    "outputs": [{"role": "assistant", "content": "it"}],
    "finish_reason": "stop",
    "sampled_model_name": "gpt-4o-2024-08-06",
    "sampled_model_params": {"temperature": 1.0, "top_p": 0.5, "api_specific_params": {}},
    "token_usage": {"total_tokens": 7, "completion_tokens": 3, "prompt_tokens": 4, "cached_tokens": 0},
}


def parsed(**changes: Any) -> ExportRow:
    row = {
        "run_id": RUN_ID,
        "data_source_idx": 21,
        "item": {"q": "1"},
        "sample": SAMPLE,
        "grades": {"g-1": 1.0},
        "grader_samples": {},
        "passes": {"g-1": True},
        **changes,
    }
    return parse_export_row(json.dumps(row).encode())


def as_item(row: ExportRow, occurrence: int = 0, has_graders: bool = True) -> dict[str, Any]:
    return output_item_document(row, "eval_1", occurrence, has_graders=has_graders)


def test_a_row_becomes_an_output_item_of_the_api() -> None:
    item = as_item(parsed())

    assert item == {
        "object": "eval.run.output_item",
        "id": item["id"],
        "created_at": 0x68B53FE2,
        "run_id": RUN_ID,
        "eval_id": "eval_1",
        "status": "pass",
        "datasource_item_id": 21,
        "datasource_item": {"q": "1"},
        "results": [{"name": "g-1", "score": 1.0, "passed": True, "sample": None}],
        "sample": {
            "input": [{"role": "user", "content": "Say it."}],
            "output": [{"role": "assistant", "content": "it"}],
            "finish_reason": "stop",
            "model": "gpt-4o-2024-08-06",
            "usage": {"total_tokens": 7, "completion_tokens": 3, "prompt_tokens": 4, "cached_tokens": 0},
            "error": None,
            "temperature": 1.0,
            "max_completion_tokens": None,
            "top_p": 0.5,
            "seed": None,
        },
    }


def test_parameters_of_the_first_exports_are_understood() -> None:
    parameters = {"seed": 42, "temperature": 0.5, "max_tokens": 2048, "top_p": 1.0}
    sample = as_item(parsed(sample={**SAMPLE, "sampled_model_params": parameters}))["sample"]

    assert (sample["seed"], sample["temperature"], sample["max_completion_tokens"], sample["top_p"]) == (
        42,
        0.5,
        2048,
        1.0,
    )
    assert "max_tokens" not in sample


def test_ids_depend_on_run_index_and_occurrence_and_hold_the_time_of_the_run() -> None:
    ids = [as_item(parsed(data_source_idx=index), occurrence)["id"] for index in (0, 1, 300) for occurrence in (0, 1)]

    assert len(set(ids)) == 6
    assert sorted({each[:-8] for each in ids}) == [each[:-8] for each in ids[::2]]
    assert {created_at_of(each) for each in ids} == {0x68B53FE2}
    assert {len(each) for each in ids} == {len("outputitem_") + 32}
    assert as_item(parsed(grades={"g-1": 0}))["id"] == as_item(parsed())["id"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"passes": {"a": True, "b": True}, "grades": {"a": 1, "b": 1}}, "pass"),
        ({"passes": {"a": True, "b": False}, "grades": {"a": 1, "b": 0}}, "fail"),
        ({"sample": {**SAMPLE, "error": {"code": "c", "message": "m"}}, "grades": {}, "passes": {}}, "error"),
        ({"grades": {}, "passes": {}}, "error"),
        ({"passes": None, "grades": {"a": 1.0}}, "pass"),
        ({"passes": None, "grades": {"a": 0.9}}, "fail"),
    ],
)
def test_the_status_is_that_of_the_passes(changes: dict[str, Any], status: str) -> None:
    assert as_item(parsed(**changes))["status"] == status


def test_rows_without_any_graders_pass() -> None:
    assert as_item(parsed(grades={}, passes={}), has_graders=False)["status"] == "pass"


def test_a_pass_that_is_not_stated_is_marked() -> None:
    results = as_item(parsed(grades={"a": 1.0, "b": 1.0}, passes={"a": True}))["results"]

    assert results[0] == {"name": "a", "score": 1.0, "passed": True, "sample": None}
    assert results[1]["evalhaven"] == {"passed_inferred": True}


def test_errors_keep_every_key() -> None:
    error = {"message": "Timeout", "code": "invalid_image_url", "type": "invalid_request_error"}
    sample = {"trajectory": [], "outputs": [], "finish_reason": "", "sampled_model_name": "", "error": error}

    assert as_item(parsed(sample=sample))["sample"]["error"] == error


def test_samples_of_model_graders_are_converted_and_empty_ones_are_null() -> None:
    row = parsed(grades={"g": 1.0, "h": 1.0}, passes={"g": True, "h": True}, grader_samples={"g": SAMPLE, "h": {}})
    results = as_item(row)["results"]

    assert results[0]["sample"] == as_item(parsed())["sample"]
    assert results[1]["sample"] is None


def test_unknown_keys_are_kept() -> None:
    row = parsed(annotation={"rating": "good"}, sample={**SAMPLE, "cost": 0.25})

    assert as_item(row)["evalhaven"] == {"row": {"annotation": {"rating": "good"}}}
    assert as_item(row)["sample"]["cost"] == 0.25


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}], "a b"),
        (
            [
                {"type": "text", "text": "Prompt:"},
                {"type": "input_image", "detail": "auto", "image_url": "https://x/y.png"},
                {"type": "image_url", "image_url": {"url": "https://x/z.png"}},
            ],
            "Prompt: <image>https://x/y.png</image> <image>https://x/z.png</image>",
        ),
        ({"type": "input_text", "text": "alone"}, "alone"),
        ([{"type": "input_audio", "input_audio": {"format": "wav"}}, "b"], None),
        (None, None),
    ],
)
def test_contents_are_flattened_as_the_api_does(content: Any, text: str | None) -> None:
    message = flattened_message({"role": "user", "content": content, "name": "n"})
    assert isinstance(message, dict)
    assert (message["role"], message["name"]) == ("user", "n")
    if content is None:
        assert message["content"] is None
    elif text is None:
        assert message["content"] == '{"type":"input_audio","input_audio":{"format":"wav"}} b'
    else:
        assert message["content"] == text


@pytest.mark.parametrize(
    "raw",
    [
        "{",
        "[]",
        "{}",
        '{"run_id": "evalrun_x", "data_source_idx": 0, "item": {}}',
        json.dumps({"run_id": RUN_ID, "item": {}}),
        json.dumps({"run_id": RUN_ID, "data_source_idx": -1, "item": {}}),
        json.dumps({"run_id": RUN_ID, "data_source_idx": True, "item": {}}),
        json.dumps({"run_id": RUN_ID, "data_source_idx": 0, "item": []}),
    ],
)
def test_what_is_no_row_is_refused(raw: str) -> None:
    with pytest.raises(RowRefusedError):
        parse_export_row(raw.encode())
