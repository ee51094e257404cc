"""The JSON Schema of eval files, with which editors complete and check them."""

from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from evalhaven.eval_files.format import EvalFile
from evalhaven.wire.contract import WireModel

_PYTHON_GRADERS = ("EvalGraderPython", "GraderPython")


class _Strict(GenerateJsonSchema):
    """Makes schemas that refuse the keys which reading refuses."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Return the schema of a model."""
        made = super().model_schema(schema)
        kind: type[BaseModel] = schema["cls"]
        if issubclass(kind, WireModel) and not kind.open_object:
            made["additionalProperties"] = False
        # Docstrings speak to those who maintain the server.
        if not kind.__module__.startswith("evalhaven.eval_files"):
            made.pop("description", None)
        made.pop("title", None)
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Return that no field has a title: it would only repeat its name."""
        del schema
        return False


def eval_file_schema() -> dict[str, Any]:
    """Return the JSON Schema of eval files."""
    made = EvalFile.model_json_schema(schema_generator=_Strict)
    definitions = cast("dict[str, dict[str, Any]]", made["$defs"])
    for name in _PYTHON_GRADERS:
        source = definitions[name]["properties"]["source"]
        definitions[name]["properties"]["source"] = {
            "anyOf": [source, {"$ref": "#/$defs/FileReference"}],
            "description": "The code, or `{path: FILE}`.",
        }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Evalhaven eval file", **made}
