"""The OpenAPI documents: the contract's at `/openapi.json`, that of everything below `/api/` at `/api/openapi.json`."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from evalhaven.api.documented_calls import CALL_ANSWERS, CALL_BODIES, call_paths
from evalhaven.api.rendering.json_texts import json_response
from evalhaven.domain import jsontext
from evalhaven.wire import organization
from evalhaven.wire.contract import JsonObject
from evalhaven.wire.errors import ErrorResponse
from evalhaven.wire.evals import CreateEvalRequest, UpdateEvalRequest
from evalhaven.wire.files import FileExpirationAfter
from evalhaven.wire.gates import GatePolicy
from evalhaven.wire.grader_endpoints import RunGraderRequest, ValidateGraderRequest
from evalhaven.wire.imports import ImportFileForm
from evalhaven.wire.keys import ChangeKeyRequest, CreateAdminKeyRequest, CreateKeyRequest
from evalhaven.wire.limits import SetLimitsRequest
from evalhaven.wire.logs import SetRetentionRequest
from evalhaven.wire.members import AddMemberRequest, ChangeMemberRequest
from evalhaven.wire.regrading import RegradeRunRequest, RetryRunRequest
from evalhaven.wire.reports import BreakdownLine
from evalhaven.wire.run_events import RunProgress
from evalhaven.wire.runs import CreateEvalRunRequest
from evalhaven.wire.sessions import LogInRequest
from evalhaven.wire.stored_completions import UpdateChatCompletionRequest
from evalhaven.wire.uploads import CompleteUploadRequest, CreateUploadRequest
from evalhaven.wire.webhooks import (
    PublicCreateEndpointBody,
    PublicUpdateEndpointBody,
    RotateSecretBody,
    TestEndpointBody,
)

EXTENSION_PATH = "/api/"
"""Prefix of every path that is not part of the contract."""

_BODIES: dict[str, type[BaseModel]] = {
    "createEval": CreateEvalRequest,
    "updateEval": UpdateEvalRequest,
    "createEvalRun": CreateEvalRunRequest,
    "runGrader": RunGraderRequest,
    "validateGrader": ValidateGraderRequest,
    "updateChatCompletion": UpdateChatCompletionRequest,
    **CALL_BODIES,
    "createUpload": CreateUploadRequest,
    "completeUpload": CompleteUploadRequest,
    "create-project": organization.ProjectCreateRequest,
    "modify-project": organization.ProjectUpdateRequest,
    "create-project-service-account": organization.ProjectServiceAccountCreateRequest,
    "update-project-service-account": organization.UpdateProjectServiceAccountBody,
    "CreateanAPIkeyforaserviceaccount": organization.CreateProjectServiceAccountApiKeyBody,
    "createWebhookEndpoint": PublicCreateEndpointBody,
    "updateWebhookEndpoint": PublicUpdateEndpointBody,
    "rotateWebhookEndpointSecret": RotateSecretBody,
    "testWebhookEndpoint": TestEndpointBody,
}
_EXTENSION_BODIES: dict[str, type[BaseModel]] = {
    "regradeRun": RegradeRunRequest,
    "retryRun": RetryRunRequest,
    "gateRun": GatePolicy,
    "createKey": CreateKeyRequest,
    "logIn": LogInRequest,
    "addMember": AddMemberRequest,
    "changeMember": ChangeMemberRequest,
    "createAdminKey": CreateAdminKeyRequest,
    "changeKey": ChangeKeyRequest,
    "setLimits": SetLimitsRequest,
    "setRetention": SetRetentionRequest,
}
_OPTIONAL_BODIES = frozenset({"regradeRun", "retryRun"})
_PUBLIC = frozenset({"getServer", "getExtensionDocument", "getSession", "logIn", "logOut"})
_REF = "#/components/schemas/{model}"
_ERRORS = {
    "400": "The request cannot be accepted.",
    "401": "No valid API key was sent.",
    "403": "The API key lacks the scope.",
    "404": "There is no such object.",
    "413": "The body is over this server's limit.",
    "415": "The body is compressed or otherwise encoded.",
    "429": "Too many requests.",
}
_EXTENSION_ERRORS = {
    "400": "The request cannot be accepted: `invalid_value`.",
    "401": "No valid API key was sent, or one of another project: `invalid_api_key`, `mismatched_project`.",
    "403": "The API key lacks the scope: `insufficient_permissions`; or a web page of another origin may not write: "
    "`foreign_origin`.",
    "404": "There is no such object: `not_found`.",
    "413": "The body is over this server's limit: `request_too_large`.",
    "415": "The body is compressed or otherwise encoded: `unsupported_encoding`.",
    "503": "The database or the disk cannot be used right now: `database_unavailable`, `storage_unavailable`.",
    "default": "Any other refusal or failure.",
}
_EXTENSION_DESCRIPTION = (
    "What Evalhaven serves beyond the OpenAI Evals API. The contract itself is described at `/openapi.json`.\n\n"
    "Programs should pass over keys of answers that they do not know, so that new ones do not break them.\n\n"
    "Every refusal and every failure is answered in OpenAI's envelope. `error.message` says what is wrong and how to "
    "mend it, `error.param` names the parameter, and `error.code` the kind of error. The header `x-should-retry` says "
    "whether the same request may succeed later.\n\n"
    "Any request may be refused because of its headers: with 400 and `repeated_header` if one is given twice, with "
    "421 and `unknown_host` if `Host` names another server, and with 508 and `loop_detected` if Evalhaven itself "
    "sent the request to a model."
)


def install_documents(application: FastAPI) -> None:
    """Serve both documents; each is made when it is first requested."""
    application.openapi = cache(lambda: build_document(application))
    extension_text = cache(lambda: jsontext.render(build_extension_document(application)))

    async def get_extension_document() -> Response:
        """Get the OpenAPI document of the endpoints below `/api/`."""
        return json_response(extension_text())

    application.add_api_route(
        f"{EXTENSION_PATH}openapi.json",
        get_extension_document,
        operation_id="getExtensionDocument",
        tags=["Server"],
        response_model=JsonObject,
        response_description="The document.",
    )


def build_document(application: FastAPI) -> dict[str, Any]:
    """Return the document of the contract."""
    document = get_openapi(
        title=application.title,
        version=application.version,
        summary=application.summary,
        routes=_routes(application, lambda path: not path.startswith(EXTENSION_PATH)),
        separate_input_output_schemas=False,
    )
    for path, operation in call_paths(_REF).items():
        document["paths"].setdefault(path, {})["post"] = operation
    _add_schemas(document, [*_BODIES.values(), *CALL_ANSWERS, ErrorResponse, FileExpirationAfter])
    for _, operation in _operations(document):
        _add_body(operation, _BODIES, is_required=True)
        _add_errors(operation, _ERRORS)
        _add_retry_after(operation, "429")
    return document


def build_extension_document(application: FastAPI) -> dict[str, Any]:
    """Return the document of everything below `/api/`."""
    document = get_openapi(
        title=f"{application.title}'s own endpoints",
        version=application.version,
        description=_EXTENSION_DESCRIPTION,
        routes=_routes(application, lambda path: path.startswith(EXTENSION_PATH)),
        separate_input_output_schemas=False,
    )
    streamed = (BreakdownLine, RunProgress)
    _add_schemas(document, [*_EXTENSION_BODIES.values(), ErrorResponse, ImportFileForm, *streamed])
    for method, operation in _operations(document):
        _add_body(operation, _EXTENSION_BODIES, is_required=operation["operationId"] not in _OPTIONAL_BODIES)
        _add_errors(operation, _extension_errors(method, operation))
        _add_retry_after(operation, "503")
    return document


def _routes(application: FastAPI, is_wanted: Callable[[str], bool]) -> list[RouteContext]:
    return [each for each in iter_route_contexts(application.routes) if is_wanted(each.path or "")]


def _operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return each operation with its method."""
    return [pair for path in document["paths"].values() for pair in path.items()]


