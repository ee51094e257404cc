"""Facts about evals: the derived schema and the identified criteria."""

import json
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.evals import Eval, answered_config, identified_criteria
from evalhaven.domain.ids import EvalId
from tests.unit.written import config_of, criteria_of

JUDGE: dict[str, Any] = {"type": "score_model", "name": "n", "model": "m", "input": []}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}


def answered(config: dict[str, Any]) -> Eval:
    """Return an eval of a config as it was sent."""
    return Eval(EvalId("eval_1"), 1, 1, "n", {}, answered_config(config_of(config)), Criteria())


def test_the_answered_config_is_the_recorded_one(shared_dir: Path) -> None:
    recorded = json.loads(
        (shared_dir / "spec/recorded/eval_created_custom_with_sample_schema__2025-05.json").read_text()
    )
    config = recorded.get("response", recorded)["data_source_config"]
    sent = {
        "type": "custom",
        "item_schema": config["schema"]["properties"]["item"],
        "include_sample_schema": True,
    }

    assert json.dumps(answered_config(config_of(sent)).json) == json.dumps(config)


@pytest.mark.parametrize("more", [{}, {"include_sample_schema": False}, {"include_sample_schema": None}])
def test_the_sample_is_only_in_the_schema_when_asked_for(more: dict[str, Any]) -> None:
    assert answered_config(config_of({"type": "custom", "item_schema": SCHEMA, **more})).json == {
        "type": "custom",
        "schema": {"type": "object", "properties": {"item": SCHEMA}, "required": ["item"]},
    }


@pytest.mark.parametrize("kind", ["logs", "stored_completions"])
def test_configs_of_logged_calls_keep_their_own_type_and_metadata(kind: str) -> None:
    schema = {
        "type": "object",
        "properties": {"item": {"type": "object"}, "sample": {"type": "object"}},
        "required": ["item", "sample"],
    }

    assert answered_config(config_of({"type": kind, "metadata": {"a": "b"}})).json == {
        "type": kind,
        "metadata": {"a": "b"},
        "schema": schema,
    }
    assert answered_config(config_of({"type": kind, "metadata": None})).json["metadata"] == {}
    assert answered_config(config_of({"type": kind})).json["metadata"] == {}


def test_the_item_schema_of_an_eval_is_the_one_that_was_sent() -> None:
    custom = answered({"type": "custom", "item_schema": SCHEMA, "include_sample_schema": True})

    assert custom.item_schema == SCHEMA
    assert answered({"type": "logs"}).item_schema is True
    assert replace(custom, name="other").item_schema == SCHEMA


def test_each_criterion_gets_an_id_of_its_name_and_a_uuid() -> None:
    numbers = count()

    def new_uuid() -> str:
        return f"uuid{next(numbers)}"

    sent: dict[str, Any] = {
        "type": "string_check",
        "input": "i",
        "id": "cloned-1",
        "name": "Match it",
        "reference": "r",
        "operation": "eq",
    }
    first, second = identified_criteria(criteria_of([sent, sent]), new_uuid)

    assert first.text == json.dumps(
        {
            "name": "Match it",
            "id": "Match it-uuid0",
            "type": "string_check",
            "input": "i",
            "reference": "r",
            "operation": "eq",
        },
        separators=(",", ":"),
    )
    assert second.id == "Match it-uuid1"
    assert sent["id"] == "cloned-1"


def test_nulls_and_unknown_keys_of_a_criterion_are_echoed() -> None:
    sent: dict[str, Any] = {**JUDGE, "sampling_params": None, "note": {"x": 1}}
    [criterion] = identified_criteria(criteria_of([sent]), lambda: "u")

    assert criterion.json.items() >= {"sampling_params": None, "note": {"x": 1}}.items()


def test_messages_of_model_graders_get_their_type_and_keep_their_content() -> None:
    messages: list[Any] = [
        {"role": "user", "content": "c"},
        {"type": "message", "role": "user", "content": {"type": "input_text", "text": "t"}},
        {"type": None, "role": "user", "content": []},
    ]
    judge: dict[str, Any] = {**JUDGE, "input": messages}
    multi = {"type": "multi", "name": "m", "graders": {"j": judge}, "calculate_output": "j"}
    alone, part = identified_criteria(criteria_of([judge, multi]), lambda: "u")
    typed = [{**message, "type": "message"} for message in messages]

    assert alone.json["input"] == typed
    assert part.json["graders"] == {"j": {**judge, "input": typed}}
