"""docs/reference/eval-files.md and the JSON Schema beside it, from the models of the format."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from evalhaven.eval_files.format import MOST_PAIRS, EvalFile, FileReference, ModelOfFile
from evalhaven.eval_files.json_schema import eval_file_schema
from evalhaven.wire.gates import CriterionPolicy, GatePolicy
from tests.docs.reference.markdown import code, page, table

_INTRO = (
    "An eval file describes an eval, its data and its runs; `evalhaven run FILE` executes it. It is YAML 1.2, or JSON "
    "if its name ends in `.json`. Its words are those of the API wherever the API has one: "
    "[Keep evals as files](../how-to/keep-evals-as-files.md) explains it by examples."
)
_STRICT = (
    "A key that is not listed here is refused, as is one of a grader, a message or the sampling parameters that the "
    "API does not know, a template that can never resolve, and a key that stands twice. All that is wrong is listed "
    "at once, each with its file and line."
)
_SCHEMA = (
    "`evalhaven schema` prints the JSON Schema of these files, which is also [eval-file.schema.json]"
    "(eval-file.schema.json). Editors with the YAML language server complete and check a file whose first line is "
    "`# yaml-language-server: $schema=PATH`; a JSON file names it as `$schema`."
)
_MODEL = "An entry of `models` is the name of a model, or an object:"
_VARIANTS = (
    "Each model with each prompt is a variant, and has a run of its own. It is called `model · prompt`, without the "
    "part of which there is only one; if there is one of each, or nothing is sampled, it is called as the eval."
)
_POLICY = "The same as [the policy of `evalhaven gate`](../how-to/compare-and-gate.md):"
_CRITERION = "Each of its `criteria`:"
_FILE = "Where a file may be named, `{path: FILE}` stands:"
_ROWS = (
    "A row of the data is an item, an object, or has the keys `item` and `sample`, as in the API; all rows are written "
    "alike. A JSONL file has a row on each line. A CSV file, UTF-8, has the names of the fields in its first line, and "
    "all values are strings. A Parquet file needs `pip install 'evalhaven[parquet]'`; dates become ISO 8601 strings. "
    "Without `item_schema`, the schema has the fields that items have, with the types of their values; a field is "
    "required if every item has it, and there are no others."
)
_PAIRS = (
    f"An eval may have 16 pairs of metadata, of which a file may give {MOST_PAIRS}: keys that begin with `evalhaven_` "
    "are Evalhaven's."
)


def render_eval_files() -> str:
    """Return the page."""
    parts = [_INTRO, _STRICT, _SCHEMA, "## Keys", _keys(EvalFile), _PAIRS]
    parts += ["## Models and variants", _MODEL, _keys(ModelOfFile), _VARIANTS]
    parts += ["## Data", _ROWS, "## Policy", _POLICY, _keys(GatePolicy), _CRITERION, _keys(CriterionPolicy)]
    return page("Eval files", [*parts, "## Files", _FILE, _keys(FileReference)])


def render_schema() -> str:
    """Return the JSON Schema as it is published."""
    return json.dumps(eval_file_schema(), indent=2, ensure_ascii=False) + "\n"


def _keys(model: type[BaseModel]) -> str:
    document = model.model_json_schema(by_alias=True)
    rows: list[tuple[str, str, str]] = []
    for name, field in model.model_fields.items():
        assert field.description, f"{model.__name__}.{name} says what it means"
        key = field.alias or name
        shape: Mapping[str, Any] = document["properties"][key]
        needed = "required" if field.is_required() else _default(field.default)
        rows.append((code(key), _shape(shape, document), f"{field.description}{needed and f' ({needed})'}"))
    return table(("key", "value", "meaning"), rows)


def _default(value: object) -> str:
    return "" if value is None else f"default: {code(str(value))}"


def _shape(shape: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return in a few words what a value looks like."""
    if "$ref" in shape:
        return _shape(document["$defs"][shape["$ref"].rpartition("/")[2]], document)
    for word in ("anyOf", "oneOf"):
        if word in shape:
            found = [_shape(each, document) for each in shape[word] if each.get("type") != "null"]
            return " or ".join(dict.fromkeys(found))
    if "enum" in shape:
        return " or ".join(code(str(each)) for each in shape["enum"])
    kind = shape.get("type", "object")
    if kind == "array":
        return f"list of {_plural(_shape(shape.get('items', {}), document))}"
    return "`true` or `false`" if kind == "boolean" else str(kind)


def _plural(text: str) -> str:
    return " or ".join(f"{each}s" for each in text.split(" or "))
