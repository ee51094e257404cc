"""Where the python graders stand among testing criteria: by themselves, and as parts of a multi grader."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evalhaven.domain.grader_parts import Path, PlacedGrader, walk_criteria, walk_grader
from evalhaven.domain.jsontext import JsonObject, JsonValue


@dataclass(frozen=True, slots=True)
class PythonCriterion:
    """A python grader in a document.

    Attributes:
        path: Keys and indexes that lead to it.
    """

    path: Path
    source: str
    image_tag: str | None


def python_criteria(criteria: Sequence[JsonValue]) -> Iterator[PythonCriterion]:
    """Yield the python graders of a list of testing criteria."""
    return _python_among(walk_criteria(criteria))


def python_graders_in(grader: JsonObject, path: Path) -> Iterator[PythonCriterion]:
    """Yield a grader if it is a python grader, and those among its parts.

    Args:
        grader: Its document.
        path: What leads to it.
    """
    return _python_among(walk_grader(grader, path))


def _python_among(graders: Iterable[PlacedGrader]) -> Iterator[PythonCriterion]:
    for grader in graders:
        if grader.document.get("type") == "python":
            tag = grader.document.get("image_tag")
            source = str(grader.document.get("source") or "")
            yield PythonCriterion(grader.path, source, tag if isinstance(tag, str) else None)
