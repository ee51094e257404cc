"""`multi`: one score from those of several graders, by the formula `calculate_output`."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Self

import anyio
import msgspec

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.formulas import FormulaError, FormulaValueError, parse_formula
from evalhaven.domain.grader_parts import AnyGrader, parts_of
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade
from evalhaven.domain.samples import ItemError
from evalhaven.graders.base import Grader, UnsupportedGraderError
from evalhaven.wire.graders import EvalGraderMulti, GraderMulti

DEFAULT_PASS_THRESHOLD = 0.5
FORMULA_ERROR_CODE = "formula_has_no_value"


class Multi:
    """A `multi` criterion.

    It is a context manager, since its parts may be context managers.

    An error in a part is an error of the criterion: a formula over an unknown score would give a made-up number. A
    part that compares texts without a value makes it 0 and failed, as such a criterion alone would be; a judge is asked
    anyway, and its score counts.
    """

    def __init__(self, criterion: EvalGraderMulti, parts: Mapping[str, Grader]) -> None:
        """Parse the formula.

        Args:
            criterion: The criterion.
            parts: Its graders by the names that the formula uses.

        Raises:
            UnsupportedGraderError: `calculate_output` is not a formula.
        """
        try:
            self._formula = parse_formula(criterion.calculate_output, parts)
        except FormulaError as error:
            raise UnsupportedGraderError(
                f"Testing criterion {criterion.name!r} cannot be executed: its 'calculate_output' is not a formula: "
                f"{error}."
            ) from error
        threshold = criterion.pass_threshold
        self._threshold = DEFAULT_PASS_THRESHOLD if threshold is None else threshold
        self._parts = dict(parts)
        self._held = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Open the parts that hold resources while they are used."""
        async with AsyncExitStack() as held:
            for part in self._parts.values():
                if isinstance(part, AbstractAsyncContextManager):
                    await held.enter_async_context(part)
            self._held = held.pop_all()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._held.aclose()

    @property
    def concurrency(self) -> int:
        """Return how many items are worth grading at once."""
        return max(part.concurrency for part in self._parts.values())

    @property
    def waits(self) -> bool:
        """Tell whether a part waits for an answer from elsewhere."""
        return any(part.waits for part in self._parts.values())

    @property
    def caution(self) -> str | None:
        """Return what the users of its parts should know."""
        cautions = dict.fromkeys(part.caution for part in self._parts.values() if part.caution)
        return " ".join(cautions) or None

    async def grade(self, namespaces: Mapping[str, JsonValue]) -> Grade:
        """Grade with every part, those that wait at the same time, then compute the formula."""
        grades = await self._grade_parts(namespaces)
        grade = self._conclude(grades)
        # Calls are listed on the whole grade, so that each is counted once.
        calls = tuple(call for part in grades.values() for call in part.calls)
        parts = tuple((name, msgspec.structs.replace(part, calls=())) for name, part in grades.items())
        return msgspec.structs.replace(grade, calls=calls, parts=parts)

    def _conclude(self, grades: Mapping[str, Grade]) -> Grade:
        unresolved = tuple(dict.fromkeys(text for grade in grades.values() for text in grade.unresolved))
        for name, grade in grades.items():
            if grade.error is not None:
                return Grade(0.0, passed=False, unresolved=unresolved, error=_of_part(name, grade.error))
        if any(grade.unresolved and grade.judge is None for grade in grades.values()):
            return Grade(0.0, passed=False, unresolved=unresolved)
        try:
            score = self._formula.compute({name: grade.score for name, grade in grades.items()})
        except FormulaValueError as error:
            what = ItemError(FORMULA_ERROR_CODE, f"'calculate_output' has no value: {error}.", "user_code")
            return Grade(0.0, passed=False, unresolved=unresolved, error=what)
        fault = next((_of_part(name, grade.fault) for name, grade in grades.items() if grade.fault), None)
        notes = tuple(dict.fromkeys(note for grade in grades.values() for note in grade.notes))
        passed = score >= self._threshold
        return Grade(score, passed=passed, unresolved=unresolved, notes=notes, fault=fault)

    async def _grade_parts(self, namespaces: Mapping[str, JsonValue]) -> dict[str, Grade]:
        if self.concurrency == 1:
            return {name: await part.grade(namespaces) for name, part in self._parts.items()}
        found: dict[str, Grade] = {}

        async def grade_part(name: str, part: Grader) -> None:
            found[name] = await part.grade(namespaces)

        async with anyio.create_task_group() as tasks:
            for name, part in self._parts.items():
                tasks.start_soon(grade_part, name, part)
        return {name: found[name] for name in self._parts}


def named_parts(grader: GraderMulti) -> dict[str, AnyGrader]:
    """Return the graders inside a multi grader by the names that its formula uses."""
    return {part.name: part.grader for part in parts_of(grader)}


def refuse_formulas(criteria: Sequence[AnyGrader], param: str = "testing_criteria") -> None:
    """Refuse otherwise valid testing criteria with a formula that cannot be computed.

    Raises:
        InvalidRequestError: A `calculate_output` is not a formula over its graders; the message names the column.
    """
    for index, criterion in enumerate(criteria):
        refuse_formula(criterion, f"{param}[{index}]")


def refuse_formula(grader: AnyGrader, param: str) -> None:
    """Refuse an otherwise valid grader with a formula that cannot be computed.

    Raises:
        InvalidRequestError: Its `calculate_output` is not a formula over its graders; the message names the column.
    """
    if not isinstance(grader, GraderMulti):
        return
    try:
        parse_formula(grader.calculate_output, named_parts(grader))
    except FormulaError as error:
        at = f"{param}.calculate_output"
        raise InvalidRequestError(f"'{at}' is not a formula: {error}.", param=at, code="invalid_formula") from error


def _of_part(name: str, error: ItemError) -> ItemError:
    return ItemError(error.code, f"{name}: {error.message}", error.origin, error.retryable)
