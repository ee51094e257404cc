"""The eval: what items look like and how they are judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pydantic import ConfigDict, TypeAdapter

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.documents import Document
from evalhaven.domain.grader_parts import AnyGrader, with_parts
from evalhaven.domain.ids import EvalId
from evalhaven.domain.imports import ImportedDocument
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.wire.data_source_configs import (
    CreateEvalCustomDataSourceConfig,
    CreateEvalDataSourceConfig,
    EvalCustomDataSourceConfig,
    EvalDataSourceConfig,
)
from evalhaven.wire.graders import GraderLabelModel, GraderMulti, GraderScoreModel, TestingCriterion
from evalhaven.wire.messages import EvalItem

UNTITLED = "Untitled eval"


@dataclass(frozen=True, slots=True)
class Caution:
    """Something that is accepted but will not do what its author seems to expect.

    Attributes:
        pointer: JSON pointer (RFC 6901) into the request body.
        message: What is wrong and how to mend it.
    """

    pointer: str
    message: str


class DataSourceConfig(Document[EvalDataSourceConfig]):
    """The `data_source_config` of an eval as it is answered: type, derived `schema` and, for logs, `metadata`."""

    __slots__ = ()
    _models = TypeAdapter(EvalDataSourceConfig, config=ConfigDict(defer_build=True))


@dataclass(frozen=True, slots=True)
class Eval:
    """A data source config and its testing criteria.

    Attributes:
        key: Internal number; 0 before it is stored.
        testing_criteria: As sent, each with an `id` made by the server.
        created_at: Unix second.
        updated_at: Unix second of the last update by a user.
        imported: The eval as its first server answered it; None for one made here.
        version: 1, or one more than that of the eval that it follows.
        follows: The eval of which it is the next version; it may be deleted.
    """

    id: EvalId
    created_at: int
    updated_at: int
    name: str
    metadata: dict[str, str]
    data_source_config: DataSourceConfig
    testing_criteria: Criteria
    warnings: Sequence[Caution] = ()
    imported: ImportedDocument | None = None
    version: int = 1
    follows: EvalId | None = None
    key: int = 0

    def renamed(self, name: str | None, metadata: dict[str, str] | None, at: int) -> "Eval":
        """Return the eval with a new name or new metadata; None leaves the present value.

        Args:
            name: The new name.
            metadata: The new metadata, replacing the old as a whole.
            at: Unix second of the update.
        """
        name = self.name if name is None else name
        metadata = self.metadata if metadata is None else metadata
        imported = self.imported
        if imported is not None:
            imported = replace(imported, document={**imported.document, "name": name, "metadata": dict(metadata)})
        return replace(self, name=name, metadata=metadata, imported=imported, updated_at=at)

    @property
    def item_schema(self) -> JsonValue:
        """Return the JSON Schema of an item; True (anything) if the config has none."""
        config = self.data_source_config.parsed
        if not isinstance(config, EvalCustomDataSourceConfig):
            return True
        properties = config.schema_.get("properties")
        return properties.get("item", True) if isinstance(properties, dict) else True


def answered_config(sent: CreateEvalDataSourceConfig) -> DataSourceConfig:
    """Return the data source config as it is stored and answered, with its derived `schema`.

    Source: recorded response of eval creation; the envelope of `sample` is as recorded, oddities included.
    """
    if not isinstance(sent, CreateEvalCustomDataSourceConfig):
        envelope: JsonObject = {
            "type": "object",
            "properties": {"item": {"type": "object"}, "sample": {"type": "object"}},
            "required": ["item", "sample"],
        }
        return DataSourceConfig({"type": sent.type, "metadata": sent.metadata or {}, "schema": envelope})
    properties: JsonObject = {"item": sent.item_schema}
    required: list[JsonValue] = ["item"]
    if sent.include_sample_schema:
        properties["sample"] = _sample_envelope()
        required.append("sample")
    schema: JsonObject = {"type": "object", "properties": properties, "required": required}
    return DataSourceConfig({"type": "custom", "schema": schema})


def identified_criteria(sent: Sequence[TestingCriterion], new_uuid: Callable[[], str]) -> Criteria:
    """Return testing criteria with new ids, `<name>-<uuid4>`, and their messages normalised.

    An id that was sent (a cloned eval) is replaced.
    """
    return Criteria([_identified(criterion, new_uuid()) for criterion in sent])


def _identified(sent: TestingCriterion, uuid: str) -> JsonObject:
    rest = {key: value for key, value in _with_typed_messages(sent).items() if key not in ("name", "id")}
    return {"name": sent.name, "id": f"{sent.name}-{uuid}", **rest}


def _with_typed_messages(grader: AnyGrader) -> JsonObject:
    """Return the document of a grader with its messages, and those of the graders inside it, typed."""
    match grader:
        case GraderMulti():
            return with_parts(grader, _with_typed_messages)
        case GraderLabelModel() | GraderScoreModel():
            return {**grader.sent, "input": typed_messages(grader.input)}
        case _:
            return grader.sent


def typed_messages(messages: Sequence[EvalItem]) -> list[JsonValue]:
    """Return messages with `"type": "message"` added if it is absent; their content stays as sent."""
    return [each.sent if each.type is not None else {**each.sent, "type": "message"} for each in messages]


def _sample_envelope() -> JsonObject:
    def typed(first: str, *others: str) -> JsonObject:
        return {"type": [first, *others] if others else first}

    function: JsonObject = {"name": typed("string"), "arguments": typed("string")}
    tool_call: JsonObject = {
        "type": "object",
        "properties": {
            "type": {"type": "string", "enum": ["function"]},
            "function": {"type": "object", "properties": function, "required": ["name", "arguments"]},
            "id": typed("string"),
        },
        "required": ["type", "function", "id"],
    }
    message: JsonObject = {
        "type": "object",
        "properties": {
            "role": {"type": "string", "enum": ["assistant"]},
            "content": typed("string", "null"),
            "refusal": typed("boolean", "null"),
            "tool_calls": {**typed("array", "null"), "items": tool_call},
            "function_call": {
                **typed("object", "null"),
                "properties": function,
                "required": ["name", "arguments"],
            },
        },
        "required": ["role"],
    }
    choice: JsonObject = {
        "type": "object",
        "properties": {"message": message, "finish_reason": typed("string")},
        "required": ["index", "message", "finish_reason"],
    }
    return {
        "type": "object",
        "properties": {
            "model": typed("string"),
            "choices": {"type": "array", "items": choice},
            "output_text": typed("string"),
            "output_json": typed("object"),
            "output_tools": {"type": "array", "items": typed("object")},
        },
        "required": ["model", "choices"],
    }
