"""What went wrong with a call to a model, from what its endpoint answered or did not answer.

Codes of errors: the endpoint's own `error.code` where it has the form of one, else one of these.

| code | when |
|---|---|
| `invalid_request_error` | 400, 415, 422, and any other 4xx |
| `authentication_error` | 401 |
| `insufficient_quota` | 402, or a 429 that says so |
| `permission_denied` | 403 |
| `model_not_found` | 404 with an error in it |
| `not_found` | 404 without: the address is wrong |
| `request_timeout`, `conflict`, `too_early` | 408, 409, 425 |
| `request_too_large` | 413 |
| `rate_limit_exceeded` | 429 |
| `context_length_exceeded`, `content_filter` | 4xx whose message says so |
| `loop_detected` | 508: the endpoint is Evalhaven itself |
| `server_error` | any other 5xx |
| `unexpected_redirect` | 3xx |
| `invalid_reply` | an answer that is none of the protocol, or not HTTP at all |
| `reply_too_large` | an answer above the transport's limit |
| `upstream_timeout` | no answer in time |
| `upstream_unreachable` | no connection |
| `upstream_connection_lost` | a connection that ended before the answer did |
| `upstream_certificate_invalid` | a certificate that is not trusted |
| `upstream_misconfigured` | a configuration that cannot be used |

Messages are the endpoint's own words, cut to 500 characters, without the key that was sent.
"""

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Literal, cast
from urllib.parse import parse_qsl

import msgspec

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.samples import ItemError
from evalhaven.sampling.calls.backoff import find_asked_s
from evalhaven.sampling.transport.client import HttpReply, TransportError

FailureKind = Literal["rate_limit", "server_error", "busy", "timeout", "connection", "invalid_reply", "final"]

ORIGIN = "sampling"
MOST_CHARS = 500

