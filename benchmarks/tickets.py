"""The rows that are measured: support tickets, with the recorded answer of a model or as a question to one."""

import json
from collections.abc import Iterable
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

MODEL = "mock-1"
QUESTION = (
    {
        "type": "message",
        "role": "system",
        "content": "You sort the tickets of a help desk into Hardware, Software and Other. Answer with one word.",
    },
    {"type": "message", "role": "user", "content": "{{ item.ticket }}\nANSWER: {{ item.said }}"},
)
"""What a model is asked about a ticket; `benchmarks.upstream` answers with the text after the colon."""

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
    """Write so many rows with a recorded answer as JSONL; return the bytes written. One has about 400."""
    return _write(path, (recorded_row(number) for number in range(items)))


def write_questions(path: Path, items: int) -> int:
    """Write so many rows that a model is to be asked about as JSONL; return the bytes written. One has about 250."""
    return _write(path, ({"item": question(number)} for number in range(items)))


def recorded_row(number: int) -> dict[str, Any]:
    """Return a row with the recorded answer of a model."""
    return {"item": ticket(number), "sample": _sample(_answer(number))}


def ticket(number: int) -> dict[str, Any]:
    """Return the item of a row."""
    words = (_WORDS[(number * 7 + place * place) % len(_WORDS)] for place in range(_WORDS_A_TICKET))
    return {"id": number, "ticket": f"Ticket {number}: {' '.join(words)}", "ideal": _LABELS[number % 3]}


def question(number: int) -> dict[str, Any]:
    """Return the item of a row, which itself says what the endpoint shall answer."""
    return {**ticket(number), "said": _answer(number)}


def _answer(number: int) -> str:
    return _LABELS[(number if number % PASS_EVERY else number + 1) % 3]


def _sample(answer: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": answer}
    return {
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 61, "completion_tokens": 2, "total_tokens": 63},
    }


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> int:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    return path.stat().st_size
