"""Where the python graders stand among testing criteria: by themselves, and as parts of a multi grader."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evalhaven.domain.jsontext import JsonObject, JsonValue

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class PythonCriterion:
    """A python grader in a document.

    Attributes:
        path: Keys and indexes that lead to it.
    """

    path: Path
    source: str
    image_tag: str | None


def python_criteria(criteria: Sequence[JsonValue], path: Path = ("testing_criteria",)) -> Iterator[PythonCriterion]:
    """Yield the python graders of a list of criteria.

    Args:
        criteria: Their documents.
        path: What leads to the list.
    """
    for index, criterion in enumerate(criteria):
        if isinstance(criterion, dict):
            yield from python_graders_in(criterion, (*path, index))


def python_graders_in(grader: JsonObject, path: Path) -> Iterator[PythonCriterion]:
    """Yield a grader if it is a python grader, and those among its parts.

    Args:
        grader: Its document.
        path: What leads to it.
    """
    if grader.get("type") == "python":
        tag = grader.get("image_tag")
        yield PythonCriterion(path, str(grader.get("source") or ""), tag if isinstance(tag, str) else None)
    parts = grader.get("graders")
    named = parts.items() if isinstance(parts, dict) else enumerate(parts) if isinstance(parts, list) else ()
    for key, part in named:
        if isinstance(part, dict):
            yield from python_graders_in(part, (*path, "graders", key))
