"""What runs show, grade, count and remember of the answers of llama.cpp's own server."""

import json
import re
from pathlib import Path
from typing import Any

from tests.contract.conftest import string_check
from tests.contract.llama.conftest import (
    BOTH_TYPES,
    Ask,
    Run,
    calls_of,
    chat_text,
    counts,
    extension_of,
    response_text,
    runner_of,
    sdk_of,
    source,
    text,
    texts,
    user,
)
from tests.llama.models import CONTEXT_TOKENS
from tests.llama.server import MODEL, LlamaServer
from tests.server import Server

ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "enum": ["red", "blue"]},
        "count": {"type": "integer", "minimum": 0, "maximum": 9},
    },
    "required": ["colour", "count"],
    "additionalProperties": False,
}
FORMAT: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "answer", "schema": ANSWER_SCHEMA, "strict": True},
}
CHAT_TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look_up", "parameters": ANSWER_SCHEMA}}
RESPONSES_TOOL: dict[str, Any] = {
    "type": "function",
    "name": "look_up",
    "parameters": ANSWER_SCHEMA,
    "strict": True,
}


def test_a_completions_run_shows_what_the_model_answers(run: Run, ask: Ask) -> None:
    messages = [{"role": "developer", "content": "Be brief."}, user("Say {{ item.word }}.")]
    words = ["north", "south", "east", "west"]
    ended, items = run(source("completions", [{"word": word} for word in words], *messages, seed=7))
    direct = [ask("/chat/completions", max_tokens=16, messages=[messages[0], user(f"Say {word}.")]) for word in words]

    assert (ended.status, ended.model, counts(ended)) == ("completed", MODEL, (4, 0, 0))
    assert texts(items) == [chat_text(answer) for answer in direct]
    assert len(set(texts(items))) == 4
    for item, answer, word in zip(items, direct, words, strict=True):
        sample = item.sample
        assert [(message.role, message.content) for message in sample.input] == [
            ("developer", "Be brief."),
            ("user", f"Say {word}."),
        ]
        assert (sample.model, sample.finish_reason) == (MODEL, "length")
        assert (sample.temperature, sample.max_completion_tokens, sample.seed) == (0, 16, 7)
        assert sample.usage.prompt_tokens == answer["usage"]["prompt_tokens"]
        assert sample.usage.completion_tokens == 16
        assert extension_of(item)["latency_ms"] >= 0


def test_a_responses_run_shows_what_the_model_answers(run: Run, ask: Ask) -> None:
    words = ["north", "south"]
    ended, items = run(source("responses", [{"word": word} for word in words], user("Say {{ item.word }}.")))
    direct = [ask("/responses", max_output_tokens=16, input=f"Say {word}.") for word in words]

    assert (ended.status, ended.model, counts(ended)) == ("completed", MODEL, (2, 0, 0))
    assert texts(items) == [response_text(answer) for answer in direct]
    for item, answer in zip(items, direct, strict=True):
        assert item.sample.model == MODEL
        assert item.sample.usage.prompt_tokens == answer["usage"]["input_tokens"]
        assert item.sample.usage.completion_tokens == 16


@BOTH_TYPES
def test_usage_adds_up_to_what_the_server_wrote(run: Run, llama_server: LlamaServer, kind: str) -> None:
    before = llama_server.written_tokens
    items_in = [{"number": number} for number in range(40)]
    ended, items = run(source(kind, items_in, user("Number {{ item.number }}"), max_completion_tokens=5))
    (usage,) = ended.per_model_usage

    assert counts(ended) == (40, 0, 0)
    assert (usage.run_model_name, usage.invocation_count) == (MODEL, 40)
    assert usage.completion_tokens == llama_server.written_tokens - before == 40 * 5
    assert usage.prompt_tokens == sum(item.sample.usage.prompt_tokens for item in items)
    assert usage.cached_tokens == sum(item.sample.usage.cached_tokens for item in items)
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


