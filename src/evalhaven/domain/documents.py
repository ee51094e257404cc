"""Documents of the contract: as they were written, and as parsed models. Parsing happens here and nowhere else."""

from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

from pydantic import TypeAdapter

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject
from evalhaven.wire.requests import RequestError, parse_part

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class Unparsed:
    """A document that no model of the contract accepts: an import may bring one. It is shown, and never executed.

    Attributes:
        problem: Why the contract does not accept it: a sentence that begins with the key.
    """

    problem: str


class Document(Generic[M]):
    """A part of an eval or a run that its user wrote.

    It holds its text, its JSON and its model. Each is made from the one before when it is first needed, so code that
    only shows a run pays for none of them. Each subclass names the models that its documents may have.
    """

    __slots__ = ("_json", "_parsed", "_text")
    _models: ClassVar[TypeAdapter[Any]]

    def __init__(self, written: str | JsonObject) -> None:
        """Hold a document.

        Args:
            written: Its JSON, as text or decoded.
        """
        self._text, self._json = (written, None) if isinstance(written, str) else (None, written)
        self._parsed: M | Unparsed | None = None

    @property
    def text(self) -> str:
        """Return the JSON text, which is what is stored."""
        if self._text is None:
            self._text = jsontext.render(self._json)
        return self._text

    @property
    def json(self) -> JsonObject:
        """Return the document with every key, null and number format as it was written."""
        if self._json is None:
            self._json = cast("JsonObject", jsontext.parse(self.text))
        return self._json

    @property
    def parsed(self) -> M | Unparsed:
        """Return the document's model, or `Unparsed` if the contract does not accept it."""
        parsed = self._parsed
        if parsed is None:
            parsed = self._parsed = self._parse()
        return parsed

    def _parse(self) -> M | Unparsed:
        try:
            return parse_part(self._models, self.json)
        except RequestError as error:
            return Unparsed(error.message)

    def __eq__(self, other: object) -> bool:
        """Tell whether both hold the same JSON."""
        return isinstance(other, Document) and self.json == cast("Document[M]", other).json

    __hash__ = None  # pyright: ignore[reportAssignmentType] - what it holds has no hash either

    def __repr__(self) -> str:
        """Return the class and the JSON text."""
        return f"{type(self).__name__}({self.text})"
