"""The variants of an eval file: each of its models with each of its prompts."""

from dataclasses import dataclass
from typing import cast

from evalhaven.domain.jsontext import JsonObject
from evalhaven.eval_files.format import EvalFile, ModelOfFile

SEPARATOR = " · "


@dataclass(frozen=True, slots=True)
class Variant:
    """A model with a prompt; or the data as it is, where nothing is sampled.

    Attributes:
        name: What its run is called.
        model: The model; None if nothing is sampled.
        prompt: Name of the prompt; None if nothing is sampled, or the item alone is sent.
        sampling_params: Those of the file and, before them, those of the model.
    """

    name: str
    model: str | None = None
    prompt: str | None = None
    sampling_params: JsonObject | None = None


def variants_of(file: EvalFile) -> list[Variant]:
    """Return the variants of a file, by models and then by prompts."""
    models = file.models or []
    # An application is sent the item, and needs no prompt.
    prompts: list[str | None] = list(file.prompts or [None])
    if not models:
        return [Variant(file.name)]
    found: list[Variant] = []
    shared = cast("JsonObject", file.sampling_params or {})
    for each in models:
        model, own = (each.model, each.sampling_params) if isinstance(each, ModelOfFile) else (each, None)
        called = model_name(each)
        params = {**shared, **cast("JsonObject", own or {})}
        for prompt in prompts:
            parts = [called] if len(models) > 1 else []
            parts += [prompt] if len(prompts) > 1 and prompt is not None else []
            found.append(Variant(SEPARATOR.join(parts) or file.name, model, prompt, params or None))
    return found


def model_name(model: str | ModelOfFile) -> str:
    """Return what the variants of a model are called."""
    return (model.name or model.model) if isinstance(model, ModelOfFile) else model
