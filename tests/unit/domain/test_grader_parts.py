"""Facts about graders inside graders: each form in which they are written is walked and rebuilt alike."""

from typing import Any

import pytest

from evalhaven.domain.documents import Unparsed
from evalhaven.domain.grader_parts import AnyGrader, parts_of, walk_criteria, with_parts
from tests.unit.written import criteria_of, multi_of

PYTHON: dict[str, Any] = {"type": "python", "source": "def grade(sample, item): return 1.0"}
FORMS: dict[str, tuple[Any, tuple[str | int, ...]]] = {
    "one alone": ({**PYTHON, "name": "p"}, ("graders",)),
    "a list": ([{**PYTHON, "name": "p"}], ("graders", 0)),
    "an object": ({"p": {**PYTHON, "name": "other"}}, ("graders", "p")),
    "an object with a grader called type": ({"type": {**PYTHON, "name": "t"}}, ("graders", "type")),
}


def multi(graders: Any) -> dict[str, Any]:
    return {"type": "multi", "name": "m", "graders": graders, "calculate_output": "p"}


@pytest.mark.parametrize(("graders", "path"), FORMS.values(), ids=FORMS)
def test_a_grader_inside_another_is_found_at_its_place(graders: Any, path: tuple[str | int, ...]) -> None:
    document = multi(graders)
    outer, inner = walk_criteria(criteria_of([document]), ("criteria",))

    assert (outer.path, outer.name, outer.grader.sent) == (("criteria", 0), "m", document)
    assert inner.path == ("criteria", 0, *path)
    assert inner.name == ("type" if path[-1] == "type" else "p")
    assert inner.grader.type == "python"
    assert [part.path for part in parts_of(multi_of(document))] == [path]


@pytest.mark.parametrize("graders", [form for form, _ in FORMS.values()], ids=FORMS)
def test_graders_inside_another_are_replaced_in_their_form(graders: Any) -> None:
    def noted(part: AnyGrader) -> dict[str, Any]:
        return {**part.sent, "seen": True}

    rebuilt = with_parts(multi_of(multi(graders)), noted)

    assert list(rebuilt) == ["type", "name", "graders", "calculate_output"]
    assert [part.grader.sent["seen"] for part in parts_of(multi_of(rebuilt))] == [True]
    assert type(rebuilt["graders"]) is type(graders)


def test_criteria_that_do_not_parse_are_passed_over_and_counted() -> None:
    [criterion] = criteria_of([{**PYTHON, "name": "p"}])

    assert [each.path for each in walk_criteria([Unparsed("none"), criterion])] == [("testing_criteria", 1)]
