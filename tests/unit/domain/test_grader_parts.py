"""Facts about graders inside graders: each form in which they are written is walked and rebuilt alike."""

from typing import Any

import pytest

from evalhaven.domain.grader_parts import parts_of, walk_criteria, walk_grader, with_parts

FORMS: dict[str, tuple[Any, tuple[str | int, ...]]] = {
    "one alone": ({"type": "python", "name": "p"}, ("graders",)),
    "a list": ([{"type": "python", "name": "p"}], ("graders", 0)),
    "an object": ({"p": {"type": "python", "name": "other"}}, ("graders", "p")),
    "an object with a grader called type": ({"type": {"type": "python", "name": "t"}}, ("graders", "type")),
}


@pytest.mark.parametrize(("graders", "path"), FORMS.values(), ids=FORMS)
def test_a_grader_inside_another_is_found_at_its_place(graders: Any, path: tuple[str | int, ...]) -> None:
    multi: dict[str, Any] = {"type": "multi", "name": "m", "graders": graders}
    outer, inner = walk_criteria([multi], ("criteria",))

    assert (outer.path, outer.name, outer.document) == (("criteria", 0), "m", multi)
    assert inner.path == ("criteria", 0, *path)
    assert inner.name == ("type" if path[-1] == "type" else "p")
    assert inner.document["type"] == "python"
    assert [part.path for part in parts_of(multi)] == [path]


@pytest.mark.parametrize("graders", [form for form, _ in FORMS.values()], ids=FORMS)
def test_graders_inside_another_are_replaced_in_their_form(graders: Any) -> None:
    def noted(part: Any) -> Any:
        return {**part, "seen": True}

    rebuilt = with_parts({"type": "multi", "graders": graders, "calculate_output": "p"}, noted)

    assert list(rebuilt) == ["type", "graders", "calculate_output"]
    assert [part.document["seen"] for part in parts_of(rebuilt)] == [True]
    assert type(rebuilt["graders"]) is type(graders)


def test_graders_of_graders_are_found_too() -> None:
    deep: Any = {"type": "multi", "graders": [{"type": "multi", "graders": {"type": "string_check"}}]}

    assert [each.path for each in walk_grader(deep, ())] == [(), ("graders", 0), ("graders", 0, "graders")]


@pytest.mark.parametrize("graders", [None, "python", 3, [], {}, ["x"], {"a": "x"}])
def test_what_holds_no_graders_has_no_parts(graders: Any) -> None:
    multi: dict[str, Any] = {"type": "multi", "graders": graders}

    assert parts_of(multi) == []
    assert with_parts(multi, lambda _: {}) == multi
