"""Unknown keys of objects that cannot be read as their models: mostly, one of them is the key that is missing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from pydantic import BaseModel

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.eval_files.format import FileReference, ModelOfFile
from evalhaven.eval_files.located import Place
from evalhaven.wire.graders import (
    EvalGraderLabelModel,
    EvalGraderMulti,
    EvalGraderPython,
    EvalGraderScoreModel,
    EvalGraderStringCheck,
    EvalGraderTextSimilarity,
)
from evalhaven.wire.messages import EvalItem
from evalhaven.wire.requests import Fault, UnknownKey

_GRADERS: Mapping[str, type[BaseModel]] = {
    "string_check": EvalGraderStringCheck,
    "text_similarity": EvalGraderTextSimilarity,
    "label_model": EvalGraderLabelModel,
    "score_model": EvalGraderScoreModel,
    "python": EvalGraderPython,
    "multi": EvalGraderMulti,
}


def find_unknown_beside(document: JsonObject, faults: Sequence[Fault]) -> Iterator[UnknownKey]:
    """Yield the unknown keys of each object that has a fault of its own, below the document itself.

    Args:
        document: The document.
        faults: What is wrong with it.
    """
    for place in dict.fromkeys(fault.path[:-1] for fault in faults):
        found = _object_at(document, place)
        model = None if found is None else _model_of(place, found)
        if found is None or model is None:
            continue
        known = tuple(field.alias or name for name, field in model.model_fields.items())
        for key in found:
            if key not in known:
                yield UnknownKey((*place, key), known)


def _object_at(document: JsonObject, place: Place) -> JsonObject | None:
    here: JsonValue = document
    for step in place:
        if isinstance(here, dict):
            here = here.get(str(step))
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        else:
            return None
    return here if isinstance(here, dict) else None


def _model_of(place: Place, found: JsonObject) -> type[BaseModel] | None:
    """Return the model of the object at a place; None if it has none that is known here."""
    match place:
        case ("models", int()):
            return ModelOfFile
        case ("prompts", str()):
            return FileReference
        case ("prompts", str(), int()):
            return EvalItem
        case ("testing_criteria", int(), *_) if place[-2:-1] == ("input",):
            return EvalItem
        case ("testing_criteria", int(), *inside) if not inside or inside[0] == "graders":
            return _GRADERS.get(cast("str", found.get("type")))
        case _:
            return None
