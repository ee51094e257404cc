"""Facts about run bodies: data sources, sources, messages, tools and sampling parameters."""

from typing import Any

import pytest

from evalhaven.wire.data_sources import CreateEvalCompletionsRunDataSource
from tests.unit.wire.documents import (
    FILE_ID,
    TEMPLATE,
    make_run,
    parse_run,
    refuse_run,
    with_content,
)

INLINE: dict[str, Any] = {"type": "file_content", "content": [{"item": {"a": 1}, "sample": {}}]}
STORED: dict[str, Any] = {
    "type": "stored_completions",
    "metadata": {"usecase": "push"},
    "model": "gpt-4o",
    "created_after": 1,
    "created_before": 2,
    "limit": 10,
}
LOGGED: dict[str, Any] = {
    "type": "responses",
    "metadata": {"usecase": "push"},
    "model": None,
    "instructions_search": "x",
    "created_after": 0,
    "reasoning_effort": "low",
    "temperature": 1,
    "top_p": 0.5,
    "users": ["u"],
    "tools": ["web_search"],
    "limit": 5,
}


@pytest.mark.parametrize(
    ("protocol", "source"),
    [
        ("completions", FILE_ID),
        ("completions", INLINE),
        ("completions", STORED),
        ("completions", {"type": "stored_completions"}),
        ("responses", FILE_ID),
        ("responses", INLINE),
        ("responses", LOGGED),
    ],
)
def test_every_source_of_a_sampling_run_parses(protocol: str, source: dict[str, Any]) -> None:
    assert parse_run(make_run(protocol, source)).unknown == ()


@pytest.mark.parametrize("source", [FILE_ID, INLINE, {"type": "file_content", "content": []}])
def test_every_source_of_a_jsonl_run_parses(source: dict[str, Any]) -> None:
    assert parse_run({"data_source": {"type": "jsonl", "source": source}}).unknown == ()


def test_inline_rows_are_not_looked_at() -> None:
    parse_run(make_run(source={"type": "file_content", "content": [1, {"no": "item"}]}))


@pytest.mark.parametrize(
    ("protocol", "kind", "allowed"),
    [
        ("jsonl", "stored_completions", "'file_content' or 'file_id'"),
        ("completions", "responses", "'file_content', 'file_id' or 'stored_completions'"),
        ("responses", "stored_completions", "'file_content', 'file_id' or 'responses'"),
    ],
)
def test_source_type_is_closed_for_each_data_source(protocol: str, kind: str, allowed: str) -> None:
    error = refuse_run({"data_source": {"type": protocol, "source": {"type": kind}}})

    assert error.param == "data_source.source.type"
    assert allowed in error.message


def test_unknown_data_source_type_names_the_allowed_types() -> None:
    error = refuse_run({"data_source": {"type": "custom", "source": FILE_ID}})

    assert error.param == "data_source.type"
    assert "'jsonl', 'completions' or 'responses'" in error.message


def test_missing_parts_of_a_source_are_named() -> None:
    assert refuse_run({}).param == "data_source"
    assert refuse_run({"data_source": {"type": "jsonl"}}).param == "data_source.source"
    assert refuse_run(make_run(source={"type": "file_id"})).param == "data_source.source.id"
    assert refuse_run(make_run(source={"type": "file_content"})).param == "data_source.source.content"


def test_source_content_is_an_array() -> None:
    error = refuse_run(make_run(source={"type": "file_content", "content": {"item": {}}}))

    assert error.param == "data_source.source.content"
    assert "must be an array, but is an object" in error.message


@pytest.mark.parametrize("protocol", ["completions", "responses"])
def test_messages_and_model_come_together_or_not_at_all(protocol: str) -> None:
    no_model = refuse_run(make_run(protocol, model=None))
    no_messages = refuse_run(make_run(protocol, input_messages=None))

    assert no_model.param == "data_source.model"
    assert "'input_messages'" in no_model.message
    assert no_messages.param == "data_source.input_messages"
    assert "'model'" in no_messages.message
    parse_run(make_run(protocol, model=None, input_messages=None))


@pytest.mark.parametrize(
    "content",
    [
        "{{ item.input }}",
        "",
        {"type": "input_text", "text": "{{ item.ticket_text }}"},
        {"type": "output_text", "text": "x"},
        [{"type": "input_text", "text": "x"}, "plain", {"type": "output_text", "text": "y"}],
        [{"type": "input_image", "image_url": "{{ item.image }}", "detail": "ultra"}],
        {"type": "input_image", "file_id": "file-1", "image_url": None},
        {"type": "input_audio", "input_audio": {"data": "{{ item.audio }}", "format": "flac"}},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_file", "file_data": "x", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
        {"type": "text", "text": "x"},
        {"type": "image_url", "image_url": {"url": "{{ item.image }}", "detail": "low"}},
        {"type": "input_video", "anything": [1]},
        {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}},
        [],
    ],
)
def test_content_parses_in_every_form_without_unknown_keys(content: object) -> None:
    assert parse_run(with_content(content)).unknown == ()


