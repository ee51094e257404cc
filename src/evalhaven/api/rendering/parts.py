"""Parts that the answers about several resources share."""

from collections.abc import Sequence
from dataclasses import asdict

from evalhaven.domain.evals import Caution
from evalhaven.domain.imports import ImportedDocument
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.samples import ItemError


def imported_document(imported: ImportedDocument, **more: JsonValue) -> JsonObject:
    """Return an imported object as its first server answered it, with its origin under `evalhaven`."""
    extension = imported.document.get("evalhaven")
    extension = extension if isinstance(extension, dict) else {}
    told: JsonObject = {"origin": imported.origin, **more}
    if "imported" in extension:
        # The server that it comes from had imported it as well.
        told["imported"] = extension["imported"]
    return {**imported.document, "evalhaven": {**extension, "imported": told}}


def shown_error(error: ItemError | None) -> JsonObject | None:
    """Return the error of a run or a sample."""
    return None if error is None else {"code": error.code, "message": error.message}


def shown_warnings(cautions: Sequence[Caution]) -> list[JsonValue]:
    """Return what will not work as the author of an accepted object expects."""
    return [asdict(caution) for caution in cautions]
