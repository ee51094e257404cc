"""What an eval file says, as it is written: the contract's words, and few of our own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, cast

from pydantic import AfterValidator, Field, PrivateAttr, SkipValidation, Tag, model_validator

from evalhaven.wire.contract import TAG_PREFIX, JsonObject, NonEmptyStr, WireModel, choose_with, fault
from evalhaven.wire.extension import RunBudget
from evalhaven.wire.gates import GatePolicy
from evalhaven.wire.graders import TestingCriterion
from evalhaven.wire.messages import EvalItem, InputMessagesItemReference
from evalhaven.wire.metadata import Metadata
from evalhaven.wire.sampling_params import CompletionsSamplingParams, ResponsesSamplingParams

OWN_PREFIX = "evalhaven_"
"""Beginning of the keys of metadata that Evalhaven writes."""

MOST_PAIRS = 12
"""Most pairs of metadata that a file may have: the others, up to the contract's 16, are Evalhaven's."""

BASELINE_WORDS = ("auto", "pinned", "none")
"""Baselines that are neither a run, nor a variant, nor a file."""

DataSourceType = Literal["completions", "responses", "jsonl"]
AnySamplingParams = SkipValidation[CompletionsSamplingParams | ResponsesSamplingParams]


class FileReference(WireModel):
    """Name a file that holds what would stand here."""

    path: NonEmptyStr = Field(description="The file, relative to the one that names it.")


class ModelOfFile(WireModel):
    """Name a model with what is particular to it."""

    model: NonEmptyStr = Field(description="The model, as its endpoint or `evalhaven.toml` calls it.")
    name: NonEmptyStr | None = Field(
        default=None, description="What its variants are called. Without it, they are called as the model."
    )
    sampling_params: AnySamplingParams | None = Field(
        default=None, description="Sampling parameters of this model. They win over those of the file, key by key."
    )


def _choose_model(value: object) -> str | None:
    if isinstance(value, str):
        return TAG_PREFIX + "name"
    return TAG_PREFIX + "object" if isinstance(value, Mapping | WireModel) else None


def _choose_prompt(value: object) -> str | None:
    if isinstance(value, str):
        return TAG_PREFIX + "text"
    if isinstance(value, list):
        return TAG_PREFIX + "messages"
    if isinstance(value, Mapping):
        keys = cast("Mapping[str, object]", value).keys()
        return TAG_PREFIX + ("reference" if keys & {"type", "item_reference"} else "file")
    return None


def _refuse_own_keys(value: dict[str, str] | None) -> dict[str, str] | None:
    if value and len(value) > MOST_PAIRS:
        raise fault(f"must have at most {MOST_PAIRS} pairs: the others are Evalhaven's, but has {len(value)}")
    for key in value or ():
        if key.startswith(OWN_PREFIX):
            raise fault(
                f"is a key that Evalhaven writes, as all that begin with {OWN_PREFIX!r}; call it otherwise", key
            )
    return value


Model = Annotated[
    Annotated[NonEmptyStr, Tag("choice=name")] | Annotated[ModelOfFile, Tag("choice=object")],
    choose_with(_choose_model, key="", cure="the name of a model, or an object with the key 'model'"),
]
"""One of `models`."""

Prompt = Annotated[
    Annotated[str, Tag("choice=text")]
    | Annotated[list[EvalItem], Field(min_length=1), Tag("choice=messages")]
    | Annotated[InputMessagesItemReference, Tag("choice=reference")]
    | Annotated[FileReference, Tag("choice=file")],
    choose_with(_choose_prompt, key="", cure="a list of messages, a text, or an object with the key 'path'"),
]
"""One of `prompts`."""


def _choose_data(value: object) -> str | None:
    if isinstance(value, str):
        return TAG_PREFIX + "path"
    return TAG_PREFIX + "rows" if isinstance(value, list) else None


Data = Annotated[
    Annotated[NonEmptyStr, Tag("choice=path")] | Annotated[list[JsonObject], Field(min_length=1), Tag("choice=rows")],
    choose_with(_choose_data, key="", cure="the path of a file, or a list of items"),
]
"""The `data`."""


class EvalFile(WireModel):
    """Describe an eval, its data and its runs in one file, which stands in a repository beside what it tests."""

    schema_url: str | None = Field(
        default=None, alias="$schema", description="Where the JSON Schema of this file is, for editors of JSON."
    )
    name: NonEmptyStr = Field(description="Name of the eval. It is found again by this name.")
    metadata: Annotated[Metadata, AfterValidator(_refuse_own_keys)] = Field(
        default=None, description=f"Metadata of the eval: up to {MOST_PAIRS} pairs of strings."
    )
    data: Data = Field(
        description="The items: the path of a file (.jsonl, .csv, or .parquet where pyarrow is installed), relative to "
        "this one, or a list of them. A row is an item, or has the keys `item` and `sample`."
    )
    item_schema: JsonObject | None = Field(
        default=None, description="JSON Schema that every item must satisfy. Without it, it is derived from the data."
    )
    type: DataSourceType | None = Field(
        default=None,
        description="How samples are made: by chat completions, by responses, or not at all (`jsonl`). Without it, "
        "`completions` where there are models, else `jsonl`.",
    )
    models: Annotated[list[Model], Field(min_length=1)] | None = Field(
        default=None, description="The models that are asked, each with each prompt."
    )
    prompts: Annotated[dict[str, Prompt], Field(min_length=1)] | None = Field(
        default=None,
        description="By name, what models are asked: a list of messages, a text (one message of the user), or "
        "`{path: FILE}` with a text (.md, .txt) or messages (.yaml, .json). Each is rendered for each item. "
        "Applications need none: they are sent the item.",
    )
    sampling_params: AnySamplingParams | None = Field(
        default=None, description="Sampling parameters of all models, such as `temperature`."
    )
    repeats: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="Samples of each item. Without it, 1."
    )
    cache: bool | None = Field(
        default=None, description="Whether to take the answer given before to the same request. Without it, false."
    )
    max_concurrency: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Most calls of a run under way at once."
    )
    budget: RunBudget | None = Field(default=None, description="What each run may spend. Without it, no limit.")
    labels: list[NonEmptyStr] | None = Field(default=None, description="Up to 16 texts that runs carry.")
    extra_body: JsonObject | None = Field(
        default=None, description="Further keys of the body of each request to a model."
    )
    testing_criteria: Annotated[list[TestingCriterion], Field(min_length=1)] = Field(
        description="The graders that judge each sample. The `source` of a `python` grader may be `{path: FILE}`."
    )
    policy: GatePolicy | None = Field(
        default=None, description="What a run has to achieve. Without it, nothing is decided at the end."
    )
    baseline: NonEmptyStr | None = Field(
        default=None,
        description="What runs are compared with: `auto` (the pinned run, else the newest earlier one of the same "
        "variant), `pinned`, `none`, the id of a run, the name of a variant, or a JSONL file of recorded answers. "
        "Without it, `auto`.",
    )

    _path: Path = PrivateAttr(default_factory=Path)
    _read_paths: tuple[Path, ...] = PrivateAttr(default=())
    _derived_schema: JsonObject = PrivateAttr(default_factory=dict)
    _data_path: Path | None = PrivateAttr(default=None)
    _messages: dict[str, JsonObject] = PrivateAttr(default_factory=dict[str, JsonObject])

    @model_validator(mode="after")
    def _require_models(self) -> Self:
        if self.type == "jsonl":
            for name in ("models", "prompts", "sampling_params", "extra_body"):
                if getattr(self, name) is not None:
                    raise fault("has no effect where 'type' is jsonl: nothing is sampled; leave one of both out", name)
            return self
        if self.prompts is not None and self.models is None:
            raise fault("is required together with 'prompts': it says who is asked", "models")
        if self.type is not None and self.models is None:
            raise fault(f"is required where 'type' is {self.type}", "models")
        if self.models is None and self.sampling_params is not None:
            raise fault("has no effect without 'models': nothing is sampled; leave it out", "sampling_params")
        return self

    @property
    def path(self) -> Path:
        """Return where the file is."""
        return self._path

    @property
    def data_path(self) -> Path | None:
        """Return where the data is; None if its rows stand in the file."""
        return self._data_path

    @property
    def read_paths(self) -> tuple[Path, ...]:
        """Return every file that was read for it: itself, prompts, graders and data."""
        return self._read_paths

    @property
    def data_source_type(self) -> DataSourceType:
        """Return how samples are made."""
        return self.type or ("jsonl" if self.models is None else "completions")

    @property
    def schema_of_items(self) -> JsonObject:
        """Return the JSON Schema of an item: what the file says, else what was derived from the data."""
        return self._derived_schema if self.item_schema is None else self.item_schema

    @property
    def baseline_word(self) -> str:
        """Return what the file says of the baseline, or what holds if it says nothing."""
        return self.baseline or "auto"

    @property
    def input_messages(self) -> dict[str, JsonObject]:
        """Return what models are asked, by the name of the prompt, in the contract's form."""
        return self._messages

    def note_origin(self, path: Path, read_paths: tuple[Path, ...], data_path: Path | None) -> None:
        """Note where it was read from.

        Args:
            path: The file.
            read_paths: Every file that was read for it.
            data_path: The file of its data; None if rows stand in the file.
        """
        self._path, self._read_paths, self._data_path = path, read_paths, data_path

    def note_contents(self, messages: dict[str, JsonObject], derived_schema: JsonObject) -> None:
        """Note what the files say that it names.

        Args:
            messages: By the name of the prompt, the `input_messages`.
            derived_schema: The JSON Schema that the data gives.
        """
        self._messages, self._derived_schema = messages, derived_schema
