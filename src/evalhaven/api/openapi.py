"""The OpenAPI document: the contract's operation ids, our schemas, no aliases."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from evalhaven.wire.errors import ErrorResponse
from evalhaven.wire.evals import CreateEvalRequest, UpdateEvalRequest
from evalhaven.wire.files import FileExpirationAfter
from evalhaven.wire.grader_endpoints import RunGraderRequest, ValidateGraderRequest
from evalhaven.wire.runs import CreateEvalRunRequest

_BODIES = {
    "createEval": CreateEvalRequest,
    "updateEval": UpdateEvalRequest,
    "createEvalRun": CreateEvalRunRequest,
    "runGrader": RunGraderRequest,
    "validateGrader": ValidateGraderRequest,
}
_REF = "#/components/schemas/{model}"
_ERRORS = {
    "400": "The request cannot be accepted.",
    "404": "There is no such object.",
    "413": "The body is over this server's limit.",
    "415": "The body is compressed or otherwise encoded.",
    "429": "Too many requests.",
}


def install_document(application: FastAPI) -> None:
    """Serve the document at `/openapi.json`, made when first asked for."""

    def document() -> dict[str, Any]:
        if application.openapi_schema is None:
            application.openapi_schema = build_document(application)
        return application.openapi_schema

    application.openapi = document


def build_document(application: FastAPI) -> dict[str, Any]:
    """Return the document of an application."""
    document = get_openapi(
        title=application.title,
        version=application.version,
        summary=application.summary,
        routes=application.routes,
        separate_input_output_schemas=False,
    )
    _, definitions = models_json_schema(
        [(model, "validation") for model in (*_BODIES.values(), ErrorResponse, FileExpirationAfter)],
        ref_template=_REF,
    )
    schemas = document["components"]["schemas"]
    schemas.update(definitions["$defs"])
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path in document["paths"].values():
        for operation in path.values():
            _complete(operation)
    return document


def _complete(operation: dict[str, Any]) -> None:
    """Add the request body, which routes read by themselves, and the errors in their envelope."""
    body = _BODIES.get(operation["operationId"])
    if body is not None:
        schema = {"$ref": _REF.format(model=body.__name__)}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    responses = operation["responses"]
    responses.pop("422", None)
    error = {"application/json": {"schema": {"$ref": _REF.format(model="ErrorResponse")}}}
    for status, description in _ERRORS.items():
        if status in ("413", "415") and "requestBody" not in operation:
            continue
        if status == "404" and not any(map(_names_object, operation.get("parameters", []))):
            continue
        responses[status] = {"description": description, "content": error}
    retry_after = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
    responses["429"]["headers"] = {"Retry-After": retry_after}


def _names_object(parameter: dict[str, Any]) -> bool:
    """Say whether a parameter leads to an object that may be gone: in the path, or made by an earlier request."""
    return parameter["in"] == "path" or parameter["name"] == "idempotency-key"
