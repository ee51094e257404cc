"""Request documents that the wire tests start from, and the two ways of checking them against a model."""

import copy
from typing import Any

import pytest

from evalhaven.wire.evals import CreateEvalRequest
from evalhaven.wire.requests import ParsedRequest, RequestError, parse_request
from evalhaven.wire.runs import CreateEvalRunRequest

USER_MESSAGE: dict[str, Any] = {"role": "user", "content": "{{ item.input }}"}

STRING_CHECK: dict[str, Any] = {
    "type": "string_check",
    "name": "Match",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.label }}",
    "operation": "eq",
}
TEXT_SIMILARITY: dict[str, Any] = {
    "type": "text_similarity",
    "name": "Close",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.label }}",
    "evaluation_metric": "fuzzy_match",
    "pass_threshold": 0.8,
}
LABEL_MODEL: dict[str, Any] = {
    "type": "label_model",
    "name": "Tone",
    "model": "judge",
    "input": [USER_MESSAGE],
    "labels": ["good", "bad"],
    "passing_labels": ["good"],
}
SCORE_MODEL: dict[str, Any] = {
    "type": "score_model",
    "name": "Score",
    "model": "judge",
    "input": [USER_MESSAGE],
    "range": [0, 1],
}
PYTHON: dict[str, Any] = {
    "type": "python",
    "name": "Code",
    "source": "def grade(sample, item) -> float:\n    return 1.0",
}
MULTI: dict[str, Any] = {
    "type": "multi",
    "name": "Both",
    "graders": {"a": STRING_CHECK, "b": PYTHON},
    "calculate_output": "(a + b) / 2",
}
CRITERIA = [STRING_CHECK, TEXT_SIMILARITY, LABEL_MODEL, SCORE_MODEL, PYTHON, MULTI]

FILE_ID: dict[str, Any] = {"type": "file_id", "id": "file-abc"}
TEMPLATE: dict[str, Any] = {"type": "template", "template": [USER_MESSAGE]}


def make_eval(*criteria: object, **more: object) -> dict[str, Any]:
    """Return the body that creates an eval with these criteria."""
    return copy.deepcopy(
        {
            "data_source_config": {"type": "custom", "item_schema": {"type": "object"}},
            "testing_criteria": list(criteria),
        }
        | more
    )


def make_run(protocol: str = "completions", source: object = None, **more: object) -> dict[str, Any]:
    """Return the body that creates a run that samples with TEMPLATE, unless `more` replaces it."""
    data_source = {
        "type": protocol,
        "source": FILE_ID if source is None else source,
        "input_messages": TEMPLATE,
        "model": "gpt-4o-mini",
    }
    return copy.deepcopy({"data_source": data_source | more})


def with_content(content: object) -> dict[str, Any]:
    """Return the body that creates a run whose one message has this content."""
    messages = {"type": "template", "template": [{"role": "user", "content": content}]}
    return make_run(input_messages=messages)


def parse_eval(document: object) -> ParsedRequest[CreateEvalRequest]:
    """Parse the body of an eval creation."""
    return parse_request(CreateEvalRequest, document)


def parse_run(document: object) -> ParsedRequest[CreateEvalRunRequest]:
    """Parse the body of a run creation."""
    return parse_request(CreateEvalRunRequest, document)


def refuse_eval(document: object) -> RequestError:
    """Return the error an eval creation is refused with."""
    with pytest.raises(RequestError) as refusal:
        parse_eval(document)
    return refusal.value


def refuse_run(document: object) -> RequestError:
    """Return the error a run creation is refused with."""
    with pytest.raises(RequestError) as refusal:
        parse_run(document)
    return refusal.value
