"""Valid bodies of every operation that takes JSON: what mutations start from."""

from typing import Any

from tests.contract.conftest import eval_body, file_source, inline_source, string_check

MESSAGES: list[dict[str, Any]] = [
    {"role": "developer", "content": "Judge {{ item.a }}."},
    {"type": "message", "role": "user", "content": {"type": "input_text", "text": "{{ sample.output_text }}"}},
    {"role": "user", "content": [{"type": "input_image", "image_url": "{{ item.b }}", "detail": "low"}, "text"]},
]
SAMPLING = {"temperature": 0.5, "top_p": 1, "seed": 7, "max_completion_tokens": 10, "reasoning_effort": "low"}
TOOLS = [
    {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},
    {"type": "mcp", "server_label": "s", "authorization": "secret", "headers": {"x": "y"}},
]
CRITERIA: list[dict[str, Any]] = [
    string_check(),
    {
        "type": "text_similarity",
        "name": "alike",
        "input": "{{ item.a }}",
        "reference": "{{ item.b }}",
        "evaluation_metric": "fuzzy_match",
        "pass_threshold": 0.5,
    },
    {"type": "python", "name": "code", "source": "def grade(sample, item):\n    return 1.0\n", "pass_threshold": 0.5},
    {
        "type": "label_model",
        "name": "label",
        "model": "m",
        "input": MESSAGES,
        "labels": ["good", "bad"],
        "passing_labels": ["good"],
    },
    {
        "type": "score_model",
        "name": "score",
        "model": "m",
        "input": MESSAGES,
        "range": [0, 10],
        "pass_threshold": 5,
        "sampling_params": SAMPLING,
    },
    {
        "type": "multi",
        "name": "both",
        "graders": {"x": string_check(name="x"), "y": string_check(name="y", operation="like")},
        "calculate_output": "(x + y) / 2",
    },
]
ITEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"a": {"type": "string", "maxLength": 100}, "b": {"enum": ["x", "y", None]}},
    "required": ["a"],
}
EVALS: list[dict[str, Any]] = [
    eval_body(),
    {
        "name": "whole",
        "metadata": {"k": "v", "ü": "😀"},
        "data_source_config": {"type": "custom", "item_schema": ITEM_SCHEMA, "include_sample_schema": True},
        "testing_criteria": CRITERIA,
    },
    eval_body(data_source_config={"type": "logs", "metadata": {"use": "x"}}),
    eval_body(data_source_config={"type": "stored_completions"}, testing_criteria=[]),
]
ROWS: list[dict[str, Any]] = [
    {"item": {"a": "x", "b": "x"}},
    {"item": {"a": {"deep": [1, 2.5, None]}}, "sample": {"output_text": "x", "model": "m"}},
]
RUNS: list[dict[str, Any]] = [
    {"name": "run", "metadata": {"k": "v"}, "data_source": inline_source(ROWS), "evalhaven": {"labels": ["l"]}},
    {"data_source": file_source("file-" + "0" * 22)},
    {
        "data_source": {
            "type": "completions",
            "model": "m",
            "input_messages": {"type": "template", "template": MESSAGES},
            "sampling_params": {**SAMPLING, "response_format": {"type": "json_object"}, "tools": TOOLS},
            "source": {"type": "stored_completions", "metadata": {"k": "v"}, "limit": 5, "created_after": 0},
        }
    },
    {
        "data_source": {
            "type": "responses",
            "model": "m",
            "input_messages": {"type": "item_reference", "item_reference": "item.messages"},
            "sampling_params": {"text": {"format": {"type": "text"}}, "tools": TOOLS[1:]},
            "source": {"type": "responses", "users": ["u"], "temperature": 1.0, "created_before": 2**31},
        }
    },
]

# Also of the operations that only newer servers have.
BODIES: dict[str, list[dict[str, Any]]] = {
    "createEval": EVALS,
    "updateEval": [{"name": "renamed", "metadata": {"k": "v"}}, {"metadata": None}],
    "createEvalRun": RUNS,
    "createUpload": [
        {"bytes": 3, "filename": "f", "mime_type": "text/plain", "purpose": "evals"},
        {
            "bytes": 0,
            "filename": "größe.jsonl",
            "mime_type": "",
            "purpose": "user_data",
            "expires_after": {"anchor": "created_at", "seconds": 3600},
        },
    ],
    "completeUpload": [{"part_ids": [], "md5": "d41d8cd98f00b204e9800998ecf8427e"}, {"part_ids": []}],
    "runGrader": [
        {"grader": {**grader, "name": "n"}, "model_sample": "x", "item": {"a": "x", "b": "y"}} for grader in CRITERIA
    ],
    "validateGrader": [{"grader": grader} for grader in CRITERIA],
    "updateChatCompletion": [{"metadata": {"k": "v"}}, {"metadata": None}],
    "createChatCompletion": [
        {"model": "m", "messages": [{"role": "user", "content": "x"}], "metadata": {"k": "v"}},
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}], "stream": True},
    ],
    "createResponse": [
        {"model": "m", "input": "x", "store": False},
        {"model": "m", "input": [{"role": "user", "content": "x"}], "store": False, "stream": True},
    ],
    "createEmbedding": [{"model": "m", "input": ["x"]}],
}