def _add_schemas(document: dict[str, Any], models: list[type[BaseModel]]) -> None:
    """Add the schemas of what no route declares, and remove those that FastAPI adds itself."""
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    schemas = document["components"]["schemas"]
    schemas.update(definitions["$defs"])
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)


def _add_body(operation: dict[str, Any], bodies: Mapping[str, type[BaseModel]], *, is_required: bool) -> None:
    """Add the request body, which routes read themselves."""
    body = bodies.get(operation["operationId"])
    if body is not None:
        schema = {"$ref": _REF.format(model=body.__name__)}
        operation["requestBody"] = {"required": is_required, "content": {"application/json": {"schema": schema}}}


def _add_errors(operation: dict[str, Any], errors: Mapping[str, str]) -> None:
    """Add the errors in their envelope; a route's own description of an error stays."""
    responses = operation["responses"]
    responses.pop("422", None)
    error = {"application/json": {"schema": {"$ref": _REF.format(model="ErrorResponse")}}}
    for status, description in errors.items():
        if status in ("413", "415") and "requestBody" not in operation:
            continue
        names_object = "404" in responses or any(map(_names_object, operation.get("parameters", [])))
        if status == "404" and not names_object:
            continue
        own = responses.pop(status, {}).get("description")
        responses[status] = {"description": own or description, "content": error}


def _extension_errors(method: str, operation: dict[str, Any]) -> dict[str, str]:
    """Return the errors that an operation below `/api/` can have, judging by its method and parameters."""
    errors = dict(_EXTENSION_ERRORS)
    if method == "get":
        errors["403"] = "The API key lacks the scope: `insufficient_permissions`."
    if operation["operationId"] in _PUBLIC:
        del errors["401"], errors["403"]
    is_plain = "requestBody" not in operation and all(each["in"] == "path" for each in operation.get("parameters", []))
    if is_plain and "400" not in operation["responses"]:
        del errors["400"]
    return errors


def _add_retry_after(operation: dict[str, Any], status: str) -> None:
    header = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
    operation["responses"][status]["headers"] = {"Retry-After": header}


def _names_object(parameter: dict[str, Any]) -> bool:
    """Tell whether a parameter names an object that may be gone: in the path, or made by an earlier request."""
    return parameter["in"] == "path" or parameter["name"] == "idempotency-key"
