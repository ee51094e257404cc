"""Runs that ask llama.cpp's own server, through the official SDK, on both databases.

The model's weights are random, but the same question always gets the same answer. So what a run shows is compared with
what the server answers when it is asked directly.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pytest
from openai.types.evals import RunRetrieveResponse
from openai.types.evals.runs import OutputItemListResponse

from tests.contract.conftest import FINAL, string_check
from tests.contract.document import AnswerChecker
from tests.databases import TemporaryDatabase
from tests.llama.server import MODEL, LlamaServer
from tests.replicas import Replicas
from tests.server import Server

Ended = tuple[RunRetrieveResponse, list[OutputItemListResponse]]
Run = Callable[..., Ended]
Ask = Callable[..., Any]

BOTH_TYPES = pytest.mark.parametrize("kind", ["completions", "responses"])
_TIMEOUT_S = 60
_CERTAIN = {"temperature": 0, "max_completion_tokens": 16}


@pytest.fixture(scope="session")
def sampling_server(
    llama_server: LlamaServer, temporary_database: TemporaryDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Run a server whose models are at llama.cpp's."""
    with temporary_database() as database_url:
        directory = tmp_path_factory.mktemp("sampling")
        server = Server(directory, database_url, EVALHAVEN_UPSTREAM_BASE_URL=llama_server.base_url)
        with server.running():
            yield server
            assert "Traceback" not in server.log
            assert "unexpectedly" not in server.log


@pytest.fixture(scope="session")
def sdk(sampling_server: Server) -> Iterator[openai.OpenAI]:
    with sdk_of(sampling_server) as opened:
        yield opened


@pytest.fixture(scope="session")
def run(sdk: openai.OpenAI) -> Run:
    """Return what makes an eval and a run of it, and returns that and its items when it has ended."""
    return runner_of(sdk)


@pytest.fixture(scope="session")
def ask(llama_server: LlamaServer) -> Iterator[Ask]:
    """Return what asks llama.cpp's server directly."""
    with httpx2.Client(base_url=llama_server.base_url, timeout=_TIMEOUT_S) as http:

        def send(path: str, **body: Any) -> Any:
            return http.post(path, json={"model": MODEL, "temperature": 0, **body}).raise_for_status().json()

        yield send


@contextmanager
def sdk_of(server: Server | Replicas) -> "Generator[openai.OpenAI]":
    """Open the SDK; every answer is checked against the server's OpenAPI document."""
    checker = AnswerChecker(httpx2.get(f"{server.url}/openapi.json", timeout=60).raise_for_status().json())
    key = server.key or "anything"
    with (
        httpx2.Client(event_hooks={"response": [checker.check]}, timeout=_TIMEOUT_S) as transport,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key=key, max_retries=0, http_client=transport) as opened,
    ):
        yield opened


def runner_of(sdk: openai.OpenAI) -> Run:
    """Return what the fixture `run` does, at the server of an SDK."""

    def run(data_source: Any, *criteria: Any, **extension: Any) -> Ended:
        config: Any = {"type": "custom", "item_schema": {"type": "object"}, "include_sample_schema": True}
        testing: Any = criteria or [string_check(input="{{ sample.output_text }}", reference="", operation="ne")]
        made = sdk.evals.create(data_source_config=config, testing_criteria=testing)
        started = sdk.evals.runs.create(made.id, data_source=data_source, extra_body={"evalhaven": extension})
        deadline = time.monotonic() + _TIMEOUT_S
        while (ended := sdk.evals.runs.retrieve(started.id, eval_id=made.id)).status not in FINAL:
            assert time.monotonic() < deadline, ended
            time.sleep(0.02)
        listed = sdk.evals.runs.output_items.list(started.id, eval_id=made.id, limit=100)
        return ended, sorted(listed, key=lambda item: (item.datasource_item_id, extension_of(item)["repeat"]))

    return run


def source(kind: str, items: list[Any], *messages: Any, **params: Any) -> dict[str, Any]:
    """Return a data source that asks the model once for each item."""
    return {
        "type": kind,
        "model": MODEL,
        "source": {"type": "file_content", "content": [{"item": item} for item in items]},
        "input_messages": {"type": "template", "template": list(messages)},
        "sampling_params": {**_CERTAIN, **params},
    }


def user(*content: Any) -> dict[str, Any]:
    """Return a user's message of one text or several parts."""
    return {"role": "user", "content": content[0] if len(content) == 1 else list(content)}


def text(item: OutputItemListResponse) -> str:
    """Return what the model said."""
    return item.sample.output[0].content or ""


def texts(items: list[OutputItemListResponse]) -> list[str]:
    """Return what the model said to each item."""
    return [text(item) for item in items]


def calls_of(item: OutputItemListResponse) -> list[dict[str, Any]]:
    extra: Any = item.sample.output[0].model_extra
    return extra["tool_calls"]


def extension_of(thing: Any) -> dict[str, Any]:
    """Return what Evalhaven adds to the contract."""
    return thing.model_extra["evalhaven"]


def counts(ended: RunRetrieveResponse) -> tuple[int, int, int]:
    """Return how many items passed, failed and have an error."""
    return ended.result_counts.passed, ended.result_counts.failed, ended.result_counts.errored


def chat_text(answer: Any) -> str:
    """Return the text of a chat completion."""
    return answer["choices"][0]["message"]["content"]


def response_text(answer: Any) -> str:
    """Return the text of a response."""
    return answer["output"][0]["content"][0]["text"]
