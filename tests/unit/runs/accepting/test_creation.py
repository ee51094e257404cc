"""Facts about how a run is made from a request."""

from evalhaven.domain.jsontext import JsonObject
from evalhaven.runs.accepting.creation import answered_data_source
from tests.unit.written import data_source_of

MCP: JsonObject = {
    "type": "mcp",
    "server_label": "deep",
    "authorization": "Bearer secret-1",
    "headers": {"X-Key": "secret-2"},
}
SHELL: JsonObject = {
    "type": "shell",
    "environment": {
        "type": "container_auto",
        "network_policy": {"domain_secrets": [{"domain": "a.example", "name": "KEY", "value": "secret-4"}]},
    },
}


def answered_tools(*tools: JsonObject) -> object:
    answered = answered_data_source(data_source_of({"type": "responses", "sampling_params": {"tools": list(tools)}}))
    return answered.tools


def test_secrets_of_tools_are_masked_wherever_they_stand() -> None:
    answered = answered_tools(MCP, SHELL)

    assert answered == [
        {**MCP, "authorization": "***", "headers": {"X-Key": "***"}},
        {
            "type": "shell",
            "environment": {
                "type": "container_auto",
                "network_policy": {"domain_secrets": [{"domain": "a.example", "name": "KEY", "value": "***"}]},
            },
        },
    ]


def test_a_tool_without_secrets_is_answered_as_sent() -> None:
    tool: JsonObject = {"type": "function", "name": "f", "parameters": {"properties": {"headers": {"a": "b"}}}}

    assert answered_tools(tool) == [tool]


def test_absent_secrets_stay_absent() -> None:
    tool: JsonObject = {"type": "mcp", "server_label": "a", "authorization": None, "headers": None}

    assert answered_tools(tool) == [tool]
