"""Data source configs: what the items of an eval look like, as sent and as echoed."""

from typing import Annotated, Literal

from pydantic import Field, Tag

from evalhaven.wire.contract import JsonObject, WireModel, choose_by
from evalhaven.wire.metadata import MetadataFilter

CONFIG_TYPES = ("custom", "logs", "stored_completions")
"""Every data source config type, in the order error messages name them."""


class CreateEvalCustomDataSourceConfig(WireModel):
    """Describe items by a JSON Schema. Published schema CreateEvalCustomDataSourceConfig.

    That `item_schema` is a valid JSON Schema is not checked here. `include_sample_schema` absent or
    null is false.
    """

    type: Literal["custom"]
    item_schema: JsonObject
    include_sample_schema: bool | None = False


class CreateEvalLogsDataSourceConfig(WireModel):
    """Take logged calls that carry `metadata`. Published schema CreateEvalLogsDataSourceConfig."""

    type: Literal["logs"]
    metadata: MetadataFilter = None


class CreateEvalStoredCompletionsDataSourceConfig(WireModel):
    """Take stored chat completions; the deprecated form of `logs`.

    Published schema CreateEvalStoredCompletionsDataSourceConfig.
    """

    type: Literal["stored_completions"]
    metadata: MetadataFilter = None


CreateEvalDataSourceConfig = Annotated[
    Annotated[CreateEvalCustomDataSourceConfig, Tag("choice=custom")]
    | Annotated[CreateEvalLogsDataSourceConfig, Tag("choice=logs")]
    | Annotated[CreateEvalStoredCompletionsDataSourceConfig, Tag("choice=stored_completions")],
    choose_by("type", *CONFIG_TYPES),
]
"""The `data_source_config` of a request, selected by `type`."""


class EvalCustomDataSourceConfig(WireModel):
    """Echo a custom config: `schema` wraps the item schema and, if asked for, the sample's.

    Published schema EvalCustomDataSourceConfig.
    """

    type: Literal["custom"]
    schema_: JsonObject = Field(alias="schema")


class EvalLogsDataSourceConfig(WireModel):
    """Echo a logs config with the schema of logged calls. Published schema EvalLogsDataSourceConfig."""

    type: Literal["logs"]
    metadata: MetadataFilter = None
    schema_: JsonObject = Field(alias="schema")


class EvalStoredCompletionsDataSourceConfig(WireModel):
    """Echo a stored completions config. Published schema EvalStoredCompletionsDataSourceConfig."""

    type: Literal["stored_completions"]
    metadata: MetadataFilter = None
    schema_: JsonObject = Field(alias="schema")


EvalDataSourceConfig = Annotated[
    Annotated[EvalCustomDataSourceConfig, Tag("choice=custom")]
    | Annotated[EvalLogsDataSourceConfig, Tag("choice=logs")]
    | Annotated[EvalStoredCompletionsDataSourceConfig, Tag("choice=stored_completions")],
    choose_by("type", *CONFIG_TYPES),
]
"""The `data_source_config` of an eval, selected by `type`."""
