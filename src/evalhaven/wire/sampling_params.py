"""Sampling parameters of runs and of model graders, and the response formats among them.

Ranges are the endpoint's to judge; what is checked here is type, and that token limits are positive.
"""

from typing import Annotated, Literal

from pydantic import Field, Tag, WithJsonSchema

from evalhaven.wire.contract import JsonObject, NonEmptyStr, OpenObject, WireModel, choose_by
from evalhaven.wire.tools import Tools

Modalities = Annotated[list[str], Field(fail_fast=True)]
"""What an answer is made of, such as `["text", "audio"]`; the model's endpoint judges the words."""

TokenLimit = Annotated[int, Field(ge=1)]
"""A number of tokens, at least 1."""

_KNOWN_FORMATS = ("text", "json_schema", "json_object")


class ResponseFormatText(OpenObject):
    """Ask for plain text. Published schema ResponseFormatText."""

    type: Literal["text"]


class ResponseFormatJsonObject(OpenObject):
    """Ask for any JSON object. Published schema ResponseFormatJsonObject."""

    type: Literal["json_object"]


class JsonSchemaFormat(OpenObject):
    """Name the JSON Schema that a chat completion has to follow."""

    name: NonEmptyStr
    description: str | None = None
    schema_: JsonObject | None = Field(default=None, alias="schema")
    strict: bool | None = None


class ResponseFormatJsonSchema(OpenObject):
    """Ask a chat completion for JSON of a given schema. Published schema ResponseFormatJsonSchema."""

    type: Literal["json_schema"]
    json_schema: JsonSchemaFormat


class TextResponseFormatJsonSchema(OpenObject):
    """Ask a response for JSON of a given schema. Published schema TextResponseFormatJsonSchema."""

    type: Literal["json_schema"]
    name: NonEmptyStr
    schema_: JsonObject = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class OtherResponseFormat(OpenObject):
    """Ask for a format this contract does not know; the model's endpoint judges it."""

    type: Annotated[str, WithJsonSchema({"type": "string", "not": {"enum": list(_KNOWN_FORMATS)}})]


ResponseFormat = Annotated[
    Annotated[ResponseFormatText, Tag("choice=text")]
    | Annotated[ResponseFormatJsonSchema, Tag("choice=json_schema")]
    | Annotated[ResponseFormatJsonObject, Tag("choice=json_object")]
    | Annotated[OtherResponseFormat, Tag("choice=other")],
    choose_by("type", *_KNOWN_FORMATS, otherwise="other"),
]
"""The `response_format` of chat completions, selected by `type`."""

TextResponseFormatConfiguration = Annotated[
    Annotated[ResponseFormatText, Tag("choice=text")]
    | Annotated[TextResponseFormatJsonSchema, Tag("choice=json_schema")]
    | Annotated[ResponseFormatJsonObject, Tag("choice=json_object")]
    | Annotated[OtherResponseFormat, Tag("choice=other")],
    choose_by("type", *_KNOWN_FORMATS, otherwise="other"),
]
"""The `text.format` of responses. Published schema TextResponseFormatConfiguration."""


class ResponseText(OpenObject):
    """Configure the text of a response."""

    format: TextResponseFormatConfiguration | None = None


class _SamplingParams(WireModel):
    """Hold what all three sets have; null is the same as absent. `reasoning_effort` is any string.

    `max_completions_tokens` is another spelling of `max_completion_tokens`: programs send either.
    """

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_completion_tokens: TokenLimit | None = None
    max_completions_tokens: TokenLimit | None = None
    reasoning_effort: str | None = None


class GraderSamplingParams(_SamplingParams):
    """Hold the sampling parameters of a model grader. Part of published schema GraderScoreModel."""


class CompletionsSamplingParams(_SamplingParams):
    """Hold those of a `completions` run. Part of published schema CreateEvalCompletionsRunDataSource.

    `modalities` and `audio` (voice and format) ask for spoken answers.
    """

    response_format: ResponseFormat | None = None
    tools: Tools | None = None
    tool_choice: object = None
    modalities: Modalities | None = None
    audio: JsonObject | None = None


class ResponsesSamplingParams(_SamplingParams):
    """Hold those of a `responses` run. Part of published schema CreateEvalResponsesRunDataSource."""

    text: ResponseText | None = None
    tools: Tools | None = None
    tool_choice: object = None
