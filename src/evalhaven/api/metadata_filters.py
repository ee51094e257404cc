"""Metadata in the query of a list: `metadata[key]=value`, as the SDKs send it."""

import re
from typing import Any

from fastapi import Request

from evalhaven.domain.errors import InvalidRequestError

_KEY = re.compile(r"metadata\[(.*)\]", re.DOTALL)


def metadata_parameter(objects: str) -> dict[str, Any]:
    """Return what a route's document says of the parameter.

    Args:
        objects: What is listed.
    """
    return {
        "parameters": [
            {
                "name": "metadata",
                "in": "query",
                "required": False,
                "description": f"Keys and values that {objects} must carry, sent as `metadata[key]=value`.",
                "style": "deepObject",
                "explode": True,
                "schema": {"type": "object", "additionalProperties": {"type": "string"}},
            }
        ]
    }


def metadata_filter(request: Request) -> dict[str, str]:
    """Return the metadata that a query asks for.

    Raises:
        InvalidRequestError: It is sent in another form.
    """
    wanted: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        match = _KEY.fullmatch(name)
        if match is not None:
            wanted[match[1]] = value
        elif name == "metadata":
            raise InvalidRequestError(
                "Invalid 'metadata': send each key as a parameter of its own, 'metadata[key]=value'.",
                param="metadata",
                code="invalid_value",
            )
    return wanted
