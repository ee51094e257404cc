"""Calls to models, their logs and runs over these, with OpenAI's own SDKs and nothing but the base URL changed."""

from typing import Any
from uuid import uuid4

import pytest

from tests.clients.clients import CLIENTS, Client
from tests.server import Server

# The others have no calls of their own for this.
WITH_LOGS = [client for client in CLIENTS if client.name not in ("perl", "ruby")]
MESSAGES = [{"role": "user", "content": f"Which capital? ANSWER: {answer}"} for answer in ("Paris", "Rome", "größe 😀")]
CRITERIA = [
    {
        "type": "string_check",
        "name": "not Rome",
        "input": "{{ sample.output_text }}",
        "reference": "Rome",
        "operation": "ne",
    }
]
ANSWERS = ["Paris", "größe 😀", "Rome", "Paris"]  # newest first: the last was streamed, the one before it came whole
COUNTS = {"total": 4, "passed": 3, "failed": 1, "errored": 0}
Seen = dict[str, Any]


@pytest.fixture(scope="module")
def metadata() -> dict[str, str]:
    return {"usecase": "capitals", "ключ": "ü & [x]=1"}


@pytest.fixture(scope="module", params=WITH_LOGS, ids=lambda client: client.name)
def seen(
    request: pytest.FixtureRequest, server: Server, metadata: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Seen:
    """What a client saw."""
    client: Client = request.param
    given = {"metadata": {**metadata, "run": uuid4().hex}, "messages": MESSAGES, "criteria": CRITERIA}
    found = client.play(server.url, tmp_path_factory.mktemp(client.name), given, "logs")
    assert found["version"].startswith(client.version)
    return {**found, "given": given["metadata"]}


def test_stored_completions_are_listed_newest_first_streamed_ones_too(seen: Seen) -> None:
    assert seen["answered"] == ["Paris", "Rome", "größe 😀", "Paris"]
    assert seen["listed"]
    assert seen["stored"] == ANSWERS


def test_a_stored_completion_is_read_with_its_messages(seen: Seen) -> None:
    assert seen["retrieved"] == ["Paris", seen["given"]]
    assert seen["messages"] == [["user", MESSAGES[0]["content"]]]


def test_metadata_is_replaced_and_found(seen: Seen) -> None:
    assert seen["updated"] == {**seen["given"], "more": "1"}
    assert seen["found"]


def test_responses_are_stored_and_continued(seen: Seen) -> None:
    assert seen["responses"] == ["noted", "that", "a b c"]
    assert (seen["instructions"], seen["previous"]) == ("Be brief.", True)
    assert seen["input_items"] == ["Remember. ANSWER: noted", "noted", "What? ANSWER: that"]
    assert seen["unknown_previous"] == ["BadRequestError", 400, "previous_response_id"]


def test_what_is_stored_is_graded_and_replayed(seen: Seen) -> None:
    assert seen["runs_completions"] == [["completed", COUNTS]] * 2
    assert seen["items_completions"] == [[number, True, text, text] for number, text in enumerate(ANSWERS)]
    three = {"total": 3, "passed": 3, "failed": 0, "errored": 0}
    assert seen["runs_responses"] == [["completed", three]] * 2
    texts = ["a b c", "that", "noted"]
    assert seen["items_responses"] == [[number, True, text, text] for number, text in enumerate(texts)]


def test_what_is_deleted_is_gone(seen: Seen) -> None:
    assert seen["deleted"] == [True] * 4
    assert seen["gone"] == [True] * 7
