"""The testing criteria of an eval or a run, as their user wrote them."""

from collections.abc import Iterator, Sequence
from typing import cast, overload

from pydantic import ConfigDict, TypeAdapter

from evalhaven.domain import jsontext
from evalhaven.domain.documents import Document, Unparsed
from evalhaven.domain.jsontext import JsonObject
from evalhaven.wire.graders import TestingCriterion


class Criterion(Document[TestingCriterion]):
    """A testing criterion; its id, name and type are known even if it does not parse."""

    __slots__ = ()
    _models = TypeAdapter(TestingCriterion, config=ConfigDict(defer_build=True))

    @property
    def id(self) -> str:
        """Return the id that results use."""
        return str(self.json["id"])

    @property
    def name(self) -> str:
        """Return the name that its user gave it."""
        return str(self.json["name"])

    @property
    def type(self) -> str:
        """Return the type of its grader."""
        return str(self.json["type"])


class Criteria(Sequence[Criterion]):
    """A list of testing criteria, each parsed when first needed."""

    __slots__ = ("_criteria", "_text")

    def __init__(self, written: str | Sequence[JsonObject] = ()) -> None:
        """Hold criteria.

        Args:
            written: Their JSON: the text of the list, or the decoded criteria.
        """
        self._text = written if isinstance(written, str) else None
        self._criteria = None if isinstance(written, str) else [Criterion(each) for each in written]

    @property
    def text(self) -> str:
        """Return the JSON text of the list, which is what is stored."""
        if self._text is None:
            self._text = jsontext.render(self.json)
        return self._text

    @property
    def json(self) -> list[JsonObject]:
        """Return the criteria with every key, null and number format as they were written."""
        return [each.json for each in self._listed]

    @property
    def parsed(self) -> list[TestingCriterion | Unparsed]:
        """Return the model of each criterion, or `Unparsed` if the contract does not accept it."""
        return [each.parsed for each in self._listed]

    @property
    def _listed(self) -> list[Criterion]:
        if self._criteria is None:
            self._criteria = [Criterion(each) for each in cast("list[JsonObject]", jsontext.parse(self.text))]
        return self._criteria

    @overload
    def __getitem__(self, index: int) -> Criterion: ...
    @overload
    def __getitem__(self, index: slice) -> list[Criterion]: ...
    def __getitem__(self, index: int | slice) -> Criterion | list[Criterion]:
        """Return one criterion, or a slice of them."""
        return self._listed[index]

    def __len__(self) -> int:
        """Return the number of criteria."""
        return len(self._listed)

    def __iter__(self) -> Iterator[Criterion]:
        """Yield each criterion."""
        return iter(self._listed)

    def __eq__(self, other: object) -> bool:
        """Tell whether both hold the same JSON."""
        return isinstance(other, Criteria) and self.json == other.json

    __hash__ = None  # pyright: ignore[reportAssignmentType] - what it holds has no hash either

    def __repr__(self) -> str:
        """Return the class and the JSON text."""
        return f"{type(self).__name__}({self.text})"
