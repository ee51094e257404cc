"""Which class executes which type of testing criterion."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from pydantic import ValidationError

from evalhaven.domain.jsontext import JsonObject
from evalhaven.graders.base import Grader, UnsupportedGraderError
from evalhaven.graders.facilities import Facilities
from evalhaven.graders.judges.grader import open_label_model, open_score_model
from evalhaven.graders.multi import Multi, named_parts
from evalhaven.graders.python.grader import PythonGrader
from evalhaven.graders.string_check import StringCheck
from evalhaven.graders.text_similarity import TextSimilarity
from evalhaven.wire.graders import (
    EvalGraderLabelModel,
    EvalGraderMulti,
    EvalGraderPython,
    EvalGraderScoreModel,
    EvalGraderTextSimilarity,
    GraderStringCheck,
)

_BUILDERS: dict[str, Callable[[Any, Facilities], Grader]] = {
    "string_check": lambda criterion, _: StringCheck(GraderStringCheck.model_validate(criterion)),
    "text_similarity": lambda criterion, facilities: TextSimilarity(
        EvalGraderTextSimilarity.model_validate(criterion), facilities
    ),
    "label_model": lambda criterion, facilities: open_label_model(
        EvalGraderLabelModel.model_validate(criterion), criterion, facilities
    ),
    "score_model": lambda criterion, facilities: open_score_model(
        EvalGraderScoreModel.model_validate(criterion), criterion, facilities
    ),
    "python": lambda criterion, facilities: PythonGrader(EvalGraderPython.model_validate(criterion), facilities.python),
    "multi": lambda criterion, facilities: Multi(
        EvalGraderMulti.model_validate(criterion),
        {name: build_grader(as_criterion(part), facilities) for name, part in named_parts(criterion).items()},
    ),
}

SUPPORTED_GRADERS = tuple(_BUILDERS)


@asynccontextmanager
async def open_graders(criteria: Sequence[JsonObject], facilities: Facilities) -> AsyncGenerator[list[Grader]]:
    """Open the graders of testing criteria for the time of a run.

    Args:
        criteria: The criteria's documents.
        facilities: What graders work with.

    Raises:
        UnsupportedGraderError: One of them cannot be executed here.
    """
    async with AsyncExitStack() as held:
        graders = [build_grader(criterion, facilities) for criterion in criteria]
        for grader in graders:
            # Those that hold something while they are used are context managers.
            if isinstance(grader, AbstractAsyncContextManager):
                await held.enter_async_context(grader)
        yield graders


def build_grader(criterion: JsonObject, facilities: Facilities) -> Grader:
    """Return the grader of a testing criterion.

    Args:
        criterion: The criterion's document.
        facilities: What graders work with.

    Raises:
        UnsupportedGraderError: There is none for its type, what it needs is not configured, or it is incomplete.
        UnknownModelError: No endpoint serves the model that it asks.
        UnsupportedRequestError: The endpoint that does cannot be asked so.
    """
    builder = _BUILDERS.get(str(criterion["type"]))
    if builder is None:
        raise UnsupportedGraderError(
            f"Testing criterion {criterion['name']!r} is of type {criterion['type']!r}, which this release of "
            f"Evalhaven cannot execute; it can: {', '.join(SUPPORTED_GRADERS)}."
        )
    try:
        return builder(criterion, facilities)
    except ValidationError as error:
        # Only criteria that were imported can be so: those sent here were checked.
        place = ".".join(str(step) for step in error.errors()[0]["loc"])
        raise UnsupportedGraderError(
            f"Testing criterion {criterion['name']!r} cannot be executed: its {place!r} is missing or cannot be used."
        ) from error


def as_criterion(grader: JsonObject) -> JsonObject:
    """Return a grader that has no threshold, as those outside evals and inside formulas, as a testing criterion."""
    return {"pass_threshold": 0.0, **grader}
