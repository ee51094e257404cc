"""Data sources of runs: where items come from and how samples are made, as sent and as echoed."""

from typing import Annotated, Literal, Self

from pydantic import Field, Tag, WithJsonSchema, model_validator

from evalhaven.wire.contract import JsonObject, NonEmptyStr, WireModel, choose_by, fault
from evalhaven.wire.messages import InputMessages
from evalhaven.wire.metadata import MetadataFilter
from evalhaven.wire.sampling_params import CompletionsSamplingParams, Modalities, ResponsesSamplingParams

DATA_SOURCE_TYPES = ("jsonl", "completions", "responses")
"""Every data source type, in the order error messages name them."""

Timestamp = Annotated[int, Field(ge=0)]
"""Unix time in seconds, UTC."""

_ROW_SCHEMA = {
    "type": "object",
    "description": "An item, perhaps with a sample. Where no row has either key, each row is the item itself.",
    "properties": {
        "item": {"type": "object", "additionalProperties": True},
        "sample": {"anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}]},
    },
    "additionalProperties": True,
}


class EvalJsonlFileContentSource(WireModel):
    """Hold items inline: rows `{"item": {…}, "sample"?: {…}}`. Published schema EvalJsonlFileContentSource.

    The rows are not looked at here: there may be hundreds of megabytes of them, which are streamed
    apart from the document; an empty array then stands in for them.
    """

    type: Literal["file_content"]
    content: Annotated[list[object], WithJsonSchema({"type": "array", "items": _ROW_SCHEMA})]


class EvalJsonlFileIdSource(WireModel):
    """Point to an uploaded file of such rows, one a line. Published schema EvalJsonlFileIdSource."""

    type: Literal["file_id"]
    id: NonEmptyStr


class EvalStoredCompletionsSource(WireModel):
    """Select stored chat completions. Published schema EvalStoredCompletionsSource.

    `limit` is the largest number of items taken.
    """

    type: Literal["stored_completions"]
    metadata: MetadataFilter = None
    model: str | None = None
    created_after: Timestamp | None = None
    created_before: Timestamp | None = None
    limit: Annotated[int, Field(ge=1)] | None = None


class EvalResponsesSource(WireModel):
    """Select stored responses. Published schema EvalResponsesSource, and `limit`, which programs send."""

    type: Literal["responses"]
    metadata: MetadataFilter = None
    model: str | None = None
    instructions_search: str | None = None
    created_after: Timestamp | None = None
    created_before: Timestamp | None = None
    reasoning_effort: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    users: Annotated[list[str], Field(fail_fast=True)] | None = None
    tools: Annotated[list[str], Field(fail_fast=True)] | None = None
    limit: Annotated[int, Field(ge=1)] | None = None


JsonlSource = Annotated[
    Annotated[EvalJsonlFileContentSource, Tag("choice=file_content")]
    | Annotated[EvalJsonlFileIdSource, Tag("choice=file_id")],
    choose_by("type", "file_content", "file_id"),
]
"""The `source` of a `jsonl` data source, selected by `type`."""

CompletionsSource = Annotated[
    Annotated[EvalJsonlFileContentSource, Tag("choice=file_content")]
    | Annotated[EvalJsonlFileIdSource, Tag("choice=file_id")]
    | Annotated[EvalStoredCompletionsSource, Tag("choice=stored_completions")],
    choose_by("type", "file_content", "file_id", "stored_completions"),
]
"""The `source` of a `completions` data source, selected by `type`."""

ResponsesSource = Annotated[
    Annotated[EvalJsonlFileContentSource, Tag("choice=file_content")]
    | Annotated[EvalJsonlFileIdSource, Tag("choice=file_id")]
    | Annotated[EvalResponsesSource, Tag("choice=responses")],
    choose_by("type", "file_content", "file_id", "responses"),
]
"""The `source` of a `responses` data source, selected by `type`."""


class CreateEvalJsonlRunDataSource(WireModel):
    """Grade the rows as they are; nothing is sampled. Published schema CreateEvalJsonlRunDataSource."""

    type: Literal["jsonl"]
    source: JsonlSource


class _SampledDataSource(WireModel):
    """Hold what both sampling data sources have; without messages and model nothing is sampled."""

    input_messages: InputMessages | None = None
    model: NonEmptyStr | None = None

    @model_validator(mode="after")
    def _require_messages_and_model_together(self) -> Self:
        if self.input_messages is not None and self.model is None:
            raise fault("is required together with 'input_messages'; leave both out to sample nothing", "model")
        if self.input_messages is None and self.model is not None:
            raise fault("is required together with 'model'; leave both out to sample nothing", "input_messages")
        return self


class CreateEvalCompletionsRunDataSource(_SampledDataSource):
    """Sample with chat completions. Published schema CreateEvalCompletionsRunDataSource.

    `modalities` and `audio` stand here in public programs, or among the `sampling_params`.
    """

    type: Literal["completions"]
    source: CompletionsSource
    sampling_params: CompletionsSamplingParams | None = None
    modalities: Modalities | None = None
    audio: JsonObject | None = None

    @model_validator(mode="after")
    def _require_one_kind_of_answer(self) -> Self:
        params = self.sampling_params
        for name in ("modalities", "audio"):
            own, other = getattr(self, name), getattr(params, name, None)
            if own is not None and other is not None and own != other:
                raise fault(f"differs from 'sampling_params.{name}'; give it in one of the two places", name)
        return self


class CreateEvalResponsesRunDataSource(_SampledDataSource):
    """Sample with responses. Published schema CreateEvalResponsesRunDataSource."""

    type: Literal["responses"]
    source: ResponsesSource
    sampling_params: ResponsesSamplingParams | None = None


RunDataSource = Annotated[
    Annotated[CreateEvalJsonlRunDataSource, Tag("choice=jsonl")]
    | Annotated[CreateEvalCompletionsRunDataSource, Tag("choice=completions")]
    | Annotated[CreateEvalResponsesRunDataSource, Tag("choice=responses")],
    choose_by("type", *DATA_SOURCE_TYPES),
]
"""The `data_source` of a run, selected by `type`."""
