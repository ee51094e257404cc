"""The rows that are measured: support tickets with the answer of a model, about 400 bytes each."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PASS_EVERY = 5  # every fifth recorded answer is wrong

EVAL: dict[str, Any] = {
    "name": "Support tickets",
    "data_source_config": {
        "type": "custom",
        "item_schema": {
            "type": "object",
            "properties": {
                "id": {"type": "integer", "minimum": 0},
                "ticket": {"type": "string", "minLength": 1},
                "ideal": {"type": "string", "enum": ["Hardware", "Software", "Other"]},
            },
            "required": ["id", "ticket", "ideal"],
        },
        "include_sample_schema": True,
    },
    "testing_criteria": [
        {
            "type": "string_check",
            "name": "exact",
            "input": "{{ sample.output_text }}",
            "operation": "eq",
            "reference": "{{ item.ideal }}",
        }
    ],
}

_LABELS = ("Hardware", "Software", "Other")
_WORDS = (
    *("my", "monitor", "keyboard", "laptop", "will", "not", "turn", "on", "after", "the", "last", "update", "and"),
    *("the", "screen", "stays", "black", "please", "help", "me", "reset", "password", "invoice", "network", "printer"),
)
_WORDS_A_TICKET = 24


def expected_passes(items: int) -> int:
    """Return how many of the first rows have the right answer."""
    return items - (items + PASS_EVERY - 1) // PASS_EVERY


def write_rows(path: Path, items: int) -> int:
    """Write so many rows as JSONL; return the bytes written."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(_lines(items))
    return path.stat().st_size


def _lines(items: int) -> Iterator[str]:
    for number in range(items):
        words = (_WORDS[(number * 7 + place * place) % len(_WORDS)] for place in range(_WORDS_A_TICKET))
        answer = _LABELS[(number if number % PASS_EVERY else number + 1) % 3]
        row = {
            "item": {"id": number, "ticket": f"Ticket {number}: {' '.join(words)}", "ideal": _LABELS[number % 3]},
            "sample": {
                "model": "mock-1",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"},
                ],
                "usage": {"prompt_tokens": 61, "completion_tokens": 2, "total_tokens": 63},
            },
        }
        yield json.dumps(row, separators=(",", ":")) + "\n"
