"""The eval: what items look like and how they are judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from evalhaven.domain.grader_parts import with_parts
from evalhaven.domain.ids import EvalId
from evalhaven.domain.imports import ImportedDocument
from evalhaven.domain.jsontext import JsonObject, JsonValue

UNTITLED = "Untitled eval"


@dataclass(frozen=True, slots=True)
class Caution:
    """Something accepted that will not do what its author seems to expect.

    Attributes:
        pointer: JSON pointer (RFC 6901) into the request body.
        message: What is wrong and how to mend it.
    """

    pointer: str
    message: str


@dataclass(frozen=True, slots=True)
class Eval:
    """A data source config and its testing criteria.

    Attributes:
        key: Internal number; 0 before it is stored.
        data_source_config: As answered on the wire: type, derived `schema`, for logs also `metadata`.
        testing_criteria: As sent, each with its server-made `id`.
        created_at: Unix second.
        updated_at: Unix second of the last update by a user.
        imported: The eval as its first server answered it; None for one made here.
    """

    id: EvalId
    created_at: int
    updated_at: int
    name: str
    metadata: dict[str, str]
    data_source_config: JsonObject
    testing_criteria: Sequence[JsonObject]
    warnings: Sequence[Caution] = ()
    imported: ImportedDocument | None = None
    key: int = 0

    def renamed(self, name: str | None, metadata: dict[str, str] | None, at: int) -> "Eval":
        """Return the eval with another name or other metadata; None leaves one as it is.

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
        """Return the JSON Schema of an item; True (anything) where the config has none."""
        if self.data_source_config["type"] != "custom":
            return True
        schema = self.data_source_config["schema"]
        properties = schema.get("properties") if isinstance(schema, dict) else None
        return properties.get("item", True) if isinstance(properties, dict) else True


def answered_config(sent: JsonObject) -> JsonObject:
    """Return the data source config as it is stored and answered, with its derived `schema`.

    Source: recorded response of eval creation; the envelope of `sample` is as recorded, oddities included.
    """
    if sent["type"] != "custom":
        envelope: JsonObject = {
            "type": "object",
            "properties": {"item": {"type": "object"}, "sample": {"type": "object"}},
            "required": ["item", "sample"],
        }
        return {"type": sent["type"], "metadata": sent.get("metadata") or {}, "schema": envelope}
    properties: JsonObject = {"item": sent["item_schema"]}
    required: list[JsonValue] = ["item"]
    if sent.get("include_sample_schema"):
        properties["sample"] = _sample_envelope()
        required.append("sample")
    return {"type": "custom", "schema": {"type": "object", "properties": properties, "required": required}}


def identified_criterion(sent: JsonObject, new_uuid: Callable[[], str]) -> JsonObject:
    """Return a testing criterion with a new id, `<name>-<uuid4>`, and its messages normalised.

    An id that was sent (a cloned eval) is replaced.
    """
    name = sent["name"]
    criterion: JsonObject = {"name": name, "id": f"{name}-{new_uuid()}"}
    for key, value in sent.items():
        if key not in ("name", "id"):
            criterion[key] = value
    return _with_typed_messages(criterion)


def _with_typed_messages(grader: JsonObject) -> JsonObject:
    """Return a grader with its messages typed, and those of the graders inside it."""
    answered = with_parts(grader, _with_typed_messages)
    return {**answered, "input": typed_messages(grader["input"])} if isinstance(grader.get("input"), list) else answered


def typed_messages(messages: JsonValue) -> JsonValue:
    """Return messages with `"type": "message"` added where it is absent; their content stays as sent."""
    if not isinstance(messages, list):
        return messages
    return [
        {**message, "type": "message"} if isinstance(message, dict) and message.get("type") is None else message
        for message in messages
    ]


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
