"""Objects that were made by another server and imported here."""

from dataclasses import dataclass

from evalhaven.domain.jsontext import JsonObject


@dataclass(frozen=True, slots=True)
class ImportedDocument:
    """An imported object as its first server answered it.

    Attributes:
        origin: Where it comes from: a base URL, or the kind of file.
        document: The object as it was on the wire, unknown keys included.
    """

    origin: str
    document: JsonObject
