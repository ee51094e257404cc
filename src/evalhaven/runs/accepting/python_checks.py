"""Checks on the Python graders of a request: they must compile and, if they are to be executed here, be isolated."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.evals import Caution
from evalhaven.domain.json_pointer import pointer_to
from evalhaven.graders.python.criteria import PythonCriterion, python_criteria, python_graders_in
from evalhaven.graders.python.isolation import IsolationChoice, refusal
from evalhaven.graders.python.source_check import SourceChecker
from evalhaven.wire.graders import Grader, TestingCriterion
from evalhaven.wire.requests import format_param

_CODE = "grader_unavailable"


@dataclass(frozen=True, slots=True)
class PythonChecks:
    """Checks the Python graders of requests.

    Attributes:
        isolation: How graders are isolated here.
        source_checker: Compiles their sources.
    """

    isolation: IsolationChoice
    source_checker: SourceChecker = field(default_factory=SourceChecker)

    async def check_criteria(self, criteria: Sequence[TestingCriterion], *, strict: bool) -> list[Caution]:
        """Refuse sources that cannot be graders; return a caution if nothing isolates them, since no run would start.

        Args:
            criteria: The testing criteria as sent.
            strict: Whether to refuse instead of returning a caution.

        Raises:
            InvalidRequestError: A source does not compile or does not define `grade(sample, item)`; the line is named.
        """
        found = list(python_criteria(criteria))
        if not found:
            return []
        await self._refuse_sources(found)
        isolation = await self.isolation.choose()
        if isolation.tier is not None:
            return []
        message = refusal(isolation)
        if strict:
            param = format_param(found[0].path)
            raise InvalidRequestError(f"'{param}': {message}", param=param, code=_CODE)
        return [Caution(pointer_to(each.path), message) for each in found[:1]]

    async def check_lone_grader(self, grader: Grader, *, is_executed: bool) -> None:
        """Refuse a grader sent to a grader endpoint if it has Python that cannot be executed.

        Args:
            grader: As sent, otherwise valid.
            is_executed: Whether it is about to be executed.

        Raises:
            InvalidRequestError: A source is not a grader, or nothing isolates it on this machine.
        """
        found = list(python_graders_in(grader, ("grader",)))
        if not found:
            return
        await self._refuse_sources(found)
        isolation = await self.isolation.choose()
        if is_executed and isolation.tier is None:
            raise InvalidRequestError(refusal(isolation), param="grader", code=_CODE)

    async def refuse_without_isolation(self, criteria: Criteria) -> None:
        """Refuse a run whose Python graders cannot be executed.

        Raises:
            InvalidRequestError: Nothing isolates Python graders on this machine; each reason is given.
        """
        if next(python_criteria(criteria.parsed), None) is None:
            return
        isolation = await self.isolation.choose()
        if isolation.tier is None:
            raise InvalidRequestError(refusal(isolation), param="eval_id", code=_CODE)

    async def _refuse_sources(self, found: Sequence[PythonCriterion]) -> None:
        problem = await self.source_checker.find_problem([each.source for each in found])
        if problem is not None:
            param = format_param((*found[problem.index].path, "source"))
            raise InvalidRequestError(f"'{param}' {problem}.", param=param, code="invalid_value")
