"""Every data source, source, message, tool and sampling parameter is validated and echoed as sent."""

import json
from typing import Any

import httpx2
import pytest

from tests.contract.conftest import ON_ONE_DATABASE, MakeEval, MakeRun, refusal_of

ROW = {"item": {"a": "x", "b": "x", "m": []}}
INLINE = {"type": "file_content", "content": [ROW]}
TEMPLATE = {"type": "template", "template": [{"role": "user", "content": "{{ item.a }}", "type": "message"}]}
REFERENCE = {"type": "item_reference", "item_reference": "item.m"}
FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": True}

SOURCES = {
    "stored completions": (
        "completions",
        {
            "type": "stored_completions",
            "metadata": {"usecase": "x"},
            "model": "gpt-4o",
            "created_after": 1,
            "created_before": 2,
            "limit": 50,
        },
    ),
    "stored completions, nulls": (
        "completions",
        {"type": "stored_completions", "metadata": None, "model": None, "created_after": None, "limit": None},
    ),
    "stored completions, metadata of any type": (
        "completions",
        {"type": "stored_completions", "metadata": {"n": 1.0, "b": True, "0": None, "l": ["x", {"y": []}]}},
    ),
    "responses": (
        "responses",
        {
            "type": "responses",
            "metadata": {"any": ["thing"]},
            "model": "m",
            "instructions_search": "s",
            "created_after": 1,
            "created_before": 2,
            "reasoning_effort": "high",
            "temperature": 0.5,
            "top_p": 0.5,
            "users": ["u"],
            "tools": ["t"],
            "limit": 3,
        },
    ),
    "inline rows of completions": ("completions", INLINE),
    "inline rows of responses": ("responses", INLINE),
}

CONTENTS = {
    "text": "plain {{ item.a }}",
    "empty text": "",
    "a part": {"type": "input_text", "text": "{{ item.a }}"},
    "a former answer": {"type": "output_text", "text": "x"},
    "an image": {"type": "input_image", "image_url": "{{ item.a }}", "detail": "whatever"},
    "sound": {"type": "input_audio", "input_audio": {"data": "{{ item.a }}", "format": "mp3"}},
    "a file": {"type": "input_file", "file_data": "x", "filename": "f.pdf"},
    "an array": ["text", {"type": "input_text", "text": "x"}, {"type": "input_image", "image_url": "https://x"}],
    "an empty array": [],
    "chat parts": [
        {"type": "text", "text": "x"},
        {"type": "image_url", "image_url": {"url": "data:", "detail": "low"}},
    ],
    "a part of a type to come": [{"type": "input_video", "video_url": "https://x", "fps": 2}],
}

TOOLS = {
    "completions": [
        {"type": "function", "function": FUNCTION},
        {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}},
    ],
    "responses": [
        {"type": "function", **FUNCTION},
        {"type": "web_search_preview", "search_context_size": "low"},
        {"type": "mcp", "server_label": "s", "server_url": "https://x", "require_approval": "never"},
        {"type": "file_search", "vector_store_ids": ["v"]},
        {"type": "code_interpreter", "container": {"type": "auto"}},
        {"type": "tool_to_come", "deep": {"er": [1, None]}},
    ],
}

PARAMS = {
    "completions": {
        "temperature": 0.25,
        "top_p": 0.5,
        "seed": 42,
        "max_completion_tokens": 10,
        "reasoning_effort": "minimal",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
        },
        "tools": TOOLS["completions"],
        "tool_choice": "required",
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "wav"},
    },
    "responses": {
        "temperature": 0.25,
        "top_p": 0.5,
        "seed": 42,
        "max_completions_tokens": 10,
        "reasoning_effort": "xhigh",
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}},
        "tools": TOOLS["responses"],
        "tool_choice": {"type": "function", "name": "f"},
    },
}
BOTH = ("completions", "responses")


def sampled(kind: str = "completions", **changes: Any) -> dict[str, Any]:
    return {"type": kind, "source": INLINE, "input_messages": TEMPLATE, "model": "gpt-4.1", **changes}


@pytest.fixture(scope="module")
def parent(make_eval: MakeEval) -> dict[str, Any]:
    return make_eval()


