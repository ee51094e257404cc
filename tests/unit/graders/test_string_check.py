"""Facts about `string_check`."""

from typing import Any

import pytest

from evalhaven.domain.criteria import Criterion
from evalhaven.domain.output_items import Grade
from evalhaven.graders.base import UnsupportedGraderError
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.registry import SUPPORTED_GRADERS, build_grader

PASSED = Grade(score=1.0, passed=True)
FAILED = Grade(score=0.0, passed=False)


async def grade(operation: str, text: str, reference: str, **namespaces: Any) -> Grade:
    """Return the grade of one comparison."""
    criterion: dict[str, Any] = {"type": "string_check", "name": "n", "id": "n-1", "operation": operation}
    grader = build_grader(Criterion({**criterion, "input": text, "reference": reference}), Facilities())
    return await grader.grade(namespaces)


@pytest.mark.parametrize(
    ("operation", "text", "reference", "holds"),
    [
        ("eq", "a", "a", True),
        ("eq", "a", "A", False),
        ("eq", "a", "a ", False),
        ("eq", "", "", True),
        ("eq", "é", "e\u0301", False),
        ("eq", "\ud800", "\ud800", True),
        ("ne", "a", "A", True),
        ("ne", "a", "a", False),
        ("neq", "a", "A", True),
        ("neq", "a", "a", False),
        ("like", "hay needle hay", "needle", True),
        ("like", "hay Needle hay", "needle", False),
        ("like", "needle", "hay needle", False),
        ("like", "anything", "", True),
        ("ilike", "hay NEEDLE hay", "needle", True),
        ("ilike", "STRASSE", "straße", True),
        ("ilike", "needle", "hay", False),
        ("ilike", "ΣΊΣΥΦΟΣ", "σίσυφος", True),
    ],
)
async def test_operations_compare_without_trimming(operation: str, text: str, reference: str, holds: bool) -> None:
    assert await grade(operation, text, reference) == (PASSED if holds else FAILED)
    by_template = await grade(operation, "{{ item.a }}", "{{ sample.b }}", item={"a": text}, sample={"b": reference})
    assert by_template == (PASSED if holds else FAILED)


@pytest.mark.parametrize(
    ("value", "text"),
    [(5, "5"), (1.0, "1.0"), (True, "true"), (None, "null"), (["é"], '["é"]'), ({"a": 1}, '{"a": 1}')],
)
async def test_values_that_are_no_strings_are_compared_as_json_text(value: object, text: str) -> None:
    assert await grade("eq", "{{ item.a }}", text, item={"a": value}) == PASSED


@pytest.mark.parametrize("operation", ["eq", "ne", "neq", "like", "ilike"])
async def test_a_placeholder_without_a_value_fails_whatever_the_operation(operation: str) -> None:
    graded = await grade(operation, "{{ item.no }}", "{{ sample.output_text }}", item={})

    assert graded == Grade(score=0.0, passed=False, unresolved=("item.no", "sample.output_text"))
    assert graded.error is None


@pytest.mark.parametrize("kind", ["oracle"])
def test_graders_that_this_release_lacks_are_named_with_those_it_has(kind: str) -> None:
    with pytest.raises(
        UnsupportedGraderError, match="cannot execute; it can: string_check, text_similarity, label_model"
    ) as refusal:
        build_grader(Criterion({"type": kind, "name": "Tone", "id": "Tone-1"}), Facilities())

    assert str(refusal.value).startswith(f"Testing criterion 'Tone' is of type {kind!r}")
    assert kind not in SUPPORTED_GRADERS