@BOTH_TYPES
def test_calls_of_tools_are_graded(run: Run, ask: Ask, kind: str) -> None:
    if kind == "completions":
        tool, limit, messages = CHAT_TOOL, 200, [user("Which one?")]
        direct = ask("/chat/completions", messages=messages, tools=[tool], max_tokens=limit)
        arguments = direct["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    else:
        tool, limit, messages = RESPONSES_TOOL, 200, [user("Which one?")]
        arguments = ask("/responses", input=messages, tools=[tool], max_output_tokens=limit)["output"][0]["arguments"]
    colour = json.loads(arguments)["colour"]
    other = {"red": "blue", "blue": "red"}[colour]
    called = "{{ sample.output_tools[0].function.name }}"
    with_colour = "{{ sample.output_tools[0].function.arguments.colour }}"
    ended, items = run(
        source(kind, [{"colour": colour}, {"colour": other}], *messages, tools=[tool], max_completion_tokens=limit),
        string_check(input=called, reference="look_up"),
        string_check(input=with_colour, reference="{{ item.colour }}"),
    )
    calls = [calls_of(item)[0] for item in items]

    assert counts(ended) == (1, 1, 0)
    assert [item.status for item in items] == ["pass", "fail"]
    assert [call["function"] for call in calls] == [{"name": "look_up", "arguments": arguments}] * 2
    assert {item.sample.finish_reason for item in items} == {"tool_calls"}


def test_structured_output_is_graded(run: Run, ask: Ask) -> None:
    direct = ask("/chat/completions", messages=[user("Which one?")], response_format=FORMAT, max_tokens=200)
    colour = json.loads(chat_text(direct))["colour"]
    other = {"red": "blue", "blue": "red"}[colour]
    ended, items = run(
        source(
            "completions",
            [{"colour": colour}, {"colour": other}],
            user("Which one?"),
            response_format=FORMAT,
            max_completion_tokens=200,
        ),
        string_check(input="{{ sample.output_json.colour }}", reference="{{ item.colour }}"),
    )

    assert counts(ended) == (1, 1, 0)
    assert texts(items) == [chat_text(direct)] * 2
    assert {item.sample.finish_reason for item in items} == {"stop"}


@BOTH_TYPES
def test_repeats_are_samples_of_their_own(run: Run, kind: str) -> None:
    items_in = [{"word": word} for word in ("north", "south")]
    ended, items = run(source(kind, items_in, user("Say {{ item.word }}."), temperature=1), repeats=3)

    assert counts(ended) == (6, 0, 0)
    assert [(item.datasource_item_id, extension_of(item)["repeat"]) for item in items] == [
        (position, repeat) for position in range(2) for repeat in range(3)
    ]
    assert len(set(texts(items))) == 6
    assert sum(usage.invocation_count for usage in ended.per_model_usage) == 6


@BOTH_TYPES
def test_a_cached_run_asks_nobody(run: Run, llama_server: LlamaServer, kind: str) -> None:
    items_in = [{"word": word} for word in ("north", "south", "east")]
    tools = [CHAT_TOOL if kind == "completions" else RESPONSES_TOOL]
    asked = {"temperature": 1, "tools": tools, "max_completion_tokens": 400}
    data_source = source(kind, items_in, user("Look up {{ item.word }}."), **asked)
    criterion = string_check(input="{{ sample.output_tools[0].function.name }}", reference="look_up")
    _, first = run(data_source, criterion, cache=True, repeats=2)
    before = llama_server.written_tokens
    ended, second = run(data_source, criterion, cache=True, repeats=2)

    assert llama_server.written_tokens == before
    assert counts(ended) == (6, 0, 0)
    assert extension_of(ended)["cache_hits"] == 6
    assert [calls_of(item) for item in second] == [calls_of(item) for item in first]
    assert len({call["id"] for item in first for call in calls_of(item)}) == 6
    assert {extension_of(item)["cached"] for item in first} == {False}
    assert {extension_of(item)["cached"] for item in second} == {True}


def test_an_answer_that_was_cut_is_not_cached(run: Run, llama_server: LlamaServer) -> None:
    data_source = source("completions", [{}], user("Say something."), max_completion_tokens=3)
    run(data_source, cache=True)
    before = llama_server.written_tokens
    _, (item,) = run(data_source, cache=True)

    assert item.sample.finish_reason == "length"
    assert llama_server.written_tokens == before + 3


def test_extra_body_reaches_the_server(run: Run) -> None:
    greedy = source("completions", [{}], user("Which one?"))
    random = source("completions", [{}], user("Which one?"), temperature=1)
    _, certain = run(greedy)
    _, narrowed = run(random, extra_body={"top_k": 1})

    assert texts(narrowed) == texts(certain)


@BOTH_TYPES
def test_what_the_server_refuses_is_the_items_own_error(run: Run, kind: str) -> None:
    items_in = [{"text": "short"}, {"text": "a b " * CONTEXT_TOKENS}, {"text": "also short"}]
    ended, items = run(source(kind, items_in, user("{{ item.text }}")))
    error = items[1].sample.error

    assert (ended.status, counts(ended)) == ("completed", (2, 0, 1))
    assert [item.status for item in items] == ["pass", "error", "pass"]
    assert error.code == "context_length_exceeded"
    assert f"({CONTEXT_TOKENS} tokens)" in error.message
    assert extension_of(items[1])["attempts"] == 1


def test_the_documented_entry_keeps_to_a_schema_in_both_types_of_run(
    llama_server: LlamaServer, repository: Path, tmp_path: Path
) -> None:
    page = (repository / "docs" / "how-to" / "connect-models.md").read_text()
    found = re.search(r"^### llama\.cpp\n.*?```toml\n(.*?)```", page, re.DOTALL | re.MULTILINE)
    assert found is not None
    config = tmp_path / "evalhaven.toml"
    config.write_text(found[1].replace("http://localhost:8080/v1", llama_server.base_url))
    with Server(tmp_path, EVALHAVEN_CONFIG=str(config)).running() as server, sdk_of(server) as sdk:
        for kind, wanted in (("completions", {"response_format": FORMAT}), ("responses", responses_format())):
            data_source = source(kind, [{}], user("Which one?"), max_completion_tokens=200, **wanted)
            ended, (item,) = runner_of(sdk)({**data_source, "model": "local-model"})

            assert counts(ended) == (1, 0, 0)
            assert json.loads(text(item)).keys() == {"colour", "count"}


def responses_format() -> dict[str, Any]:
    """Return the schema as a `responses` run has it."""
    return {"text": {"format": {"type": "json_schema", **FORMAT["json_schema"]}}}
