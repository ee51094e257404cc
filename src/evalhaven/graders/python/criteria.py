"""Where python graders occur in testing criteria: on their own, and as parts of a multi grader."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from evalhaven.domain.documents import Unparsed
from evalhaven.domain.grader_parts import AnyGrader, Path, PlacedGrader, walk_criteria, walk_grader
from evalhaven.wire.graders import GraderPython


@dataclass(frozen=True, slots=True)
class PythonCriterion:
    """A python grader in a document.

    Attributes:
        path: Keys and indexes that lead to it.
    """

    path: Path
    source: str
    image_tag: str | None


def python_criteria(criteria: Iterable[AnyGrader | Unparsed]) -> Iterator[PythonCriterion]:
    """Yield the python graders of a list of testing criteria."""
    return _python_among(walk_criteria(criteria))


def python_graders_in(grader: AnyGrader, path: Path) -> Iterator[PythonCriterion]:
    """Yield a grader if it is a python grader, and the python graders among its parts.

    Args:
        grader: The grader.
        path: What leads to it.
    """
    return _python_among(walk_grader(grader, path))


def _python_among(graders: Iterable[PlacedGrader]) -> Iterator[PythonCriterion]:
    for placed in graders:
        if isinstance(placed.grader, GraderPython):
            yield PythonCriterion(placed.path, placed.grader.source, placed.grader.image_tag)
