"""Facts about the JSON Schema of eval files."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from evalhaven.eval_files.json_schema import eval_file_schema
from tests.system.commands import call_command
from tests.unit.eval_files.written_files import CRITERION, document

PYTHON = {"type": "python", "name": "code", "source": {"path": "grade.py"}}


@pytest.fixture(scope="module")
def validator() -> Any:
    return jsonschema_rs.validator_for(eval_file_schema())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"data": "rows.jsonl", "models": [{"model": "m", "name": "n", "sampling_params": {"seed": 1}}]},
        {"prompts": {"a": [{"role": "user", "content": "x"}], "b": {"path": "b.md"}}},
        {"testing_criteria": [PYTHON]},
        {"testing_criteria": [{"type": "multi", "name": "m", "graders": {"a": PYTHON}, "calculate_output": "a"}]},
        {"policy": {"margin": 0.02, "criteria": {"exact": {"tier": "advisory"}}}, "budget": {"tokens": 5}},
    ],
)
def test_what_reading_takes_is_valid(validator: Any, changes: dict[str, Any]) -> None:
    validator.validate(document(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"repeat": 2},
        {"name": None},
        {"repeats": 0},
        {"models": [{"modle": "m"}]},
        {"testing_criteria": [{**CRITERION, "refrence": "x"}]},
        {"policy": {"margn": 0.1}},
        {"sampling_params": {"temprature": 1}},
    ],
)
def test_what_reading_refuses_is_not_valid(validator: Any, changes: dict[str, Any]) -> None:
    assert not validator.is_valid(document(**changes))


def test_the_command_prints_what_is_published(repository: Path) -> None:
    done = call_command("schema")
    assert done.returncode == 0
    published = repository / "docs" / "reference" / "eval-file.schema.json"
    assert json.loads(done.stdout) == json.loads(published.read_text()) == eval_file_schema()