_CODES: Mapping[int, str] = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_denied",
    408: "request_timeout",
    409: "conflict",
    413: "request_too_large",
    425: "too_early",
    429: "rate_limit_exceeded",
}
_BUSY = frozenset({408, 409, 425})
_FATAL = frozenset({401, 402, 403, 404})  # the next call would be answered alike
_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_NEVER_FITS = "request too large"  # a 429 for a request that exceeds what a whole minute allows
_TOO_LONG = ("maximum context length", "context length", "context_size", "context size", "prompt is too long")
_FILTERED = ("content_filter", "content management policy")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_STATUS = re.compile(r"[1-5]\d\d")
_RETRY_DELAY = re.compile(rb'"retryDelay"\s*:\s*"(\d{1,9}(?:\.\d{1,9})?)s"')
_TAG = re.compile(r"<[^<>]{0,500}>")
_MOST_BYTES = 256 * 1024  # of an error that is looked into
_SECRET_NAMES = ("auth", "key", "token", "secret", "cookie")
_SHORTEST_SECRET = 8
_BAD_REQUEST, _SERVER_FAULT = 400, 500


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt brought no answer.

    Attributes:
        error: What the item shows if no other attempt is made. Its `retryable` is False where the request is at fault.
        kind: For counting, and for how often it is repeated; `final` is not.
        is_fatal: Whether any other call of the run would fail alike.
        asked_s: Seconds that the endpoint asks to wait, else None.
    """

    error: ItemError
    kind: FailureKind
    is_fatal: bool = False
    asked_s: float | None = None


class CallFailedError(Exception):
    """A call has no answer, after all attempts that made sense.

    Attributes:
        error: What the item shows.
        attempts: How many were made.
        is_fatal_for_run: Whether any other call of the run would fail alike.
    """

    def __init__(self, error: ItemError, attempts: int, *, is_fatal_for_run: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.attempts = attempts
        self.is_fatal_for_run = is_fatal_for_run


@dataclass(frozen=True, slots=True)
class _Said:
    """What an endpoint said about an error; empty where it said nothing."""

    message: str = ""
    code: str = ""
    kind: str = ""
    status: int | None = None


def find_secrets(headers: Mapping[str, str], query: str = "") -> tuple[str, ...]:
    """Return what must not be shown of what is sent: keys, with and without their scheme.

    Args:
        headers: Of each request.
        query: Of each address.
    """
    secrets = set[str]()
    for name, value in (*headers.items(), *parse_qsl(query)):
        if any(part in name.lower() for part in _SECRET_NAMES):
            secrets.update(part for part in (value, *value.split()) if len(part) >= _SHORTEST_SECRET)
    return tuple(sorted(secrets, key=len, reverse=True))


def failure_of_reply(reply: HttpReply, endpoint: str, secrets: Iterable[str] = ()) -> Failure:
    """Return what an answer that is no success means.

    Args:
        reply: With a status other than 2xx.
        endpoint: Its name, for a message where it said nothing itself.
        secrets: What must not be repeated.
    """
    said = _read_error(reply.body)
    failure = _judge(reply.status, said, endpoint, reply.body)
    if failure.kind != "final":
        if reply.headers.get("x-should-retry", "").strip().lower() == "false":
            failure = replace(failure, kind="final")
        else:
            failure = replace(failure, asked_s=_find_asked_s(reply))
    return _shown(failure, secrets)


def failure_of_unusable(reply: HttpReply, reason: str, endpoint: str, secrets: Iterable[str] = ()) -> Failure:
    """Return what a success means that cannot be read: some routers put the error of another server into it.

    Args:
        reply: With a status 2xx.
        reason: What the parser says.
        endpoint: Its name.
        secrets: What must not be repeated.
    """
    said = _read_error(reply.body)
    if said.message and said.status is not None and said.status >= _BAD_REQUEST:
        return _shown(_judge(said.status, said, endpoint, reply.body), secrets)
    message = said.message or f"{endpoint} answered {reply.status} with what is no answer: {reason}"
    return _shown(Failure(_error(_code_of(said, "invalid_reply"), message), "invalid_reply"), secrets)


def failure_of_transport(error: TransportError, endpoint: str) -> Failure:
    """Return what it means that there is no answer."""
    message = f"{endpoint}: {error}"[:MOST_CHARS]
    if error.kind == "connect" and _is_certificate_fault(error):
        return Failure(_error("upstream_certificate_invalid", message), "final", is_fatal=True)
    match error.kind:
        case "connect":
            return Failure(_error("upstream_unreachable", message), "connection")
        case "timeout":
            return Failure(_error("upstream_timeout", message), "timeout")
        case "broken":
            return Failure(_error("upstream_connection_lost", message), "connection")
        case "malformed":
            return Failure(_error("invalid_reply", message), "invalid_reply")
        case "too_large":
            return Failure(_error("reply_too_large", message, retryable=False), "final")


def failure_of_configuration(error: ValueError, endpoint: str) -> Failure:
    """Return what it means that nothing can be sent: the address, headers, proxy or certificates are unusable."""
    message = f"{endpoint} cannot be asked as it is configured: {error}"[:MOST_CHARS]
    return Failure(_error("upstream_misconfigured", message), "final", is_fatal=True)


def _error(code: str, message: str, *, retryable: bool = True) -> ItemError:
    return ItemError(code, message, ORIGIN, retryable)


def _judge(status: int, said: _Said, endpoint: str, body: bytes) -> Failure:
    if status < _BAD_REQUEST:
        message = f"{endpoint} answered {status} and points to another address; configure that one"
        return Failure(_error("unexpected_redirect", message), "final", is_fatal=True)
    message = said.message or _plain_text(status, body, endpoint)
    if status >= _SERVER_FAULT:
        is_loop = status == HTTPStatus.LOOP_DETECTED
        error = _error(_code_of(said, "loop_detected" if is_loop else "server_error"), message)
        return Failure(error, "final" if is_loop else "server_error", is_fatal=is_loop)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        if said.code in _QUOTA or said.kind in _QUOTA:
            return Failure(_error(_code_of(said, "insufficient_quota"), message), "final", is_fatal=True)
        is_hopeless = _NEVER_FITS in message.lower()
        error = _error(_code_of(said, _CODES[status]), message, retryable=not is_hopeless)
        return Failure(error, "final" if is_hopeless else "rate_limit")
    code = _code_of(said, _default_code(status, said, message))
    if status in _BUSY:
        return Failure(_error(code, message), "busy")
    is_fatal = status in _FATAL
    return Failure(_error(code, message, retryable=is_fatal), "final", is_fatal=is_fatal)


def _default_code(status: int, said: _Said, message: str) -> str:
    if status == HTTPStatus.NOT_FOUND:
        return "model_not_found" if said.message else "not_found"
    if status in _CODES:
        return _CODES[status]
    lowered = f"{message} {said.kind}".lower()
    if any(words in lowered for words in _TOO_LONG):
        return "context_length_exceeded"
    if any(words in lowered for words in _FILTERED):
        return "content_filter"
    return "invalid_request_error"


def _code_of(said: _Said, default: str) -> str:
    return said.code if _CODE.fullmatch(said.code) else default


def _find_asked_s(reply: HttpReply) -> float | None:
    asked_s = find_asked_s(reply.headers)
    if asked_s is None:
        # Google names the pause in the body alone.
        found = _RETRY_DELAY.search(reply.body, 0, _MOST_BYTES)
        asked_s = float(found[1]) if found else None
    return asked_s


def _read_error(body: bytes) -> _Said:
    """Return the error that a body holds: OpenAI's form, and those of other servers and gateways."""
    if len(body) > _MOST_BYTES:
        return _Said()
    try:
        document = cast("JsonValue", msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return _Said()
    if isinstance(document, list) and document:
        document = document[0]
    if not isinstance(document, dict):
        return _Said()
    fault = document.get("error")
    if isinstance(fault, str) and fault:
        return _Said(message=fault)
    if not isinstance(fault, dict):
        if "message" not in document and "detail" not in document:
            return _Said()
        fault = document
    code = fault.get("code")
    status = int(code) if isinstance(code, int | str) and _STATUS.fullmatch(str(code)) else None
    message = _text(fault.get("message")) or _text(fault.get("detail"))
    return _Said(message, _text(code), _text(fault.get("type")), status)


def _text(value: JsonValue) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or isinstance(value, int | float) else msgspec.json.encode(value).decode()


def _plain_text(status: int, body: bytes, endpoint: str) -> str:
    """Return a message for an error in no known form, such as a gateway's page."""
    text = _TAG.sub(" ", body[: 8 * MOST_CHARS].decode("utf-8", "replace"))
    return f"{endpoint} answered {status}: {' '.join(text.split()) or 'nothing more'}"


def _is_certificate_fault(error: BaseException) -> bool:
    return any(isinstance(each, ssl.CertificateError) for each in _causes(error)) or "certificate" in str(error).lower()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _shown(failure: Failure, secrets: Iterable[str]) -> Failure:
    """Return a failure whose message may be shown: without secrets, then cut."""
    message = failure.error.message
    for secret in secrets:
        message = message.replace(secret, "***")
    return replace(failure, error=replace(failure.error, message=message[:MOST_CHARS]))
