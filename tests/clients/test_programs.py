"""Programs that call models and evaluate what was answered, with one client, as published ones do."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.clients.clients import CLIENTS, Client
from tests.server import Server

PYTHON = [client for client in CLIENTS if client.name.startswith("python-")]


def counts(passed: int) -> dict[str, int]:
    return {"total": passed, "passed": passed, "failed": 0, "errored": 0}


@pytest.fixture(params=PYTHON, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    return found


def test_chat_monitoring_runs_wholly(server: Server, tmp_path: Path, client: Client) -> None:
    usecase = uuid4().hex
    seen = client.play(server.url, tmp_path, {"usecase": usecase}, "monitor_chat")
    items: dict[str, list[Any]] = seen["items"]

    assert seen["newest"]["usecase"] == usecase
    assert seen["runs"] == {name: ["completed", counts(10)] for name in ("stored v1", "stored v2", "replayed")}
    assert items["replayed"] == items["stored v2"]
    for asked, answered in items["stored v1"]:
        assert [message["role"] for message in asked] == ["developer", "user"]
        assert asked[1]["content"].endswith(f"ANSWER: {answered}")
    assert len({answered for _, answered in items["stored v1"]}) == 10


def test_responses_monitoring_runs_wholly(server: Server, tmp_path: Path, client: Client) -> None:
    topic = uuid4().hex
    seen = client.play(server.url, tmp_path, {"topic": topic}, "monitor_responses")
    stored, replayed = seen["stored"], seen["replayed"]

    assert stored["run"] == replayed["run"] == ["completed", counts(5)]
    assert stored["answered"] == [f"It is {topic} {number}." for number in (6, 5, 4, 3, 2)]
    assert replayed["answered"] == stored["answered"]
    assert replayed["asked"] == stored["asked"]
    assert stored["asked"][0][0] == {"role": "system", "content": "Be kind."}
    assert all("<image>data:image/png;base64," in judged for judged in stored["judged"])


def test_a_bulk_comparison_of_prompts_runs_wholly(server: Server, tmp_path: Path, client: Client) -> None:
    seen = client.play(server.url, tmp_path, {}, "compare_prompts")
    models = {f"{prompt} {model}": model for prompt in ("basic", "strict") for model in ("gpt-4o-mini", "gpt-4.1")}

    assert seen["runs"] == {
        "production": ["completed", "", counts(3)],
        **{name: ["completed", model, counts(3)] for name, model in models.items()},
    }