AT = "data_source.input_messages.template[0].content"


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (None, AT),
        (1, AT),
        ([None], f"{AT}[0]"),
        ([["x"]], f"{AT}[0]"),
        ({}, f"{AT}.type"),
        ({"type": 5}, f"{AT}.type"),
        ({"type": "input_text"}, f"{AT}.text"),
        ([{"type": "text", "text": 5}], f"{AT}[0].text"),
        (["ok", {"type": "input_image"}], f"{AT}[1].image_url"),
        ({"type": "input_image", "image_url": {"url": "x"}}, f"{AT}.image_url"),
        ({"type": "input_audio", "input_audio": {"data": "x"}}, f"{AT}.input_audio.format"),
        ({"type": "input_audio", "data": "x"}, f"{AT}.input_audio"),
        ({"type": "input_file", "filename": "a"}, f"{AT}.file_id"),
        ({"type": "image_url", "image_url": "x"}, f"{AT}.image_url"),
        ({"type": "image_url", "image_url": {}}, f"{AT}.image_url.url"),
    ],
)
def test_broken_content_is_named_by_its_place(content: object, param: str) -> None:
    assert refuse_run(with_content(content)).param == param


@pytest.mark.parametrize("role", ["user", "assistant", "system", "developer", "tool", "critic"])
def test_role_is_any_string_but_the_empty_one(role: str) -> None:
    def run_as(name: str) -> dict[str, Any]:
        message = {"role": name, "content": "x", "type": "message", "phase": "final_answer"}
        return make_run(input_messages={"type": "template", "template": [message]})

    assert parse_run(run_as(role)).unknown == ()
    assert refuse_run(run_as("")).param == "data_source.input_messages.template[0].role"


def test_unknown_input_messages_type_names_the_allowed_types() -> None:
    error = refuse_run(make_run(input_messages={"type": "messages", "template": []}))

    assert error.param == "data_source.input_messages.type"
    assert "'template' or 'item_reference'" in error.message


def test_item_reference_points_into_the_item() -> None:
    parse_run(make_run(input_messages={"type": "item_reference", "item_reference": "item.input"}))
    for reference in ("input", "item", "item.", "sample.input", ""):
        error = refuse_run(make_run(input_messages={"type": "item_reference", "item_reference": reference}))
        assert error.param == "data_source.input_messages.item_reference"
        assert "'item.messages'" in error.message


COMPLETIONS_PARAMS: dict[str, Any] = {
    "temperature": 0,
    "top_p": 1.0,
    "seed": -42,
    "max_completion_tokens": 1,
    "max_completions_tokens": 2048,
    "reasoning_effort": "someday",
    "response_format": {"type": "text"},
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}, "strict": True}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
}
RESPONSES_PARAMS: dict[str, Any] = {
    "temperature": 0.5,
    "seed": 42,
    "max_completions_tokens": 2048,
    "text": {
        "format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True},
        "verbosity": "low",
    },
    "tools": [
        {"type": "function", "name": "f", "parameters": {}},
        {"type": "web_search_preview", "search_context_size": "low"},
        {"type": "mcp", "server_label": "s", "headers": {"a": "b"}},
    ],
    "tool_choice": "auto",
}


@pytest.mark.parametrize(("protocol", "params"), [("completions", COMPLETIONS_PARAMS), ("responses", RESPONSES_PARAMS)])
def test_every_sampling_parameter_parses_and_may_be_null(protocol: str, params: dict[str, Any]) -> None:
    for sent in (params, None, {}, dict.fromkeys(params)):
        assert parse_run(make_run(protocol, sampling_params=sent)).unknown == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("temperature", "1"),
        ("temperature", True),
        ("temperature", float("nan")),
        ("top_p", []),
        ("seed", 1.5),
        ("seed", "42"),
        ("seed", False),
        ("max_completion_tokens", 0),
        ("max_completions_tokens", -1),
        ("max_completions_tokens", 1.0),
        ("reasoning_effort", 3),
        ("response_format", "json_object"),
        ("tools", {}),
    ],
)
def test_sampling_parameters_are_strictly_typed(key: str, value: object) -> None:
    error = refuse_run(make_run(sampling_params={key: value}))

    assert error.param == f"data_source.sampling_params.{key}"


@pytest.mark.parametrize(
    ("format_", "at"),
    [
        ({}, ".type"),
        ({"type": "json_schema"}, ".json_schema"),
        ({"type": "json_schema", "json_schema": {"schema": {}}}, ".json_schema.name"),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": []}}, ".json_schema.schema"),
    ],
)
def test_known_response_formats_are_checked(format_: object, at: str) -> None:
    error = refuse_run(make_run(sampling_params={"response_format": format_}))

    assert error.param == f"data_source.sampling_params.response_format{at}"


