"""The graders inside a `multi` grader: the one walk used by all code that looks for graders in a document.

They are written in three ways: the published document has a single grader, its examples a list, and the guides an
object of graders by name.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from evalhaven.domain.documents import Unparsed
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.wire.graders import (
    Grader,
    GraderLabelModel,
    GraderMulti,
    GraderScoreModel,
    GraderTextSimilarity,
    MultiPart,
    TestingCriterion,
)

Path = tuple[str | int, ...]
AnyGrader = Grader | MultiPart | TestingCriterion

_KEY = "graders"


@dataclass(frozen=True, slots=True)
class PlacedGrader:
    """A grader in a document.

    Attributes:
        path: Keys and indexes that lead to it.
        name: What an enclosing formula calls it; outside a formula, its own name. "" if it has none.
        grader: The grader itself.
    """

    path: Path
    name: str
    grader: AnyGrader


def walk_criteria(
    criteria: Iterable[AnyGrader | Unparsed], path: Path = ("testing_criteria",)
) -> Iterator[PlacedGrader]:
    """Yield the graders in a list of criteria, each before those inside it; unparsed criteria are skipped.

    Args:
        criteria: The list.
        path: Keys and indexes that lead to it.
    """
    for index, criterion in enumerate(criteria):
        if not isinstance(criterion, Unparsed):
            yield from walk_grader(criterion, (*path, index))


def compares_embeddings(criteria: Iterable[AnyGrader | Unparsed]) -> bool:
    """Tell whether any of the graders compares embeddings, for which a model is called."""
    graders = [placed.grader for placed in walk_criteria(criteria)]
    return any(isinstance(each, GraderTextSimilarity) and each.evaluation_metric == "cosine" for each in graders)


def asks_models(criteria: Iterable[AnyGrader | Unparsed]) -> bool:
    """Tell whether any of the graders calls a model: a judge, or one of embeddings."""
    listed = list(criteria)
    graders = [placed.grader for placed in walk_criteria(listed)]
    return compares_embeddings(listed) or any(isinstance(each, GraderScoreModel | GraderLabelModel) for each in graders)


def walk_grader(grader: AnyGrader, path: Path) -> Iterator[PlacedGrader]:
    """Yield a grader, and those inside it.

    Args:
        grader: The grader.
        path: Keys and indexes that lead to it.
    """
    yield PlacedGrader(path, grader.name, grader)
    if isinstance(grader, GraderMulti):
        yield from parts_of(grader, path)


def parts_of(grader: GraderMulti, path: Path = ()) -> list[PlacedGrader]:
    """Return the graders inside one.

    Args:
        grader: The grader.
        path: Keys and indexes that lead to it.
    """
    at = (*path, _KEY)
    match grader.graders:
        case dict() as named:
            return [PlacedGrader((*at, name), name, part) for name, part in named.items()]
        case list() as listed:
            return [PlacedGrader((*at, index), part.name, part) for index, part in enumerate(listed)]
        case alone:
            return [PlacedGrader(at, alone.name, alone)]


def with_parts(grader: GraderMulti, change: Callable[[MultiPart], JsonObject]) -> JsonObject:
    """Return the document of a grader with each grader inside it replaced, keeping the form in which they were written.

    Args:
        grader: The grader.
        change: Returns the replacement of a grader.
    """
    parts: JsonValue
    match grader.graders:
        case dict() as named:
            parts = {name: change(part) for name, part in named.items()}
        case list() as listed:
            parts = [change(part) for part in listed]
        case alone:
            parts = change(alone)
    return {**grader.sent, _KEY: parts}
