"""Facts about errors as responses: one status for each kind, in OpenAI's envelope."""

import errno
import json
from collections.abc import Iterator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import IntegrityError, OperationalError

from evalhaven.api.errors import error_response, install_error_handlers
from evalhaven.api.middleware import RequestRecord
from evalhaven.domain.errors import (
    DamagedFileError,
    EvalhavenError,
    ForbiddenError,
    GatewayOffError,
    IllegalRunTransitionError,
    InvalidRequestError,
    InvalidRowsError,
    LimitExceededError,
    ModelNotServedError,
    NotFoundError,
    RequestTooLargeError,
    UnansweredError,
    UnknownCallerError,
    UnreadableEncodingError,
    UploadEndedError,
    UpstreamFailedError,
    UpstreamLateError,
)
from evalhaven.domain.statuses import RunStatus
from evalhaven.sampling.catalog import UnknownModelError
from evalhaven.wire.requests import RequestError


async def answer_to(error: Exception) -> httpx2.Response:
    """Return the response to a request whose route raises this error."""
    application = FastAPI()
    install_error_handlers(application)
    application.add_middleware(RequestRecord, new_request_id=lambda: "req_1")

    @application.get("/")
    async def fail() -> None:  # pyright: ignore[reportUnusedFunction]
        raise error

    transport = httpx2.ASGITransport(application, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/")


def subclasses_of(kind: type[EvalhavenError]) -> Iterator[type[EvalhavenError]]:
    """Yield the kinds of errors below one."""
    for each in kind.__subclasses__():
        yield each
        yield from subclasses_of(each)


EXAMPLES: list[tuple[Exception, int, str | None, str | None]] = [
    (NotFoundError("Eval", "eval_1", "eval_id"), 404, "eval_id", "not_found"),
    (InvalidRequestError("No.", param="name", code="x"), 400, "name", "x"),
    (InvalidRowsError("No.", param="data_source"), 400, "data_source", "invalid_data_source"),
    (UnknownModelError("No.", param="model", code="model_not_found"), 400, "model", "model_not_found"),
    (UploadEndedError("upload_1", "expired"), 400, "upload_id", "upload_ended"),
    (RequestTooLargeError("No.", code="request_too_large"), 413, None, "request_too_large"),
    (UnreadableEncodingError("No.", param="Content-Encoding"), 415, "Content-Encoding", None),
    (RequestError("No.", "testing_criteria[0].name"), 400, "testing_criteria[0].name", "invalid_value"),
    (RecursionError(), 400, None, "invalid_json"),
    (IllegalRunTransitionError("evalrun_1", RunStatus.FAILED, RunStatus.QUEUED), 500, None, "internal_error"),
    (UnansweredError("Not now.", code="grader_unanswered"), 503, None, "grader_unanswered"),
    (ModelNotServedError("No.", param="model", code="model_not_found"), 404, "model", "model_not_found"),
    (UnknownCallerError("No.", code="invalid_api_key"), 401, None, "invalid_api_key"),
    (ForbiddenError("No.", scope="write"), 403, None, "insufficient_permissions"),
    (LimitExceededError("No.", code="insufficient_quota"), 429, None, "insufficient_quota"),
    (GatewayOffError("No.", code="gateway_off"), 403, None, "gateway_off"),
    (UpstreamFailedError("No.", param="model", code="endpoint_failed"), 502, "model", "endpoint_failed"),
    (UpstreamLateError("No.", param="model", code="endpoint_timeout"), 504, "model", "endpoint_timeout"),
    (DamagedFileError("file-1", 3, 9, "file_id"), 500, "file_id", "stored_file_damaged"),
    (ZeroDivisionError(), 500, None, "internal_error"),
    (IntegrityError("INSERT", {}, Exception("UNIQUE")), 500, None, "internal_error"),
    (OperationalError("INSERT", {}, Exception("locked")), 503, None, "database_unavailable"),
    (OSError(errno.ENOSPC, "No space left on device"), 503, None, "storage_unavailable"),
]


@pytest.mark.parametrize(("error", "status", "param", "code"), EXAMPLES)
async def test_each_error_has_its_status_in_the_envelope(
    error: Exception, status: int, param: str | None, code: str | None
) -> None:
    answer = await answer_to(error)
    body = answer.json()["error"]

    assert (answer.status_code, body["param"], body["code"]) == (status, param, code)
    assert body.keys() == {"message", "type", "param", "code"}
    kinds = {429: "insufficient_quota"}  # without a time after which it is none any more
    assert body["type"] == kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    assert answer.headers["x-should-retry"] == ("true" if status >= 500 else "false")
    assert answer.headers["x-request-id"] == "req_1"
    assert ("retry-after" in answer.headers) == (status == 503)


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "too_many_attempts"])
async def test_too_many_requests_are_called_so_and_may_be_made_again_later(code: str) -> None:
    answer = await answer_to(LimitExceededError("Later.", code=code, wait_s=1.5))

    assert (answer.status_code, answer.json()["error"]["type"]) == (429, "requests")
    assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("2", "true")


def test_every_kind_of_error_has_an_example() -> None:
    assert set(subclasses_of(EvalhavenError)) <= {type(error) for error, *_ in EXAMPLES}


@pytest.mark.parametrize("error", [ZeroDivisionError("secret"), OSError(errno.EACCES, "secret", "/secret/path")])
async def test_unforeseen_errors_tell_no_internals(error: Exception) -> None:
    assert "secret" not in (await answer_to(error)).text


def test_messages_with_lone_surrogates_can_be_sent() -> None:
    assert b"\\ud800" in bytes(error_response(400, "\ud800").body)


def test_an_error_quotes_the_beginning_of_what_was_sent_however_long_it_is() -> None:
    error = json.loads(bytes(error_response(400, "x" * 10_000_000, param="y" * 10_000_000).body))["error"]
    assert error["message"] == "x" * 8_000 + "…"
    assert error["param"] == "y" * 1_000 + "…"
    short = json.loads(bytes(error_response(400, "x" * 8_000, param="y" * 1_000).body))["error"]
    assert (short["message"], short["param"]) == ("x" * 8_000, "y" * 1_000)
