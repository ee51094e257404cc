"""Eval files for tests, written to a directory."""

import json
from pathlib import Path
from typing import Any

CRITERION = {
    "type": "string_check",
    "name": "exact",
    "input": "{{ sample.output_text }}",
    "operation": "eq",
    "reference": "{{ item.answer }}",
}
ROWS = [{"question": "Capital of France?", "answer": "Paris"}, {"question": "Capital of Italy?", "answer": "Rome"}]


def document(**changes: Any) -> dict[str, Any]:
    """Return an eval with a model and a prompt; a key that is changed to None is left out."""
    whole: dict[str, Any] = {
        "name": "Capitals",
        "data": ROWS,
        "models": ["scripted"],
        "prompts": {"plain": "{{ item.question }} ANSWER: {{ item.answer }}"},
        "testing_criteria": [CRITERION],
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def write_json(directory: Path, **changes: Any) -> Path:
    """Write an eval as JSON; return its path."""
    path = directory / "eval.json"
    path.write_text(json.dumps(document(**changes), indent=1))
    return path


def write(directory: Path, name: str, text: str) -> Path:
    """Write a file; return its path."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path
