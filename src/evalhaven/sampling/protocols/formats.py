"""The form that an answer must have: text, a JSON object, or JSON by a schema."""

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject

OBJECT_INSTRUCTION = "Answer with one JSON object and nothing else, without a code fence."


def chat_format(wanted: JsonObject) -> JsonObject:
    """Return a format as the `response_format` of chat completions; other types pass."""
    if wanted.get("type") == "json_schema" and "json_schema" not in wanted:
        inner: JsonObject = {key: value for key, value in wanted.items() if key != "type" and value is not None}
        return {"type": "json_schema", "json_schema": inner}
    return wanted


def text_format(wanted: JsonObject) -> JsonObject:
    """Return a format as the `text.format` of the Responses protocol; other types pass."""
    inner = wanted.get("json_schema")
    if wanted.get("type") == "json_schema" and isinstance(inner, dict):
        given: JsonObject = {key: value for key, value in inner.items() if value is not None}
        return {"type": "json_schema", "schema": {}, **given}
    return wanted


def is_strict_format(wanted: JsonObject) -> bool:
    """Tell whether a format demands that its schema is followed strictly."""
    return bool(_schema_part(wanted).get("strict"))


def lenient_format(wanted: JsonObject) -> JsonObject:
    """Return a format without that demand."""
    part: JsonObject = {key: value for key, value in _schema_part(wanted).items() if key != "strict"}
    return {**wanted, "json_schema": part} if isinstance(wanted.get("json_schema"), dict) else part


def schema_instruction(wanted: JsonObject) -> str:
    """Return the words that ask for what a schema demands, for models that know no schemas."""
    part = _schema_part(wanted)
    description = part.get("description")
    purpose = f" It is: {description}." if isinstance(description, str) and description else ""
    # In JSON, two opening braces in a row occur only inside strings. Escaped, they cannot be taken for a placeholder.
    schema = jsontext.render(part.get("schema") or {}).replace("{{", "{\\u007b")
    return f"{OBJECT_INSTRUCTION}{purpose} It has to satisfy this JSON Schema:\n{schema}"


def _schema_part(wanted: JsonObject) -> JsonObject:
    inner = wanted.get("json_schema")
    return inner if isinstance(inner, dict) else wanted
