"""The graders inside a `multi` grader: one walk for everybody who looks for graders in a document.

They are written in three ways: the published document knows one grader alone, its examples a list, and the guides an
object of graders by name.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from evalhaven.domain.jsontext import JsonObject, JsonValue

Path = tuple[str | int, ...]

_KEY = "graders"


@dataclass(frozen=True, slots=True)
class PlacedGrader:
    """A grader in a document.

    Attributes:
        path: Keys and indexes that lead to it.
        name: What a formula around it calls it; of one by itself its own name. "" where it has none.
        document: As it is written.
    """

    path: Path
    name: str
    document: JsonObject


def walk_criteria(criteria: Sequence[JsonValue], path: Path = ("testing_criteria",)) -> Iterator[PlacedGrader]:
    """Yield the graders of a list of criteria, each before those inside it.

    Args:
        criteria: Their documents.
        path: What leads to the list.
    """
    for index, criterion in enumerate(criteria):
        if isinstance(criterion, dict):
            yield from walk_grader(criterion, (*path, index))


def compares_embeddings(criteria: Sequence[JsonValue]) -> bool:
    """Tell whether one of the graders compares embeddings, which a model makes."""
    documents = [grader.document for grader in walk_criteria(criteria)]
    return any((each.get("type"), each.get("evaluation_metric")) == ("text_similarity", "cosine") for each in documents)


def walk_grader(grader: JsonObject, path: Path) -> Iterator[PlacedGrader]:
    """Yield a grader, and those inside it.

    Args:
        grader: Its document.
        path: What leads to it.
    """
    return _walk(PlacedGrader(path, _name_of(grader), grader))


def parts_of(grader: JsonObject, path: Path = ()) -> list[PlacedGrader]:
    """Return the graders directly inside one.

    Args:
        grader: Its document.
        path: What leads to it.
    """
    parts, at = grader.get(_KEY), (*path, _KEY)
    if isinstance(parts, dict):
        if _is_grader(parts):
            return [PlacedGrader(at, _name_of(parts), parts)]
        return [PlacedGrader((*at, name), name, part) for name, part in parts.items() if isinstance(part, dict)]
    listed = enumerate(parts) if isinstance(parts, list) else ()
    return [PlacedGrader((*at, index), _name_of(part), part) for index, part in listed if isinstance(part, dict)]


def with_parts(grader: JsonObject, change: Callable[[JsonObject], JsonObject]) -> JsonObject:
    """Return a grader with each grader directly inside it replaced, in the form in which they are written.

    Args:
        grader: Its document.
        change: Returns what takes the place of one.
    """

    def changed(part: JsonValue) -> JsonValue:
        return change(part) if isinstance(part, dict) else part

    parts = grader.get(_KEY)
    if isinstance(parts, dict):
        is_single = _is_grader(parts)
        return {**grader, _KEY: change(parts) if is_single else {name: changed(part) for name, part in parts.items()}}
    if isinstance(parts, list):
        return {**grader, _KEY: [changed(part) for part in parts]}
    return grader


def _walk(grader: PlacedGrader) -> Iterator[PlacedGrader]:
    yield grader
    for part in parts_of(grader.document, grader.path):
        yield from _walk(part)


def _is_grader(parts: JsonObject) -> bool:
    """Tell one grader from an object of graders by name, in which `type` would be a grader."""
    return isinstance(parts.get("type"), str)


def _name_of(grader: JsonObject) -> str:
    return str(grader.get("name") or "")
