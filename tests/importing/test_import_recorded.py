"""Real responses of the hosted API and real rows of its exports come over; the SDK lists and pages them."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import openai
import pytest

from tests.importing.moving import Holdings, Json, an_eval, canonical, run_import, write_archive
from tests.recorded import read_recorded
from tests.server import Server

EXPORTS = ("export_row_errored_2025-09.json", "export_row_model_graders_2024-12.json", "export_row_pass_2025-09.json")


@pytest.fixture(scope="module")
def recorded(shared_dir: Path) -> Path:
    return shared_dir / "spec" / "recorded"


@pytest.fixture(scope="module")
def responses(recorded: Path) -> dict[str, Json]:
    """Return the recorded objects, with plain evals and runs around those whose own were not recorded."""
    found = {path.name.partition("__")[0]: path for path in recorded.iterdir()}
    names = ("eval_created_custom_with_sample_schema", "run_completed_responses_file_id", "file_purpose_evals")
    documents = {name: json.loads(found[name].read_text()) for name in names}
    queued = json.loads(found["run_queued_file_id_completions"].read_text())
    # It was recorded when it was created; such runs are refused, see below.
    documents["queued"] = queued
    documents["run_queued_file_id_completions"] = {**queued, "status": "canceled"}
    documents["item"] = read_recorded(found["output_item_image_score_model"])
    return documents


def parent_of(number: int, eval_id: str, criterion: str) -> Json:
    found = an_eval(number, id=eval_id)
    found["testing_criteria"][0].update(id=criterion, name=criterion.rpartition("-")[0])
    return found


@pytest.fixture(scope="module")
def holdings(responses: dict[str, Json]) -> Holdings:
    completed, canceled = responses["run_completed_responses_file_id"], responses["run_queued_file_id_completions"]
    item = responses["item"]
    criteria = completed["per_testing_criteria_results"][0]["testing_criteria"]
    item_run = {**completed, "id": item["run_id"], "eval_id": item["eval_id"], "result_counts": counts(0, 1, 0)}
    evals = [
        responses["eval_created_custom_with_sample_schema"],
        parent_of(2, completed["eval_id"], criteria),
        parent_of(3, canceled["eval_id"], "other-1"),
        parent_of(4, item["eval_id"], item["results"][0]["name"]),
    ]
    return Holdings(
        evals,
        {completed["eval_id"]: [completed], canceled["eval_id"]: [canceled], item["eval_id"]: [item_run]},
        {item["run_id"]: [item]},
        [(responses["file_purpose_evals"], b'{"item": {"ticket_text": "t", "correct_label": "l"}}\n')],
    )


def counts(passed: int, failed: int, errored: int) -> Json:
    return {"total": passed + failed + errored, "errored": errored, "failed": failed, "passed": passed}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, holdings: Holdings, recorded: Path) -> Iterator[Server]:
    archive = write_archive(tmp_path_factory.mktemp("archive") / "a", holdings)
    with Server(tmp_path_factory.mktemp("server")).running() as running:
        outcome = run_import("archive", archive, "--url", running.url)
        assert outcome.status == 0, outcome
        assert outcome.counts["runs"] == (3, 0, 0)
        outcome = run_import("dashboard", *(recorded / name for name in EXPORTS), "--url", running.url)
        assert outcome.status == 0, outcome
        yield running


@pytest.fixture(scope="module")
def sdk(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="any", max_retries=0) as opened:
        yield opened


def test_recorded_objects_are_answered_as_they_were(sdk: openai.OpenAI, holdings: Holdings) -> None:
    for parent in holdings.evals:
        assert canonical(sdk.evals.retrieve(parent["id"]).to_dict(mode="json")) == canonical(parent)
        for run in holdings.runs.get(parent["id"], []):
            found = sdk.evals.runs.retrieve(run["id"], eval_id=parent["id"]).to_dict(mode="json")
            assert canonical(found) == canonical(run)
            assert found["evalhaven"] == {
                "imported": {"origin": "https://api.example.com/v1", "report_url": run["report_url"]}
            }
            for item in holdings.items.get(run["id"], []):
                answered = sdk.evals.runs.output_items.retrieve(item["id"], eval_id=parent["id"], run_id=run["id"])
                assert canonical(answered.to_dict(mode="json")) == canonical(item)
                assert answered.results[0].score == 0.0
    file = holdings.files[0][0]
    assert canonical(sdk.files.retrieve(file["id"]).to_dict(mode="json")) == canonical(file)


def test_recorded_objects_are_answered_alone_and_in_lists_to_the_last_key(server: Server, holdings: Holdings) -> None:
    with httpx2.Client(base_url=f"{server.url}/v1") as http:
        for parent in holdings.evals:
            path = f"/evals/{parent['id']}"
            assert_answered(http, "/evals", parent)
            for run in holdings.runs.get(parent["id"], []):
                assert_answered(http, f"{path}/runs", run)
                for item in holdings.items.get(run["id"], []):
                    assert_answered(http, f"{path}/runs/{run['id']}/output_items", item)
        assert_answered(http, "/files", holdings.files[0][0])


def assert_answered(http: httpx2.Client, path: str, recorded: Json) -> None:
    """Fail unless an object is returned as recorded, with the same kinds of numbers, both by itself and in a list."""
    alone = http.get(f"{path}/{recorded['id']}").json()
    (listed,) = [each for each in http.get(path, params={"limit": 100}).json()["data"] if each["id"] == recorded["id"]]
    assert alone == listed
    assert canonical(alone) == canonical(recorded)


def test_they_are_paged_with_the_sdk(sdk: openai.OpenAI, holdings: Holdings) -> None:
    listed = [each.id for each in sdk.evals.list(limit=1)]

    assert len(listed) == len(set(listed)) == len(holdings.evals) + len(EXPORTS)
    for parent in holdings.evals:
        runs = [run.id for run in sdk.evals.runs.list(parent["id"], limit=1)]
        assert runs == [run["id"] for run in holdings.runs.get(parent["id"], [])]


@pytest.mark.parametrize("name", EXPORTS)
def test_rows_of_exports_have_the_passes_that_the_files_say(sdk: openai.OpenAI, recorded: Path, name: str) -> None:
    row = json.loads((recorded / name).read_text())
    (parent,) = [each for each in sdk.evals.list(limit=2) if each.name == Path(name).stem]
    (run,) = sdk.evals.runs.list(parent.id)
    (item,) = sdk.evals.runs.output_items.list(run.id, eval_id=parent.id)
    is_errored = "error" in row["sample"]
    passes = all(row["passes"].values()) and not is_errored

    assert run.id == row["run_id"]
    assert run.result_counts.to_dict() == counts(passes, not passes and not is_errored, is_errored)
    assert {each.testing_criteria: (each.passed, each.failed) for each in run.per_testing_criteria_results} == {
        key: (int(passed), int(not passed)) for key, passed in row["passes"].items()
    }
    assert (item.datasource_item_id, item.datasource_item) == (row["data_source_idx"], row["item"])
    assert {each.name: (each.score, each.passed) for each in item.results} == {
        key: (row["grades"][key], passed) for key, passed in row["passes"].items()
    }
    assert {each.name for each in item.results if each.sample} == {k for k, v in row["grader_samples"].items() if v}
    assert (item.sample.error.code if item.sample.error else None) == row["sample"].get("error", {}).get("code")
    assert all(isinstance(message.content, str) for message in item.sample.input)
    assert [run.model] == [row["sample"]["sampled_model_name"]]


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_row_can_be_told_again_from_the_item_it_became(sdk: openai.OpenAI, recorded: Path, name: str) -> None:
    row = json.loads((recorded / name).read_text())
    (parent,) = [each for each in sdk.evals.list(limit=2) if each.name == Path(name).stem]
    (listed,) = sdk.evals.runs.output_items.list(row["run_id"], eval_id=parent.id)
    item: Json = listed.to_dict(mode="json")
    graders: dict[str, Json] = {each["name"]: each for each in item["results"]}

    assert row == {
        "run_id": item["run_id"],
        "data_source_idx": item["datasource_item_id"],
        "item": item["datasource_item"],
        "sample": exported_sample(item["sample"], like=row["sample"]),
        "grades": {key: each["score"] for key, each in graders.items()},
        "grader_samples": {
            key: exported_sample(graders[key]["sample"], like=each) if each else {}
            for key, each in row["grader_samples"].items()
        },
        "passes": {key: each["passed"] for key, each in graders.items()},
    }


def exported_sample(sample: Json, like: Json) -> Json:
    """Return a sample in the form of exports.

    Args:
        sample: The sample in the API's form.
        like: The exported sample, for its keys and the parts of its messages, which the API shows as one text.
    """
    parameters = {
        "seed": sample["seed"],
        "temperature": sample["temperature"],
        "max_tokens": sample["max_completion_tokens"],
        "top_p": sample["top_p"],
        "api_specific_params": {},
    }
    exported = {
        "trajectory": [unflattened(*each) for each in zip(sample["input"], like["trajectory"], strict=True)],
        "outputs": sample["output"],
        "finish_reason": sample["finish_reason"],
        "sampled_model_name": sample["model"],
        "sampled_model_params": {key: parameters[key] for key in like.get("sampled_model_params", {})},
        "token_usage": sample["usage"],
        "error": sample["error"],
    }
    lost = [key for key, value in exported.items() if key not in like and value and key != "token_usage"]
    assert lost == [], "the API shows what the row lacks"
    return {key: exported[key] for key in like}


def unflattened(message: Json, like: Json) -> Json:
    """Return a message with the parts of the exported one, if they make up its text."""
    if isinstance(like["content"], str):
        return message
    texts = [part.get("text") or f"<image>{part['image_url']}</image>" for part in like["content"]]
    assert message["content"] == " ".join(texts)
    return {**message, "content": like["content"]}


def test_every_recording_comes_over_or_has_a_model(recorded: Path) -> None:
    imported = {
        "eval_created_custom_with_sample_schema",
        "run_completed_responses_file_id",
        "run_queued_file_id_completions",
        "file_purpose_evals",
        "output_item_image_score_model",
    }
    rows = {Path(name).stem for name in EXPORTS}
    # No endpoint returns it yet; tests/unit/wire/test_wire_responses.py checks it against its model.
    of_graders = {"grader_run_python"}

    assert {path.stem.partition("__")[0] for path in recorded.iterdir()} == imported | rows | of_graders


def test_images_are_flattened_as_in_recorded_responses(
    sdk: openai.OpenAI, recorded: Path, responses: dict[str, Json]
) -> None:
    row = json.loads((recorded / EXPORTS[2]).read_text())
    (parent,) = [each for each in sdk.evals.list() if each.name == Path(EXPORTS[2]).stem]
    (run,) = sdk.evals.runs.list(parent.id)
    (item,) = sdk.evals.runs.output_items.list(run.id, eval_id=parent.id)
    text, image = row["sample"]["trajectory"][1]["content"]

    assert item.sample.input[1].content == f"{text['text']} <image>{image['image_url']}</image>"
    # The form itself, from the recorded response.
    assert responses["item"]["sample"]["input"][1]["content"].startswith("<image>https://")


def test_a_run_recorded_under_way_is_refused(tmp_path: Path, responses: dict[str, Json]) -> None:
    queued = responses["queued"]
    parent = parent_of(1, queued["eval_id"], "other-1")
    archive = write_archive(tmp_path / "a", Holdings([parent], {parent["id"]: [queued]}))
    outcome = run_import("archive", archive, "--data-dir", tmp_path / "data")

    assert outcome.status == 3
    assert f"runs {queued['id']}: its status was 'queued'" in outcome.out
