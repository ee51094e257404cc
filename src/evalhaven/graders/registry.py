"""Which class executes which type of testing criterion."""

from collections.abc import Callable
from typing import Any

from evalhaven.domain.jsontext import JsonObject
from evalhaven.graders.base import Grader, UnsupportedGraderError
from evalhaven.graders.string_check import StringCheck
from evalhaven.wire.graders import GraderStringCheck

_BUILDERS: dict[str, Callable[[Any], Grader]] = {
    "string_check": lambda criterion: StringCheck(GraderStringCheck.model_validate(criterion)),
}

SUPPORTED_GRADERS = tuple(_BUILDERS)


def build_grader(criterion: JsonObject) -> Grader:
    """Return the grader of a testing criterion.

    Raises:
        UnsupportedGraderError: This release has none for its type.
    """
    builder = _BUILDERS.get(str(criterion["type"]))
    if builder is None:
        raise UnsupportedGraderError(
            f"Testing criterion {criterion['name']!r} is of type {criterion['type']!r}, which this release of "
            f"Evalhaven cannot execute; it can: {', '.join(SUPPORTED_GRADERS)}."
        )
    return builder(criterion)
