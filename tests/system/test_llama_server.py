"""What llama.cpp's server does with the requests that runs send: the basis of tests/contract/test_llama_runs.py.

The documentation of such endpoints rests on it too: if llama.cpp changes, a test here says so.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import jsonschema_rs
import openai
import pytest

from tests.llama.media import BLUE, RED, base64_of, data_url, png, wav
from tests.llama.models import CONTEXT_TOKENS, IMAGE_TOKENS, SOUND_TOKENS, write_encoders, write_model
from tests.llama.server import MODEL, LlamaServer

Chat = Callable[..., dict[str, Any]]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "enum": ["red", "blue"]},
        "count": {"type": "integer", "minimum": 0, "maximum": 9},
        "is_sure": {"type": "boolean"},
    },
    "required": ["colour", "count", "is_sure"],
    "additionalProperties": False,
}
FORMAT: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look_up", "parameters": SCHEMA}}
QUESTION = {"role": "user", "content": "Which one?"}


@pytest.fixture(scope="module")
def http(llama_server: LlamaServer) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=llama_server.base_url, timeout=30) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(llama_server: LlamaServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=llama_server.base_url, api_key="none", max_retries=0, timeout=30) as opened:
        yield opened


@pytest.fixture(scope="module")
def chat(http: httpx2.Client) -> Chat:
    """Return a function that asks for a chat completion, by default a short and deterministic one."""

    def ask(*content: dict[str, Any], **changes: Any) -> dict[str, Any]:
        messages = [{"role": "user", "content": list(content)}] if content else [QUESTION]
        body = {"model": MODEL, "messages": messages, "max_tokens": 16, "temperature": 0, **changes}
        answer = http.post("/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def text_of(answer: dict[str, Any]) -> str:
    return answer["choices"][0]["message"]["content"]


def question(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def refusal_of(answer: httpx2.Response, status: int = 400) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


def test_a_chat_completion_counts_its_tokens_and_stops_at_the_limit(chat: Chat) -> None:
    answer = chat()
    usage = answer["usage"]

    assert answer["object"] == "chat.completion"
    assert answer["model"] == MODEL
    assert answer["choices"][0]["finish_reason"] == "length"
    assert usage["completion_tokens"] == 16
    assert usage["total_tokens"] == usage["prompt_tokens"] + 16
    assert usage["prompt_tokens_details"].keys() == {"cached_tokens"}


def test_what_was_asked_just_before_is_cached(chat: Chat) -> None:
    chat(question("cached?"))
    usage = chat(question("cached?"))["usage"]

    assert usage["prompt_tokens_details"]["cached_tokens"] == usage["prompt_tokens"] - 1


def test_the_answer_depends_on_the_question_and_the_seed_alone(chat: Chat) -> None:
    questions = [question(text) for text in ("red", "blue", "green", "What is it?")]
    certain = [text_of(chat(each)) for each in questions]
    seeded = [text_of(chat(temperature=1, seed=seed)) for seed in range(4)]

    assert certain == [text_of(chat(each)) for each in questions]
    assert seeded == [text_of(chat(temperature=1, seed=seed)) for seed in range(4)]
    assert len(set(certain)) == len(set(seeded)) == 4


def test_the_parameters_of_runs_are_understood(chat: Chat) -> None:
    text = text_of(chat(max_tokens=64))
    newer = chat(max_tokens=None, max_completion_tokens=5)
    stopped = chat(max_tokens=64, stop=[text[20:23]])

    assert newer["usage"]["completion_tokens"] == 5
    assert text_of(stopped) == text[: text.index(text[20:23])]
    assert stopped["choices"][0]["finish_reason"] == "stop"
    assert text_of(chat(messages=[{"role": "developer", "content": "Be brief."}, QUESTION])) != text_of(chat())


def test_unknown_parameters_are_ignored(chat: Chat) -> None:
    unknown = {"reasoning_effort": "low", "verbosity": "low", "store": False, "metadata": {"a": "b"}, "made_up": 1}

    assert text_of(chat(**unknown)) == text_of(chat())


def test_a_json_schema_is_kept_to(chat: Chat) -> None:
    answers = [chat(response_format=FORMAT, max_tokens=200, temperature=1, seed=seed) for seed in range(8)]
    parsed = [json.loads(text_of(answer)) for answer in answers]

    assert {answer["choices"][0]["finish_reason"] for answer in answers} == {"stop"}
    for each in parsed:
        jsonschema_rs.validate(SCHEMA, each)
    assert len({json.dumps(each, sort_keys=True) for each in parsed}) > 1


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "look_up"}}])
def test_tools_are_called_with_arguments_of_their_schema(chat: Chat, choice: Any) -> None:
    answer = chat(tools=[TOOL], tool_choice=choice, max_tokens=200)["choices"][0]
    call = answer["message"]["tool_calls"][0]

    assert answer["finish_reason"] == "tool_calls"
    assert answer["message"]["content"] == ""
    assert (call["type"], call["function"]["name"]) == ("function", "look_up")
    jsonschema_rs.validate(SCHEMA, json.loads(call["function"]["arguments"]))


def test_text_follows_the_result_of_a_tool(chat: Chat) -> None:
    called = chat(tools=[TOOL], max_tokens=200)["choices"][0]["message"]
    result = {"role": "tool", "tool_call_id": called["tool_calls"][0]["id"], "content": "sunny"}
    answer = chat(messages=[QUESTION, called, result], tools=[TOOL])

    assert answer["choices"][0]["finish_reason"] == "length"
    assert text_of(answer)


def test_images_are_seen(chat: Chat) -> None:
    def look(colour: tuple[int, int, int]) -> dict[str, Any]:
        return chat(question("Colour?"), {"type": "image_url", "image_url": {"url": data_url(png(colour))}})

    without = chat(question("Colour?"))["usage"]["prompt_tokens"]
    assert text_of(look(RED)) == text_of(look(RED))
    assert text_of(look(RED)) != text_of(look(BLUE))
    assert look(RED)["usage"]["prompt_tokens"] == without + IMAGE_TOKENS


def test_sounds_are_heard(chat: Chat) -> None:
    def listen(hertz: float) -> dict[str, Any]:
        sound = {"data": base64_of(wav(hertz)), "format": "wav"}
        return chat(question("High?"), {"type": "input_audio", "input_audio": sound})

    without = chat(question("High?"))["usage"]["prompt_tokens"]
    low, high = listen(220), listen(3520)
    assert text_of(low) == text_of(listen(220))
    assert text_of(low) != text_of(high)
    assert low["usage"]["prompt_tokens"] == without + SOUND_TOKENS


def test_responses_are_answered_as_the_sdk_expects(client: openai.OpenAI) -> None:
    answer = client.responses.create(
        model=MODEL, instructions="Be brief.", input="Which one?", max_output_tokens=16, temperature=0
    )

    assert (answer.object, answer.status) == ("response", "completed")
    assert answer.output_text
    assert answer.usage is not None
    assert answer.usage.output_tokens == 16
    assert answer.usage.total_tokens == answer.usage.input_tokens + 16


def test_responses_call_tools(http: httpx2.Client) -> None:
    tool = {"type": "function", "name": "look_up", "parameters": SCHEMA, "strict": True}
    answer = http.post("/responses", json={"input": "Which one?", "tools": [tool], "max_output_tokens": 200}).json()
    call = answer["output"][0]

    assert (call["type"], call["name"]) == ("function_call", "look_up")
    jsonschema_rs.validate(SCHEMA, json.loads(call["arguments"]))


def test_responses_see_images(http: httpx2.Client) -> None:
    def look(colour: tuple[int, int, int]) -> str:
        content = [{"type": "input_image", "image_url": data_url(png(colour))}]
        body = {"input": [{"role": "user", "content": content}], "max_output_tokens": 16, "temperature": 0}
        answer = http.post("/responses", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["output"][0]["content"][0]["text"]

    assert look(RED) != look(BLUE)


def test_responses_pass_over_a_json_schema(http: httpx2.Client) -> None:
    """That is why structured outputs want `protocols = ["chat"]` at an endpoint of llama.cpp."""
    text = {"format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True}}
    answer = http.post(
        "/responses", json={"input": "Which one?", "text": text, "max_output_tokens": 100, "temperature": 0}
    )

    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.json()["output"][0]["content"][0]["text"])


@pytest.mark.parametrize(
    "item",
    [
        {"type": "item_reference", "id": "msg_1"},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]},
        {"role": "assistant", "content": "a text that is not in a list of parts"},
    ],
)
def test_responses_refuse_some_input_of_the_published_document(http: httpx2.Client, item: Any) -> None:
    body = {"input": [{"role": "user", "content": "x"}, item], "max_output_tokens": 2}

    assert refusal_of(http.post("/responses", json=body))["type"] == "invalid_request_error"


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": "text"},
        {"max_tokens": "many"},
        {"seed": "s"},
        {"response_format": {"type": "made_up"}},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
    ],
)
def test_a_wrong_request_is_a_400_whose_code_is_a_number(http: httpx2.Client, changes: dict[str, Any]) -> None:
    error = refusal_of(http.post("/chat/completions", json={"messages": [QUESTION], "max_tokens": 2, **changes}))

    assert error.keys() == {"code", "message", "type"}
    assert (error["code"], error["type"]) == (400, "invalid_request_error")


def test_too_long_a_prompt_is_a_400_of_its_own_type(http: httpx2.Client) -> None:
    message = {"role": "user", "content": "a b " * CONTEXT_TOKENS}
    error = refusal_of(http.post("/chat/completions", json={"messages": [message]}))

    assert (error["code"], error["type"], error["n_ctx"]) == (400, "exceed_context_size_error", CONTEXT_TOKENS)


def test_requests_that_come_at_once_are_answered_as_if_alone(chat: Chat) -> None:
    questions = [question(f"number {number}") for number in range(32)]
    alone = [text_of(chat(each)) for each in questions]
    with ThreadPoolExecutor(16) as threads:
        at_once = [text_of(answer) for answer in threads.map(chat, questions)]

    assert at_once == alone


def test_written_tokens_tell_of_each_request(chat: Chat, llama_server: LlamaServer) -> None:
    before = llama_server.written_tokens
    chat(max_tokens=7)

    assert llama_server.written_tokens == before + 7


def test_the_models_are_small_and_the_same_each_time(tmp_path: Path) -> None:
    for write in (write_model, write_encoders):
        paths = [tmp_path / "first.gguf", tmp_path / "second.gguf"]
        for path in paths:
            write(path)
        assert paths[0].read_bytes() == paths[1].read_bytes()
        assert paths[0].stat().st_size < 2_000_000


def test_the_server_ends_with_its_standard_input(llama_server: LlamaServer, repository: Path) -> None:
    command = [sys.executable, "-m", "tests.llama"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=repository, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert httpx2.get(f"{address}/health").status_code == 200
        assert address != llama_server.address
        process.stdin.close()

        assert process.wait(10) == 0
