"""Errors as responses: one table from exception to status, in OpenAI's envelope."""

import math
from typing import Any, cast

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as ConnectionsBusyError
from starlette.exceptions import HTTPException

from evalhaven.api.addresses import allowed_methods, hint_for
from evalhaven.domain import jsontext
from evalhaven.domain.errors import (
    DamagedFileError,
    EvalhavenError,
    ForbiddenError,
    GatewayOffError,
    InvalidRequestError,
    LimitExceededError,
    ModelNotServedError,
    NotFoundError,
    RequestTooLargeError,
    UnansweredError,
    UnknownCallerError,
    UnreadableEncodingError,
    UpstreamFailedError,
    UpstreamLateError,
)
from evalhaven.storage.database import is_unavailable
from evalhaven.wire.requests import RequestError

STATUS_OF: dict[type[EvalhavenError], int] = {
    NotFoundError: 404,
    RequestTooLargeError: 413,
    UnreadableEncodingError: 415,
    InvalidRequestError: 400,
    UnknownCallerError: 401,
    ForbiddenError: 403,
    LimitExceededError: 429,
    GatewayOffError: 403,
    ModelNotServedError: 404,
    UpstreamFailedError: 502,
    UpstreamLateError: 504,
    UnansweredError: 503,
    DamagedFileError: 500,
}
_LATER = 503
_LIMITED = 429
_OF_REQUESTS = frozenset({"rate_limit_exceeded", "too_many_attempts"})  # which soon may be made again
_RETRY_AFTER_S = 2
# Errors quote what was sent, which may have any length.
_SHOWN_CHARS = 8_000
_SHOWN_PARAM_CHARS = 1_000
_LOGGED_CHARS = 300


def error_response(
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """Return an error in OpenAI's envelope.

    Args:
        status: HTTP status; from 500 the client should try again, below it should not.
        message: What is wrong and how to fix it.
        param: The parameter it is about.
        code: Short name of the kind of error.
        headers: More headers.
    """
    message, param = _shown(message, _SHOWN_CHARS), None if param is None else _shown(param, _SHOWN_PARAM_CHARS)
    kind = "invalid_request_error" if status < 500 else "server_error"  # noqa: PLR2004 - HTTP's own border
    if status == _LIMITED:
        kind = "requests" if code in _OF_REQUESTS else "insufficient_quota"
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    retry = "true" if status >= 500 else "false"  # noqa: PLR2004 - HTTP's own border
    return Response(jsontext.render(body), status, {"x-should-retry": retry, **(headers or {})}, "application/json")


def _shown(text: str, chars: int) -> str:
    return text if len(text) <= chars else f"{text[:chars]}…"


def install_error_handlers(application: FastAPI) -> None:
    """Answer every expected exception in the envelope; `RequestRecord` answers the others."""
    application.add_exception_handler(EvalhavenError, _on_evalhaven_error)
    application.add_exception_handler(RequestError, _on_request_error)
    application.add_exception_handler(RequestValidationError, _on_validation_error)
    application.add_exception_handler(HTTPException, _on_http_exception)
    application.add_exception_handler(RecursionError, _on_recursion_error)
    application.add_exception_handler(DBAPIError, _on_database_error)
    application.add_exception_handler(ConnectionsBusyError, _on_database_error)
    application.add_exception_handler(OSError, _on_storage_error)


async def _on_evalhaven_error(request: Request, error: Exception) -> Response:
    known = cast("EvalhavenError", error)
    status = next((status for kind, status in STATUS_OF.items() if isinstance(known, kind)), None)
    if status is None:
        raise error
    headers = {"retry-after": str(_RETRY_AFTER_S)} if status == _LATER else _challenge(known)
    if isinstance(known, LimitExceededError) and known.wait_s is not None:
        # SDKs wait for this long, and then try again by themselves.
        wait = {"retry-after": str(math.ceil(known.wait_s)), "retry-after-ms": str(math.ceil(known.wait_s * 1000))}
        headers = {**wait, "x-should-retry": "true"}
    if isinstance(known, UnknownCallerError | ForbiddenError):
        # Whoever reads the log learns which key it was, and why it did not do.
        request.state.refused = _shown(known.message, _LOGGED_CHARS)
    if isinstance(known, DamagedFileError):
        structlog.get_logger("evalhaven.api").error("stored_file_damaged", reason=known.message)
    return error_response(status, known.message, param=known.param, code=known.code, headers=headers)


def _challenge(error: EvalhavenError) -> dict[str, str] | None:
    """Return what tells a client how to identify itself (RFC 6750); None if that would change nothing."""
    if isinstance(error, UnknownCallerError):
        return {"www-authenticate": 'Bearer realm="Evalhaven"'}
    if isinstance(error, ForbiddenError) and error.scope:
        return {"www-authenticate": f'Bearer realm="Evalhaven", error="insufficient_scope", scope="{error.scope}"'}
    return None


async def _on_request_error(_request: Request, error: Exception) -> Response:
    refused = cast("RequestError", error)
    return error_response(400, refused.message, param=refused.param, code="invalid_value")


async def _on_validation_error(_request: Request, error: Exception) -> Response:
    first: dict[str, Any] = cast("RequestValidationError", error).errors()[0]
    # What is wrong with an element of a list is told of the list.
    name = next(str(step) for step in reversed(first["loc"]) if not isinstance(step, int))
    return error_response(400, f"Invalid '{name}': {first['msg']}.", param=name, code="invalid_value")


async def _on_http_exception(request: Request, error: Exception) -> Response:
    refused = cast("HTTPException", error)
    status, path = refused.status_code, request.url.path
    if status == 404:  # noqa: PLR2004 - Not Found
        message = f"Unknown URL: {request.method} {path}.{hint_for(request.app, path)}"
        return error_response(404, message, code="unknown_url")
    if status == 405:  # noqa: PLR2004 - Method Not Allowed
        # A route knows its own methods only, and several may share a path.
        headers = {"allow": allowed_methods(request.app, path)}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=headers)
        message = f"{request.method} is not allowed on {path}; it takes {headers['allow']}."
        return error_response(405, message, code="method_not_allowed", headers=headers)
    return error_response(status, str(refused.detail), headers=dict(refused.headers or {}))


async def _on_recursion_error(_request: Request, _error: Exception) -> Response:
    return error_response(400, "The request body is nested too deeply.", code="invalid_json")


async def _on_database_error(request: Request, error: Exception) -> Response:
    if not is_unavailable(error):
        raise error
    return _unavailable(request, "database_unavailable", str(error.__cause__))


async def _on_storage_error(request: Request, error: Exception) -> Response:
    return _unavailable(request, "storage_unavailable", str(cast("OSError", error).strerror))


def _unavailable(request: Request, code: str, reason: str) -> Response:
    structlog.get_logger("evalhaven.api").error(code, path=request.url.path, reason=reason)
    message = (
        "The server cannot store or read this right now (its database is away or locked, or its disk is full); try "
        "again shortly."
    )
    return error_response(503, message, code=code, headers={"retry-after": str(_RETRY_AFTER_S)})