@pytest.mark.parametrize(
    "format_",
    [
        {"type": "json_object"},
        {"type": "grammar", "grammar": "x"},
        {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": None}},
    ],
)
def test_response_formats_parse_and_unknown_ones_pass(format_: object) -> None:
    assert parse_run(make_run(sampling_params={"response_format": format_})).unknown == ()


def test_text_format_needs_name_and_schema() -> None:
    for key in ("name", "schema"):
        format_ = {"type": "json_schema", "name": "n", "schema": {}}
        del format_[key]
        error = refuse_run(make_run("responses", sampling_params={"text": {"format": format_}}))
        assert error.param == f"data_source.sampling_params.text.format.{key}"


@pytest.mark.parametrize(
    ("tool", "at"),
    [
        ("function", ""),
        ({}, ".type"),
        ({"type": None}, ".type"),
        ({"type": "function"}, ".name"),
        ({"type": "function", "name": 5}, ".name"),
        ({"type": "function", "name": ""}, ".name"),
        ({"type": "function", "function": {}}, ".function.name"),
        ({"type": "function", "function": "f"}, ".function"),
    ],
)
@pytest.mark.parametrize("protocol", ["completions", "responses"])
def test_function_tools_need_a_name(protocol: str, tool: object, at: str) -> None:
    error = refuse_run(make_run(protocol, sampling_params={"tools": [{"type": "custom"}, tool]}))

    assert error.param == f"data_source.sampling_params.tools[1]{at}"


def test_both_forms_of_function_tools_pass_in_both_protocols() -> None:
    tools = [{"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}]
    for protocol in ("completions", "responses"):
        parse_run(make_run(protocol, sampling_params={"tools": tools}))


@pytest.mark.parametrize(
    ("key", "value"), [("description", 1), ("parameters", []), ("strict", "yes"), ("allowed_callers", "direct")]
)
def test_fields_of_function_tools_are_typed(key: str, value: object) -> None:
    tool = {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True, "later": 1}
    parse_run(make_run("responses", sampling_params={"tools": [tool]}))
    error = refuse_run(make_run("responses", sampling_params={"tools": [tool | {key: value}]}))

    assert error.param == f"data_source.sampling_params.tools[0].{key}"


def test_tools_are_at_most_128() -> None:
    parse_run(make_run(sampling_params={"tools": [{"type": "custom"}] * 128}))
    error = refuse_run(make_run(sampling_params={"tools": [{"type": "custom"}] * 129}))

    assert error.param == "data_source.sampling_params.tools"
    assert "128" in error.message
    assert "129" in error.message


def test_extension_key_of_a_run_is_checked_and_unknown_keys_of_it_are_named() -> None:
    run = make_run()
    options = {"repeats": 3, "cache": True, "max_concurrency": 5, "extra_body": {"top_k": 1}, "labels": ["a"]}

    assert parse_run(run | {"evalhaven": {**options, "budget": {"cost": 1}}}).unknown == ()
    assert parse_run(run | {"evalhaven": {"repeats": 3, "future": []}}).unknown == ("/evalhaven/future",)
    assert parse_run(run | {"evalhaven": dict.fromkeys(options)}).unknown == ()


@pytest.mark.parametrize(
    ("options", "param"),
    [
        (3, "evalhaven"),
        ({"repeats": 0}, "evalhaven.repeats"),
        ({"repeats": 1001}, "evalhaven.repeats"),
        ({"cache": "yes"}, "evalhaven.cache"),
        ({"max_concurrency": 0}, "evalhaven.max_concurrency"),
        ({"extra_body": []}, "evalhaven.extra_body"),
        ({"budget": {}}, "evalhaven.budget.cost"),
        ({"budget": {"cost": 0}}, "evalhaven.budget.cost"),
        ({"budget": {"tokens": 0.5}}, "evalhaven.budget.tokens"),
        ({"labels": ["a"] * 17}, "evalhaven.labels"),
        ({"labels": ["a", "b" * 65]}, "evalhaven.labels[1]"),
        ({"labels": [""]}, "evalhaven.labels[0]"),
    ],
)
def test_options_that_make_no_sense_are_refused_by_name(options: object, param: str) -> None:
    assert refuse_run(make_run() | {"evalhaven": options}).param == param


def test_parsed_body_is_immutable() -> None:
    body = parse_run(make_run()).body

    assert isinstance(body.data_source, CreateEvalCompletionsRunDataSource)
    with pytest.raises(ValueError, match="frozen"):
        body.data_source.model = "other"


def test_messages_of_recorded_run_template_parse() -> None:
    message = {"type": "message", "role": "developer", "content": {"type": "input_text", "text": "You are …"}}
    template = {"type": "template", "template": [message, *TEMPLATE["template"]]}

    assert parse_run(make_run(input_messages=template, sampling_params=None)).unknown == ()
