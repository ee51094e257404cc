"""The recorded answers of the hosted API, one of which a client printed as Python objects."""

import ast
import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def read_recorded(path: Path) -> Json:
    """Return a recording; the sample of an output item as the JSON that it was before it was printed."""
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(document.get("sample"), str):
        document["sample"] = python_repr(document["sample"])
    return document


def python_repr(text: str) -> Any:
    """Return what `Name(key=value, …)` says, as dictionaries."""

    def value_of(node: ast.expr) -> Any:
        if isinstance(node, ast.Call):
            return {each.arg: value_of(each.value) for each in node.keywords}
        if isinstance(node, ast.List):
            return [value_of(each) for each in node.elts]
        return ast.literal_eval(node)

    return value_of(ast.parse(text, mode="eval").body)
