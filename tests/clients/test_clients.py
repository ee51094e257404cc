"""One scenario for all clients, who see the same facts: create, read, page, poll, cancel, delete and be refused.

A client's program (tests/clients/programs) does the scenario with the client's own calls and reports what it saw.
"""

from typing import Any

import httpx2
import pytest

from tests.clients.clients import CLIENTS, Client
from tests.clients.scenario import (
    CRITERION,
    EVAL,
    FAILED_ROWS,
    FILE,
    ITEM_SCHEMA,
    LARGE_FILE,
    LARGE_ROWS,
    METADATA,
    ROWS,
    UPDATE,
    given,
)
from tests.server import Server

COUNTS = {"total": 7, "passed": 5, "failed": 2, "errored": 0}
Seen = dict[str, Any]


@pytest.fixture(scope="module")
def large_file_id(server: Server) -> str:
    answer = httpx2.post(
        f"{server.url}/v1/files", files={"file": ("large.jsonl", LARGE_FILE)}, data={"purpose": "evals"}, timeout=60
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module", params=CLIENTS, ids=lambda client: client.name)
def played(
    request: pytest.FixtureRequest, server: Server, large_file_id: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Client, Seen]:
    """A client and what it saw."""
    client: Client = request.param
    return client, client.play(server.url, tmp_path_factory.mktemp(client.name), given(large_file_id))


@pytest.fixture
def seen(played: tuple[Client, Seen]) -> Seen:
    return played[1]


def test_the_client_has_the_version_that_is_meant(played: tuple[Client, Seen]) -> None:
    client, seen = played
    assert seen["version"].startswith(client.version)


def test_every_answer_fits_the_clients_own_models(played: tuple[Client, Seen]) -> None:
    client, seen = played
    assert set(seen["problems"]) == client.problems


def test_an_eval_is_created(seen: Seen) -> None:
    created = seen["created"]
    assert created["object"] == "eval"
    assert created["id"].startswith("eval_")
    assert isinstance(created["created_at"], int)
    assert {key: created[key] for key in ("name", "metadata")} == {key: EVAL[key] for key in ("name", "metadata")}
    assert created["data_source_config"]["type"] == "custom"
    assert created["data_source_config"]["schema"]["properties"]["item"] == ITEM_SCHEMA
    [criterion] = created["testing_criteria"]
    assert {key: value for key, value in criterion.items() if key != "id"} == CRITERION
    assert created["evalhaven"]["warnings"] == []


def test_the_eval_is_read_as_it_was_created_and_updated_in_place(seen: Seen) -> None:
    assert seen["retrieved"] == seen["created"]
    assert seen["updated"] == {**seen["created"], **UPDATE}


def test_a_list_of_several_pages_is_read_to_its_end(seen: Seen) -> None:
    assert seen["first_page"] == 2
    assert len(seen["listed"]) == len(set(seen["listed"]))
    assert [each for each in seen["listed"] if each in seen["made"]] == seen["made"]
    assert len(seen["made"]) == 5


def test_a_file_is_uploaded_and_downloaded(seen: Seen) -> None:
    uploaded = seen["file"]
    assert uploaded["object"] == "file"
    assert (uploaded["filename"], uploaded["purpose"]) == (FILE["name"], "evals")
    assert uploaded["bytes"] == len(FILE["content"].encode())
    assert seen["file_content"] == FILE["content"]


def test_a_file_is_sent_in_parts(played: tuple[Client, Seen]) -> None:
    client, seen = played
    assert ("upload" in seen) == client.sends_parts
    if client.sends_parts:
        upload, part, canceled = seen["upload"], seen["part"], seen["canceled_upload"]
        assert (upload["object"], upload["status"], upload["filename"]) == ("upload", "completed", FILE["name"])
        assert upload["file"]["bytes"] == upload["bytes"] == len(FILE["content"].encode())
        assert seen["upload_content"] == FILE["content"]
        assert (part["object"], part["upload_id"]) == ("upload.part", canceled["id"])
        assert (canceled["object"], canceled["status"]) == ("upload", "cancelled")


@pytest.mark.parametrize("name", ["inline", "file"])
def test_a_run_is_polled_to_its_end(seen: Seen, name: str) -> None:
    started, ended = seen[f"started_{name}"], seen[f"ended_{name}"]
    assert started["object"] == "eval.run"
    assert started["status"] in {"queued", "in_progress", "completed"}
    assert ended["status"] == "completed"
    assert ended["result_counts"] == COUNTS
    [criterion] = ended["per_testing_criteria_results"]
    assert (criterion["passed"], criterion["failed"]) == (COUNTS["passed"], COUNTS["failed"])
    for key in ("id", "eval_id", "name", "metadata", "data_source", "report_url", "created_at"):
        assert ended[key] == started[key]
    assert (ended["name"], ended["metadata"], ended["error"]) == (name, METADATA, None)
    assert ended["eval_id"] == seen["created"]["id"]


def test_sources_of_runs_come_back(seen: Seen) -> None:
    inline, by_id = (seen[f"ended_{name}"]["data_source"]["source"] for name in ("inline", "file"))
    assert inline == {"type": "file_content", "content": ROWS}
    assert by_id == {"type": "file_id", "id": seen["file"]["id"]}


def test_runs_are_listed_over_several_pages_and_by_status(seen: Seen) -> None:
    assert seen["runs"] == ["inline", "file"]
    assert seen["completed_runs"] == ["inline", "file"]


def test_output_items_are_listed_over_several_pages(seen: Seen) -> None:
    items = {item["datasource_item_id"]: item for item in seen["items"]}
    assert len(seen["items"]) == len(items) == len(ROWS)
    for number, row in enumerate(ROWS):
        item = items[number]
        assert item["object"] == "eval.run.output_item"
        assert item["datasource_item"] == row["item"]
        assert item["status"] == ("fail" if number in FAILED_ROWS else "pass")
        [result] = item["results"]
        assert result["passed"] is (number not in FAILED_ROWS)
        assert result["score"] == (0 if number in FAILED_ROWS else 1)
    assert seen["item"] == seen["items"][0]


def test_output_items_are_filtered_by_status(seen: Seen) -> None:
    assert sorted(seen["failed_items"]) == FAILED_ROWS


def test_a_run_under_way_is_canceled_and_counts_no_more(seen: Seen) -> None:
    assert seen["under_way"] == "in_progress"
    canceled = seen["canceled"]
    assert canceled["status"] == "canceled"
    assert canceled["result_counts"]["total"] < LARGE_ROWS
    assert seen["canceled_later"] == canceled


def test_the_cancel_of_a_run_that_has_ended_changes_nothing(seen: Seen) -> None:
    assert seen["cancel_of_ended"] == seen["ended_inline"]


def test_what_is_deleted_is_reported(seen: Seen) -> None:
    run_id, file_id = seen["ended_inline"]["id"], seen["file"]["id"]
    assert seen["deleted_run"] == {"object": "eval.run.deleted", "deleted": True, "run_id": run_id}
    assert seen["deleted_evals"] == [
        {"object": "eval.deleted", "deleted": True, "eval_id": eval_id} for eval_id in seen["made"]
    ]
    assert seen["deleted_file"] == {"id": file_id, "object": "file", "deleted": True}


def test_what_is_gone_raises_the_clients_own_error(played: tuple[Client, Seen]) -> None:
    client, seen = played
    error = seen["not_found"]
    assert (error["kind"], error["status"]) == (client.not_found, 404)
    assert seen["created"]["id"] in error["message"]
    assert (error["param"], error["code"], error["type"]) == ("eval_id", "not_found", "invalid_request_error")
    assert error["request_id"].startswith("req_")


def test_a_bad_request_raises_the_clients_own_error(played: tuple[Client, Seen]) -> None:
    client, seen = played
    error = seen["bad_request"]
    assert (error["kind"], error["status"]) == (client.bad_request, 400)
    assert "is not a valid JSON Schema" in error["message"]
    assert (error["param"], error["type"]) == ("data_source_config.item_schema", "invalid_request_error")
