"""Facts about the secrets of tools."""

from typing import Any

import pytest

from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import render
from evalhaven.domain.masking import MASK
from evalhaven.domain.samples import ItemError
from evalhaven.domain.tool_secrets import masked, may_hold_secrets, secrets_of
from evalhaven.runs.tool_secrets import refuse_secrets, tools_with_secrets, without_secrets
from evalhaven.wire.data_sources import RunDataSource
from tests.unit.written import data_source_of

MCP: dict[str, Any] = {
    "type": "mcp",
    "server_label": "docs",
    "authorization": "s3cret-1",
    "headers": {"x-key": "s3cret-2", "x-none": None},
}
SHELL: dict[str, Any] = {
    "type": "shell",
    "environment": {"network_policy": {"domain_secrets": [{"domain": "a.example", "name": "K", "value": "s3cret-3"}]}},
}
STRANGE: dict[str, Any] = {"type": "new", "headers": "s3cret-4", "deep": [{"authorization": {"token": "s3cret-5"}}]}
FUNCTION: dict[str, Any] = {
    "type": "function",
    "name": "f",
    "parameters": {"type": "object", "properties": {"headers": {"type": "string"}, "authorization": {}}},
}
TOOLS: list[Any] = [MCP, SHELL, STRANGE, FUNCTION]


@pytest.mark.parametrize(
    "document",
    [
        {"sampling_params": {"tools": TOOLS}},
        {"tools": TOOLS},
        {"type": "jsonl", "more": [{"sampling_params": {"tools": TOOLS}}]},
    ],
)
def test_nothing_that_authenticates_a_tool_is_shown_wherever_it_stands(document: Any) -> None:
    shown = str(masked(document))

    assert "s3cret" not in shown
    assert shown.count(MASK) == 6
    assert "x-key" in shown
    assert "a.example" in shown


def test_the_schema_of_a_function_holds_no_secrets() -> None:
    assert masked({"tools": [FUNCTION]}) == {"tools": [FUNCTION]}
    assert tools_with_secrets(_responses(tools=[FUNCTION])) is None


def test_tools_come_back_whole_for_the_call() -> None:
    source = _responses(tools=TOOLS, temperature=1)
    shown = DataSource(masked(source.sent))

    assert tools_with_secrets(source) == TOOLS
    assert shown.with_tools(TOOLS) == DataSource(source.sent)


def test_what_an_answer_showed_is_no_secret_to_send_back() -> None:
    shown: Any = masked({"tools": TOOLS})

    with pytest.raises(InvalidRequestError, match="send them again"):
        tools_with_secrets(_responses(**shown))


@pytest.mark.parametrize("body", [{"tools": []}, {"a": [{"headers": {}}]}, {"mcp_servers": [{"authorization": "x"}]}])
def test_an_extra_body_with_secrets_is_refused(body: Any) -> None:
    with pytest.raises(InvalidRequestError, match="extra_body"):
        refuse_secrets(body)
    refuse_secrets({"top_k": 4, "provider": {"order": ["a"]}})
    refuse_secrets(None)


def test_an_error_that_quotes_its_request_keeps_the_secrets() -> None:
    secrets = secrets_of(TOOLS)
    error = ItemError("x", "input: {'authorization': 's3cret-1', 'k': 's3cret-3', 's3cret-5'}", "sampling")

    assert sorted(secrets) == ["s3cret-1", "s3cret-2", "s3cret-3", "s3cret-4", "s3cret-5"]
    assert "s3cret" not in without_secrets(error, secrets).message
    assert without_secrets(ItemError("x", "plain"), secrets) == ItemError("x", "plain")


def _responses(**params: Any) -> RunDataSource:
    return data_source_of({"type": "responses", "sampling_params": params})


@pytest.mark.parametrize("tool", [MCP, SHELL, STRANGE])
def test_the_text_of_a_document_tells_that_it_may_hold_secrets(tool: dict[str, Any]) -> None:
    documents: list[dict[str, Any]] = [{"tools": [tool]}, {"deep": [{"tools": [FUNCTION, tool]}]}]
    for document in documents:
        assert masked(document) != document
        assert may_hold_secrets(render(document))


def test_texts_that_only_speak_of_tools_and_headers_hold_no_secrets() -> None:
    said = render({"content": 'They are in {"tools":[{"headers":{}}]}, or \\"headers": 1', "tool": "tools"})
    documents: list[dict[str, Any]] = [
        {"messages": [said]},
        {"tools": [{"name": "f"}], "said": said},
        {"headers": 1},
    ]
    for document in documents:
        assert masked(document) == document
        assert not may_hold_secrets(render(document))