def _echo(make_run: MakeRun, parent: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    run = make_run(parent, data_source=source)
    assert run["evalhaven"]["warnings"] == []
    return run["data_source"]


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_echoed_as_sent(make_run: MakeRun, parent: dict[str, Any], name: str) -> None:
    kind, source = SOURCES[name]
    sent = {"type": kind, "source": source}
    assert _echo(make_run, parent, sent) == {**sent, "sampling_params": None}


def test_a_jsonl_source_has_no_sampling_params(make_run: MakeRun, parent: dict[str, Any]) -> None:
    sent = {"type": "jsonl", "source": INLINE}
    assert _echo(make_run, parent, sent) == sent


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("messages", [TEMPLATE, REFERENCE])
def test_both_forms_of_messages_are_echoed(
    make_run: MakeRun, parent: dict[str, Any], kind: str, messages: dict[str, Any]
) -> None:
    sent = sampled(kind, input_messages=messages)
    assert _echo(make_run, parent, sent) == {**sent, "sampling_params": None}


@ON_ONE_DATABASE
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", CONTENTS)
def test_content_keeps_its_form_and_the_message_gets_its_type(
    make_run: MakeRun, parent: dict[str, Any], kind: str, name: str
) -> None:
    message = {"role": "user", "content": CONTENTS[name]}
    sent = sampled(kind, input_messages={"type": "template", "template": [message]})
    echoed = _echo(make_run, parent, sent)["input_messages"]["template"]
    assert echoed == [{**message, "type": "message"}]


def test_what_an_answer_is_made_of_is_echoed_beside_the_model(make_run: MakeRun, parent: dict[str, Any]) -> None:
    sent = sampled(modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"})
    assert _echo(make_run, parent, sent) == {**sent, "sampling_params": None}


def test_what_an_answer_is_made_of_is_said_once(http: httpx2.Client, parent: dict[str, Any]) -> None:
    params = {"modalities": ["text"], "audio": {"voice": "alloy"}}
    others: dict[str, Any] = {"modalities": ["text", "audio"], "audio": {}}
    for name, other in others.items():
        body = {"data_source": {**sampled(sampling_params=params), name: other}}
        error = refusal_of(http.post(f"/v1/evals/{parent['id']}/runs", json=body))
        assert error["param"] == f"data_source.{name}"
        assert f"sampling_params.{name}" in error["message"]


@pytest.mark.parametrize("kind", BOTH)
def test_sampling_params_are_echoed_as_sent(make_run: MakeRun, parent: dict[str, Any], kind: str) -> None:
    sent = sampled(kind, sampling_params=PARAMS[kind])
    run = make_run(parent, data_source=sent)
    assert json.dumps(run["data_source"]) == json.dumps(sent)
    # The published schema offers it to both, and only chat completions have it.
    unsendable = ["The Responses protocol has no seed: it is not sent."] if kind == "responses" else []
    assert [warning["message"] for warning in run["evalhaven"]["warnings"]] == unsendable


def test_whole_temperatures_are_echoed_as_floats(http: httpx2.Client, parent: dict[str, Any]) -> None:
    body = {"data_source": sampled(sampling_params={"temperature": 1, "top_p": 0, "seed": 1})}
    answer = http.post(f"/v1/evals/{parent['id']}/runs", json=body)
    assert '"sampling_params":{"temperature":1.0,"top_p":0.0,"seed":1}' in answer.text


@ON_ONE_DATABASE
@pytest.mark.parametrize("form", [{"type": "text"}, {"type": "json_object"}, {"type": "grammar", "grammar": "g"}])
def test_every_response_format_is_echoed(make_run: MakeRun, parent: dict[str, Any], form: dict[str, Any]) -> None:
    chat = sampled(sampling_params={"response_format": form})
    assert _echo(make_run, parent, chat) == chat
    response = sampled("responses", sampling_params={"text": {"format": form, "verbosity": "low"}})
    assert _echo(make_run, parent, response) == response


def test_misplaced_keys_are_accepted_echoed_and_warned_of(make_run: MakeRun, parent: dict[str, Any]) -> None:
    sent = sampled(temperature=0, prediction={}, sampling_params={"max_tokens": 5, "text": {}})
    run = make_run(parent, data_source=sent, tags=[])
    assert run["data_source"] == sent
    assert sorted(warning["pointer"] for warning in run["evalhaven"]["warnings"]) == [
        "/data_source/prediction",
        "/data_source/sampling_params/max_tokens",
        "/data_source/sampling_params/text",
        "/data_source/temperature",
        "/tags",
    ]


def test_sample_in_input_messages_is_warned_of_and_refused_where_asked(
    http: httpx2.Client, make_run: MakeRun, parent: dict[str, Any]
) -> None:
    messages = {"type": "template", "template": [{"role": "user", "content": "{{ sample.output_text }}"}]}
    sent = sampled(input_messages=messages)
    [warning] = make_run(parent, data_source=sent)["evalhaven"]["warnings"]
    assert warning["pointer"] == "/data_source/input_messages/template/0/content"
    assert "item" in warning["message"]
    path = f"/v1/evals/{parent['id']}/runs"
    before = http.get(f"{path}?limit=1").json()["first_id"]
    refusal_of(http.post(f"{path}?strict=true", json={"data_source": sent}))
    assert http.get(f"{path}?limit=1").json()["first_id"] == before


def test_rows_that_are_graded_as_they_are_are_not_sampled_because_of_an_unknown_key(
    make_run: MakeRun, parent: dict[str, Any]
) -> None:
    source = {"type": "file_content", "content": [{"item": {"a": "b"}}]}
    run = make_run(parent, data_source={"type": "jsonl", "source": source, "model": "a-model"})

    assert run["model"] == ""
    assert [each["pointer"] for each in run["evalhaven"]["warnings"]] == ["/data_source/model"]


_MESSAGES = "data_source.input_messages"
_PARAMS = "data_source.sampling_params"
REFUSED = {
    "no source": ({"type": "jsonl"}, "data_source.source", "required"),
    "unknown type": ({"type": "csv", "source": INLINE}, "data_source.type", "'jsonl'"),
    "no type": ({"source": INLINE}, "data_source.type", "required"),
    "no object": ([], "data_source", "an object"),
    "unknown source": ({"type": "jsonl", "source": {"type": "url"}}, "data_source.source.type", "'file_id'"),
    "stored completions in jsonl": (
        {"type": "jsonl", "source": {"type": "stored_completions"}},
        "data_source.source.type",
        "'file_content'",
    ),
    "responses in completions": (
        {"type": "completions", "source": {"type": "responses"}},
        "data_source.source.type",
        "'stored_completions'",
    ),
    "no content": ({"type": "jsonl", "source": {"type": "file_content"}}, "data_source.source.content", "required"),
    "content as text": (
        {"type": "jsonl", "source": {"type": "file_content", "content": "{}"}},
        "data_source.source.content",
        "an array",
    ),
    "no file id": ({"type": "jsonl", "source": {"type": "file_id"}}, "data_source.source.id", "required"),
    "an empty file id": ({"type": "jsonl", "source": {"type": "file_id", "id": ""}}, "data_source.source.id", "empty"),
    "a limit of none": (
        {"type": "responses", "source": {"type": "responses", "limit": 0}},
        "data_source.source.limit",
        "at least 1",
    ),
    "messages without model": (sampled(model=None), "data_source.model", "'input_messages'"),
    "model without messages": (sampled(input_messages=None), _MESSAGES, "'model'"),
    "an empty model": (sampled(model=""), "data_source.model", "empty"),
    "unknown messages": (sampled(input_messages={"type": "text"}), f"{_MESSAGES}.type", "'template'"),
    "messages as an array": (sampled(input_messages=[]), _MESSAGES, "an object"),
    "a reference elsewhere": (
        sampled(input_messages={"type": "item_reference", "item_reference": "sample.x"}),
        f"{_MESSAGES}.item_reference",
        "'item.messages'",
    ),
    "no role": (
        sampled(input_messages={"type": "template", "template": [{"content": ""}]}),
        f"{_MESSAGES}.template[0].role",
        "required",
    ),
    "null content": (
        sampled(input_messages={"type": "template", "template": [{"role": "user", "content": None}]}),
        f"{_MESSAGES}.template[0].content",
        "a string",
    ),
    "temperature as text": (sampled(sampling_params={"temperature": "0"}), f"{_PARAMS}.temperature", "a number"),
    "temperature as truth": (sampled(sampling_params={"temperature": True}), f"{_PARAMS}.temperature", "a number"),
    "seed with fraction": (sampled(sampling_params={"seed": 1.5}), f"{_PARAMS}.seed", "an integer"),
    "no tokens": (
        sampled(sampling_params={"max_completion_tokens": 0}),
        f"{_PARAMS}.max_completion_tokens",
        "at least 1",
    ),
    "a format without type": (
        sampled(sampling_params={"response_format": {}}),
        f"{_PARAMS}.response_format.type",
        "a string",
    ),
    "a schema without name": (
        sampled(sampling_params={"response_format": {"type": "json_schema", "json_schema": {}}}),
        f"{_PARAMS}.response_format.json_schema.name",
        "required",
    ),
    "a tool without name": (
        sampled("responses", sampling_params={"tools": [{"type": "function"}]}),
        f"{_PARAMS}.tools[0].name",
        "required",
    ),
    "too many tools": (
        sampled(sampling_params={"tools": [{"type": "x"}] * 129}),
        f"{_PARAMS}.tools",
        "at most 128",
    ),
    "params as an array": (sampled(sampling_params=[]), _PARAMS, "an object"),
}


@ON_ONE_DATABASE
@pytest.mark.parametrize("name", REFUSED)
def test_a_data_source_that_cannot_be_is_refused_by_name(
    http: httpx2.Client, parent: dict[str, Any], name: str
) -> None:
    source, param, cure = REFUSED[name]
    path = f"/v1/evals/{parent['id']}/runs"
    before = http.get(f"{path}?limit=1").json()["first_id"]
    error = refusal_of(http.post(path, json={"data_source": source}))
    assert (error["param"], error["code"]) == (param, "invalid_value")
    assert cure in error["message"]
    assert param in error["message"]
    assert http.get(f"{path}?limit=1").json()["first_id"] == before, "nothing was created"


def test_a_row_whose_sample_is_null_has_none_and_is_echoed_as_sent(make_run: MakeRun, parent: dict[str, Any]) -> None:
    source = {"type": "jsonl", "source": {"type": "file_content", "content": [{"item": {"a": 1}, "sample": None}]}}
    # The client that sends the request checks the answer against the document, too.
    assert make_run(parent, data_source=source)["data_source"] == source
