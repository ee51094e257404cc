"""Facts about response models: recorded answers fit them, and the published contract is kept."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from evalhaven.wire.errors import ErrorResponse
from evalhaven.wire.evals import CreateEvalRequest, Eval, EvalDeleted, EvalList
from evalhaven.wire.files import (
    FILE_PURPOSES_UPLOADABLE,
    DeleteFileResponse,
    FileExpirationAfter,
    FilePurpose,
    ListFilesResponse,
    OpenAIFile,
)
from evalhaven.wire.grader_endpoints import RunGraderResponse, ValidateGraderResponse
from evalhaven.wire.models import ListModelsResponse
from evalhaven.wire.output_items import EvalRunOutputItem, EvalRunOutputItemList, EvalRunOutputItemSample
from evalhaven.wire.requests import parse_request
from evalhaven.wire.runs import CreateEvalRunRequest, EvalRun, EvalRunDeleted, EvalRunList
from tests.recorded import read_recorded

ANSWERS: list[type[BaseModel]] = [
    DeleteFileResponse,
    ErrorResponse,
    EvalDeleted,
    EvalList,
    EvalRunDeleted,
    EvalRunList,
    EvalRunOutputItemList,
    ListFilesResponse,
    ListModelsResponse,
    RunGraderResponse,
    ValidateGraderResponse,
]

OUTPUT_ITEM: dict[str, Any] = {
    "object": "eval.run.output_item",
    "id": "outputitem_67e5796c28e081909917bf79f6e6214d",
    "created_at": 1743092076,
    "run_id": "evalrun_67abd54d60ec8190832b46859da808f7",
    "eval_id": "eval_67abd54d9b0081909a86353f6fb9317a",
    "status": "pass",
    "datasource_item_id": 5,
    "datasource_item": {"input": "Stock Markets Rally", "ground_truth": "Markets"},
    "results": [{"name": "String check-a2486074", "sample": None, "passed": True, "score": 1.0}],
    "sample": {
        "input": [{"role": "user", "content": "x", "tool_call_id": None, "tool_calls": None}],
        "output": [{"role": "assistant", "content": "Markets", "function_call": None}],
        "finish_reason": "stop",
        "model": "gpt-4o-mini-2024-07-18",
        "usage": {"total_tokens": 3, "completion_tokens": 2, "prompt_tokens": 1, "cached_tokens": 0},
        "error": None,
        "temperature": 1.0,
        "max_completion_tokens": 2048,
        "top_p": 1.0,
        "seed": 42,
    },
}


@pytest.fixture(scope="module")
def recorded(shared_dir: Path) -> Path:
    return shared_dir / "spec" / "recorded"


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def unknown_of(model: BaseModel) -> set[str]:
    return set(model.model_extra or {})


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("eval_created_custom_with_sample_schema__2025-05.json", Eval),
        ("run_queued_file_id_completions__2025-05.json", EvalRun),
        ("run_completed_responses_file_id__2025-11.json", EvalRun),
        ("file_purpose_evals__2025-05.json", OpenAIFile),
        ("grader_run_python__2025-late.json", RunGraderResponse),
    ],
)
def test_recorded_answer_fits_its_model(recorded: Path, name: str, model: type[BaseModel]) -> None:
    document = read(recorded / name)

    parsed = model.model_validate(document)

    assert unknown_of(parsed) == set()
    assert json.loads(parsed.model_dump_json(by_alias=True, exclude_unset=True)) == document


def test_recorded_output_item_fits_its_model(recorded: Path) -> None:
    document = read_recorded(recorded / "output_item_image_score_model__cookbook_2025-07.txt")

    item = EvalRunOutputItem.model_validate(document)

    assert unknown_of(item) == set()
    assert item.datasource_item_content_hash == document["_datasource_item_content_hash"]
    assert json.loads(item.model_dump_json(by_alias=True, exclude_unset=True)) == document


def test_sample_of_a_recorded_judge_is_a_sample_but_for_one_key(recorded: Path) -> None:
    document = read_recorded(recorded / "output_item_image_score_model__cookbook_2025-07.txt")
    judged = document["results"][0]["sample"]
    # The published schema adds the token limit to the ten keys that were recorded.
    sample = EvalRunOutputItemSample.model_validate(judged | {"max_completion_tokens": None})

    assert json.loads(sample.model_dump_json(exclude_unset=True)) == judged | {"max_completion_tokens": None}


@pytest.mark.parametrize(
    "name",
    ["run_queued_file_id_completions__2025-05.json", "run_completed_responses_file_id__2025-11.json"],
)
def test_data_source_of_a_recorded_run_can_be_sent_again(recorded: Path, name: str) -> None:
    document = read(recorded / name)

    parsed = parse_request(
        CreateEvalRunRequest,
        {"data_source": document["data_source"], "name": document["name"], "metadata": document["metadata"]},
    )

    assert parsed.unknown == ()


def test_criteria_of_a_recorded_eval_can_be_sent_again(recorded: Path) -> None:
    document = read(recorded / "eval_created_custom_with_sample_schema__2025-05.json")
    config = {"type": "custom", "item_schema": document["data_source_config"]["schema"]["properties"]["item"]}

    parsed = parse_request(
        CreateEvalRequest,
        {"testing_criteria": document["testing_criteria"], "data_source_config": config},
    )

    assert parsed.unknown == ()


def test_documented_output_item_fits_its_model() -> None:
    assert unknown_of(EvalRunOutputItem.model_validate(OUTPUT_ITEM)) == set()


def test_errored_output_item_fits_its_model() -> None:
    sample = OUTPUT_ITEM["sample"] | {
        "input": [],
        "output": [{"role": "assistant", "content": ""}],
        "finish_reason": "",
        "model": "",
        "error": {"code": "invalid_image_url", "message": "Timeout"},
        "seed": None,
        "max_completion_tokens": None,
    }
    more = {"status": "error", "results": [], "sample": sample, "evalhaven": {"repeat": 0}}

    EvalRunOutputItem.model_validate(OUTPUT_ITEM | more)


def test_statuses_are_closed() -> None:
    with pytest.raises(ValidationError):
        EvalRunOutputItem.model_validate(OUTPUT_ITEM | {"status": "failed"})


def test_deletions_and_empty_lists_fit_their_models() -> None:
    empty = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}

    EvalDeleted.model_validate({"object": "eval.deleted", "deleted": True, "eval_id": "eval_abc123"})
    EvalRunDeleted.model_validate({"object": "eval.run.deleted", "deleted": True, "run_id": "evalrun_1"})
    for model in (EvalList, EvalRunList, EvalRunOutputItemList, ListFilesResponse):
        model.model_validate(empty)


def test_extension_of_a_run_has_its_required_keys() -> None:
    properties = EvalRun.model_json_schema()["$defs"]["EvalRunExtension"]

    assert set(properties["required"]) == {
        "items_planned",
        "started_at",
        "ended_at",
        "warnings",
        "unresolved",
        "errors",
        "repeats",
        "cache",
        "max_concurrency",
        "extra_body",
        "times_retried",
        "regraded",
        "budget",
        "labels",
        "strict",
        "latency",
        "cost",
        "usage_split",
        "retries",
        "cache_hits",
        "limiter",
        "sandbox",
    }
    assert properties["additionalProperties"] is True


def test_uploadable_purposes_are_purposes_of_files() -> None:
    shown = TypeAdapter[Any](FilePurpose).json_schema()["enum"]

    assert set(FILE_PURPOSES_UPLOADABLE) < set(shown)


@pytest.mark.parametrize("seconds", [3600, 2_592_000])
def test_expiry_within_its_bounds_is_accepted(seconds: int) -> None:
    FileExpirationAfter.model_validate({"anchor": "created_at", "seconds": seconds})


@pytest.mark.parametrize("seconds", [3599, 2_592_001, "3600", True])
def test_expiry_outside_its_bounds_is_refused(seconds: object) -> None:
    with pytest.raises(ValidationError):
        FileExpirationAfter.model_validate({"anchor": "created_at", "seconds": seconds})


def read_published_required(path: Path) -> dict[str, set[str]]:
    # A reader for the one layout that file has: no YAML library is a dependency of the tests.
    required: dict[str, set[str]] = {}
    schema, collecting = "", False
    in_schemas = False
    for line in path.read_text(encoding="utf-8").splitlines():
        in_schemas = in_schemas or line == "  schemas:"
        if not in_schemas:
            continue
        if line.startswith("    ") and not line.startswith("     ") and line.endswith(":"):
            schema = line.strip(" :")
        if collecting and line.startswith("      - "):
            required.setdefault(schema, set()).add(line.removeprefix("      - "))
        else:
            collecting = line == "      required:"
    return required


def test_every_published_required_key_of_a_model_is_required_here(shared_dir: Path) -> None:
    published = read_published_required(shared_dir / "spec" / "openapi" / "evals-graders-files.yaml")
    ours: dict[str, Any] = {}
    for model in [*ANSWERS, CreateEvalRequest, CreateEvalRunRequest]:
        schema = model.model_json_schema(mode="serialization")
        ours |= schema.get("$defs", {}) | {model.__name__: schema}

    # Lenient on purpose: a grader without a name gets one from the server, and images have no
    # detail unless the user asks for it.
    lenient = {
        "GraderStringCheck": {"name"},
        "GraderTextSimilarity": {"name"},
        "GraderLabelModel": {"name"},
        "GraderScoreModel": {"name"},
        "GraderPython": {"name"},
        "GraderMulti": {"name"},
        "InputImageContent": {"detail"},
        "FunctionTool": {"strict", "parameters"},
    }
    shared = published.keys() & ours.keys()
    lacking = {
        name: keys
        for name in shared
        if (keys := published[name] - set(ours[name].get("required", [])) - lenient.get(name, set()))
    }

    assert len(shared) > 35
    assert lacking == {}


@pytest.mark.parametrize("model", [*ANSWERS, CreateEvalRequest, CreateEvalRunRequest])
def test_every_model_has_a_json_schema_with_a_description(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()

    described = [schema, *schema.get("$defs", {}).values()]
    assert [part["title"] for part in described if not part.get("description")] == []
