"""Facts about the example that `evalhaven demo` runs, counted here without any of the product's code."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

ITEMS = 72
CATEGORY_PASSED = 60
PRIORITY_PASSED = 55
REPLY_PASSED = 63
ALL_THREE_PASSED = 41
OUTPUTS_WITHOUT_JSON = 3


@pytest.fixture(scope="module")
def example(repository: Path) -> Path:
    return repository / "examples" / "support_tickets"


@pytest.fixture(scope="module")
def rows(example: Path) -> list[dict[str, Any]]:
    lines = (example / "tickets.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def definition(example: Path) -> dict[str, Any]:
    return json.loads((example / "eval.json").read_text(encoding="utf-8"))


def read_text(row: dict[str, Any]) -> str:
    """Return the recorded output's text."""
    return row["sample"]["choices"][0]["message"]["content"]


def parse_answer(row: dict[str, Any]) -> dict[str, Any]:
    """Return the recorded output as JSON; an empty object if it is prose or fenced."""
    try:
        return json.loads(read_text(row).strip())
    except json.JSONDecodeError:
        return {}


def check_row(row: dict[str, Any]) -> tuple[bool, bool, bool]:
    """Return whether category, priority and the reply's ticket id are right."""
    item, answer = row["item"], parse_answer(row)
    return (
        answer.get("category") == item["category"],
        answer.get("priority") == item["priority"],
        item["ticket_id"] in read_text(row),
    )


def test_every_item_is_valid_under_the_schema(rows: list[dict[str, Any]], definition: dict[str, Any]) -> None:
    validator = jsonschema_rs.validator_for(definition["data_source_config"]["item_schema"])

    assert len(rows) == ITEMS
    assert [row["item"]["ticket_id"] for row in rows if not validator.is_valid(row["item"])] == []


def test_the_schema_is_closed(rows: list[dict[str, Any]], definition: dict[str, Any]) -> None:
    schema = definition["data_source_config"]["item_schema"]
    validator = jsonschema_rs.validator_for(schema)

    assert set(schema["required"]) == set(schema["properties"])
    assert not validator.is_valid(rows[0]["item"] | {"extra": 1})
    assert not validator.is_valid(rows[0]["item"] | {"priority": "urgent"})


def test_tickets_are_different_from_each_other(rows: list[dict[str, Any]]) -> None:
    for field in ("ticket_id", "subject", "ticket"):
        assert len({row["item"][field] for row in rows}) == ITEMS
    assert len({read_text(row) for row in rows}) == ITEMS


def test_every_category_and_priority_occurs_often(rows: list[dict[str, Any]]) -> None:
    categories = Counter(row["item"]["category"] for row in rows)
    priorities = Counter(row["item"]["priority"] for row in rows)

    assert (len(categories), len(priorities)) == (5, 3)
    assert min(*categories.values(), *priorities.values()) >= 10


def test_every_sample_is_a_minimal_chat_completion(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        sample = row["sample"]
        (choice,) = sample["choices"]

        assert set(row) == {"item", "sample"}
        assert set(sample) == {"model", "choices", "usage"}
        assert set(choice) == {"index", "message", "finish_reason"}
        assert (choice["index"], choice["message"]["role"], choice["finish_reason"]) == (
            0,
            "assistant",
            "stop",
        )
        assert sample["usage"]["total_tokens"] == (
            sample["usage"]["prompt_tokens"] + sample["usage"]["completion_tokens"]
        )


def test_recorded_outputs_are_right_and_wrong_in_known_numbers(rows: list[dict[str, Any]]) -> None:
    checks = [check_row(row) for row in rows]

    assert [sum(column) for column in zip(*checks, strict=True)] == [
        CATEGORY_PASSED,
        PRIORITY_PASSED,
        REPLY_PASSED,
    ]
    assert sum(map(all, checks)) == ALL_THREE_PASSED
    assert sum(not parse_answer(row) for row in rows) == OUTPUTS_WITHOUT_JSON


def test_answers_keep_to_the_known_categories_and_priorities(
    rows: list[dict[str, Any]], definition: dict[str, Any]
) -> None:
    properties = definition["data_source_config"]["item_schema"]["properties"]
    answers = [answer for row in rows if (answer := parse_answer(row))]

    assert all(set(answer) == {"category", "priority", "reply"} for answer in answers)
    assert {answer["category"] for answer in answers} <= set(properties["category"]["enum"])
    assert {answer["priority"] for answer in answers} <= set(properties["priority"]["enum"])


def test_criteria_are_the_three_that_are_counted_here(definition: dict[str, Any]) -> None:
    criteria = definition["testing_criteria"]

    assert [(grader["name"], grader["type"], grader["operation"]) for grader in criteria] == [
        ("category", "string_check", "eq"),
        ("priority", "string_check", "eq"),
        ("reply names the ticket", "string_check", "like"),
    ]
    assert definition["data_source_config"]["include_sample_schema"] is True


def test_the_second_prompt_is_better_and_breaks_three_priorities(example: Path, rows: list[dict[str, Any]]) -> None:
    lines = (example / "tickets-second-prompt.jsonl").read_text(encoding="utf-8").splitlines()
    second = [json.loads(line) for line in lines]

    assert [row["item"] for row in second] == [row["item"] for row in rows]
    checks = [check_row(row) for row in second]
    assert [sum(column) for column in zip(*checks, strict=True)] == [66, 63, ITEMS]
    assert sum(all(check) for check in checks) == 57
    broken = [after for row, after in zip(rows, checks, strict=True) if all(check_row(row)) and not all(after)]
    assert broken == [(True, False, True)] * 3
