"""What every client is given: the eval, the rows and the file that its program works with."""

import json
from typing import Any

FAILED_ROWS = [2, 5]
LARGE_ROWS = 100_000  # some seconds of grading: a client that polls finds the run under way

ROWS: list[dict[str, Any]] = [
    {"item": {"a": "größe 😀", "b": "other" if number in FAILED_ROWS else "größe 😀", "n": [number, 1.5, None, True]}}
    for number in range(7)
]
ITEM_SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]}
CRITERION = {
    "type": "string_check",
    "name": "same",
    "input": "{{ item.a }}",
    "reference": "{{ item.b }}",
    "operation": "eq",
}
EVAL = {
    "name": 'größe 😀 "quoted"',
    "metadata": {"suite": "clients", "ключ": "ü"},
    "data_source_config": {"type": "custom", "item_schema": ITEM_SCHEMA, "include_sample_schema": False},
    "testing_criteria": [CRITERION],
}
UPDATE = {"name": "renamed", "metadata": {"suite": "clients", "step": "2"}}
METADATA = {"commit": "abc123"}
FILE = {"name": "rows.jsonl", "content": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)}
LARGE_FILE = b'{"item":{"a":"x","b":"x"}}\n' * LARGE_ROWS
BAD_EVAL = {
    **EVAL,
    "data_source_config": {"type": "custom", "item_schema": {"type": "no such type"}},
}


def given(large_file_id: str) -> dict[str, Any]:
    """Return what a client's program reads.

    Args:
        large_file_id: An uploaded file with the rows of `LARGE_FILE`.
    """
    return {
        "eval": EVAL,
        "update": UPDATE,
        "metadata": METADATA,
        "rows": ROWS,
        "file": FILE,
        "large_file_id": large_file_id,
        "bad_eval": BAD_EVAL,
    }
