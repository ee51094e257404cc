"""Which class executes which type of testing criterion."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from evalhaven.domain.criteria import Criterion
from evalhaven.domain.documents import Unparsed
from evalhaven.domain.grader_parts import AnyGrader
from evalhaven.graders.base import Grader, UnsupportedGraderError
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.judges.grader import open_label_model, open_score_model
from evalhaven.graders.multi import Multi, named_parts
from evalhaven.graders.python.grader import PythonGrader
from evalhaven.graders.string_check import StringCheck
from evalhaven.graders.text_similarity import TextSimilarity
from evalhaven.wire.graders import (
    CRITERION_TYPES,
    EvalGraderLabelModel,
    EvalGraderMulti,
    EvalGraderPython,
    EvalGraderScoreModel,
    EvalGraderStringCheck,
    EvalGraderTextSimilarity,
)

SUPPORTED_GRADERS = CRITERION_TYPES


@asynccontextmanager
async def open_graders(criteria: Iterable[Criterion], facilities: Facilities) -> AsyncGenerator[list[Grader]]:
    """Open the graders of testing criteria for the time of a run.

    Args:
        criteria: The criteria.
        facilities: What graders work with.

    Raises:
        UnsupportedGraderError: One of them cannot be executed here.
    """
    async with AsyncExitStack() as held:
        graders = [build_grader(criterion, facilities) for criterion in criteria]
        for grader in graders:
            # Graders that hold resources while they are used are context managers.
            if isinstance(grader, AbstractAsyncContextManager):
                await held.enter_async_context(grader)
        yield graders


def build_grader(criterion: Criterion, facilities: Facilities) -> Grader:
    """Return the grader of a testing criterion.

    Args:
        criterion: The criterion.
        facilities: What graders work with.

    Raises:
        UnsupportedGraderError: Its type has no grader, what it needs is not configured, or it is incomplete.
        UnknownModelError: No endpoint serves the model that it asks.
        UnsupportedRequestError: That endpoint cannot be asked this way.
    """
    grader: Grader
    match criterion.parsed:
        case EvalGraderStringCheck() as found:
            grader = StringCheck(found)
        case EvalGraderTextSimilarity() as found:
            grader = TextSimilarity(found, facilities)
        case EvalGraderLabelModel() as found:
            grader = open_label_model(found, facilities)
        case EvalGraderScoreModel() as found:
            grader = open_score_model(found, facilities)
        case EvalGraderPython() as found:
            grader = PythonGrader(found, facilities.python)
        case EvalGraderMulti() as found:
            parts = {name: as_criterion(part, name) for name, part in named_parts(found).items()}
            grader = Multi(found, {name: build_grader(part, facilities) for name, part in parts.items()})
        case Unparsed(problem):
            # This can only be an imported criterion: those sent here were checked.
            raise UnsupportedGraderError(_why_not_executed(criterion, problem))
    return grader


def as_criterion(grader: AnyGrader, name: str) -> Criterion:
    """Return a grader without a threshold (outside evals, or inside a formula) as a testing criterion."""
    return Criterion({"pass_threshold": 0.0, **grader.sent, "name": name})


def _why_not_executed(criterion: Criterion, problem: str) -> str:
    if criterion.type in SUPPORTED_GRADERS:
        return f"Testing criterion {criterion.name!r} cannot be executed: its {problem}"
    return (
        f"Testing criterion {criterion.name!r} is of type {criterion.type!r}, which this release of Evalhaven cannot "
        f"execute; it can: {', '.join(SUPPORTED_GRADERS)}."
    )
