"""Objects that another server made and this one took over."""

from dataclasses import dataclass

from evalhaven.domain.jsontext import JsonObject


@dataclass(frozen=True, slots=True)
class ImportedDocument:
    """An imported object as its first server answered it.

    Attributes:
        origin: Where it comes from: a base URL, or the kind of file.
        document: The object on the wire, unknown keys and all.
    """

    origin: str
    document: JsonObject
