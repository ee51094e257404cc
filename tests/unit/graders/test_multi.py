"""Facts about `multi`: how the grades of its parts become one."""

from collections.abc import Mapping
from typing import Any

import pytest

from evalhaven.domain.criteria import Criterion
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade
from evalhaven.domain.samples import ItemError, Sample
from evalhaven.graders.base import UnsupportedGraderError
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.multi import Multi, named_parts, refuse_formulas
from evalhaven.graders.registry import build_grader
from evalhaven.wire.graders import EvalGraderMulti
from tests.unit.written import criteria_of, multi_of

CHECK: dict[str, Any] = {"type": "string_check", "name": "a", "input": "{{ item.a }}", "operation": "eq"}
ALIKE: dict[str, Any] = {**CHECK, "type": "text_similarity", "name": "b", "evaluation_metric": "fuzzy_match"}


def multi(formula: str, graders: Any = None, **more: Any) -> dict[str, Any]:
    graders = graders or [{**CHECK, "reference": "x"}, {**ALIKE, "reference": "xy"}]
    return {"type": "multi", "name": "m", "id": "m-1", "graders": graders, "calculate_output": formula, **more}


async def grade(criterion: dict[str, Any], **item: Any) -> Grade:
    return await build_grader(Criterion(criterion), Facilities()).grade({"item": item})


class Fixed:
    """A part whose grade is fixed."""

    waits = True
    concurrency = 5
    caution = "careful"

    def __init__(self, fixed: Grade) -> None:
        self._fixed = fixed

    async def grade(self, namespaces: Mapping[str, JsonValue]) -> Grade:
        return self._fixed


@pytest.mark.parametrize(
    "graders",
    [
        [{**CHECK, "reference": "x"}, {**ALIKE, "reference": "xy"}],
        {"a": {**CHECK, "name": "other", "reference": "x"}, "b": {**ALIKE, "reference": "xy"}},
    ],
)
async def test_scores_of_parts_are_known_by_the_names_of_the_list_or_of_the_object(graders: Any) -> None:
    graded = await grade(multi("(a + 3 * b) / 4", graders), a="x")

    assert graded.score == pytest.approx((1 + 3 * 2 / 3) / 4)
    assert [(name, part.score) for name, part in graded.parts] == [("a", 1.0), ("b", pytest.approx(2 / 3))]
    assert graded.passed


async def test_one_grader_alone_is_a_part_too() -> None:
    assert (await grade(multi("1 - a", {**CHECK, "reference": "x"}), a="x")).score == 0.0


@pytest.mark.parametrize(("threshold", "passed"), [(None, True), (0.5, True), (0.51, False), (-1, True)], ids=str)
async def test_it_passes_from_its_threshold_on_which_is_one_half(threshold: float | None, passed: bool) -> None:
    assert (await grade(multi("a / 2", pass_threshold=threshold), a="x")).passed is passed


async def test_a_part_without_a_value_makes_it_0_whatever_the_formula() -> None:
    graded = await grade(multi("1 - a"))

    assert (graded.score, graded.passed, graded.error) == (0.0, False, None)
    assert graded.unresolved == ("item.a",)


JUDGED = Grade(0.5, passed=True, unresolved=("item.b",), judge={"result": 0.5})
COMPARED = Grade(0.0, passed=False, unresolved=("item.a",))
FAILED = Grade(0.0, passed=False, unresolved=("item.c",), error=ItemError("judge_refused", "no", "judge"))


@pytest.mark.parametrize(
    ("parts", "score", "unresolved", "is_error"),
    [
        ({"a": JUDGED}, 0.5, ("item.b",), False),
        ({"a": JUDGED, "b": Grade(1.0, passed=True)}, 1.5, ("item.b",), False),
        ({"a": JUDGED, "b": COMPARED}, 0.0, ("item.b", "item.a"), False),
        ({"a": JUDGED, "b": FAILED}, 0.0, ("item.b", "item.c"), True),
    ],
)
async def test_the_score_of_a_judge_counts_though_a_placeholder_had_no_value(
    parts: dict[str, Grade], score: float, unresolved: tuple[str, ...], is_error: bool
) -> None:
    criterion = EvalGraderMulti.model_validate(multi(" + ".join(parts)))
    graded = await Multi(criterion, {name: Fixed(grade) for name, grade in parts.items()}).grade({})

    assert (graded.score, graded.unresolved, graded.error is not None) == (score, unresolved, is_error)


async def test_what_cannot_be_computed_is_an_error_of_the_grade() -> None:
    graded = await grade(multi("1 / (a - 1)"), a="x")

    assert (graded.score, graded.passed) == (0.0, False)
    assert graded.error == ItemError(
        "formula_has_no_value", "'calculate_output' has no value: 1 / 0 divides by zero (column 3).", "user_code"
    )
    assert [part.score for _, part in graded.parts] == [1.0, pytest.approx(2 / 3)]


async def test_a_part_that_errs_makes_it_err_and_calls_are_counted_once() -> None:
    call, error = Sample(model="j"), ItemError("judge_refused", "no", "judge", retryable=True)
    parts = {
        "a": Fixed(Grade(1.0, passed=True, calls=(call,), notes=("n",))),
        "b": Fixed(Grade(0.0, passed=False, error=error, calls=(call,))),
    }
    criterion = EvalGraderMulti.model_validate(multi("a"))
    grader = Multi(criterion, parts)
    graded = await grader.grade({})

    assert graded.error == ItemError("judge_refused", "b: no", "judge", retryable=True)
    assert graded.calls == (call, call)
    assert all(part.calls == () for _, part in graded.parts)
    assert (grader.concurrency, grader.waits, grader.caution) == (5, True, "careful")
    assert (await Multi(criterion, {"a": parts["a"]}).grade({})).notes == ("n",)


def test_an_imported_criterion_whose_formula_is_none_is_not_executed() -> None:
    with pytest.raises(UnsupportedGraderError, match="column 3: the formula ends"):
        build_grader(Criterion(multi("a+")), Facilities())


def test_formulas_are_refused_at_their_place_in_a_request() -> None:
    refuse_formulas(criteria_of([multi("a"), {**CHECK, "reference": "x"}]))
    with pytest.raises(InvalidRequestError, match="column 1: 'c' is not one of the graders") as refused:
        refuse_formulas(criteria_of([multi("a"), multi("c")]))

    assert refused.value.param == "testing_criteria[1].calculate_output"
    assert list(named_parts(multi_of(multi("a")))) == ["a", "b"]
