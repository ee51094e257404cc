"""What went wrong with a call to a model, judging by the answer of its endpoint or its absence.

Codes of errors: the endpoint's own `error.code` if it looks like a code, else one of these.

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
| `invalid_reply` | an answer that does not fit the protocol, or is not HTTP at all |
| `reply_too_large` | an answer above the transport's limit |
| `upstream_timeout` | no answer in time |
| `upstream_unreachable` | no connection |
| `upstream_connection_lost` | a connection that ended before the answer did |
| `upstream_certificate_invalid` | a certificate that is not trusted |
| `upstream_misconfigured` | a configuration that cannot be used |

Messages are the endpoint's own words, cut to 500 characters, without any secret that was sent.
"""

import re
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Literal

from evalhaven.domain.foreign import words_of
from evalhaven.domain.masking import Secrets
from evalhaven.domain.samples import ItemError
from evalhaven.sampling.calls.backoff import find_asked_s
from evalhaven.sampling.calls.said import Said, read_error, what_came
from evalhaven.sampling.transport.replies import HttpReply, TransportError

FailureKind = Literal["rate_limit", "server_error", "busy", "timeout", "connection", "invalid_reply", "final"]

ORIGIN = "sampling"
_NONE = Secrets()
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
_FATAL = frozenset({401, 402, 403, 404})  # the next call would be answered in the same way
_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_NEVER_FITS = "request too large"  # a 429 for a request that exceeds what a whole minute allows
_TOO_LONG = ("maximum context length", "context length", "context_size", "context size", "prompt is too long")
_FILTERED = ("content_filter", "content management policy")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")
_RETRY_DELAY = re.compile(rb'"retryDelay"\s*:\s*"(\d{1,9}(?:\.\d{1,9})?)s"')
_MOST_BYTES = 256 * 1024  # searched for a pause
_BAD_REQUEST, _SERVER_FAULT = 400, 500


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt got no answer.

    Attributes:
        error: What the item shows if no other attempt is made. Its `retryable` is False if the request is at fault.
        kind: Decides how it is counted and how many times it is repeated; `final` is never repeated.
        is_fatal: Whether any other call of the run would fail in the same way.
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
        is_fatal_for_run: Whether any other call of the run would fail in the same way.
        is_unreachable: Whether its endpoint never answered the run and was unreachable for too long.
    """

    def __init__(
        self, error: ItemError, attempts: int, *, is_fatal_for_run: bool, is_unreachable: bool = False
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.attempts = attempts
        self.is_fatal_for_run = is_fatal_for_run
        self.is_unreachable = is_unreachable


def failure_of_reply(reply: HttpReply, endpoint: str, secrets: Secrets = _NONE) -> Failure:
    """Return the failure that an unsuccessful answer means.

    Args:
        reply: With a status other than 2xx.
        endpoint: Its name, for a message if it said nothing itself.
        secrets: What no message may repeat.
    """
    said = _read(reply, secrets)
    failure = _judge(reply.status, said, endpoint, reply)
    if failure.kind != "final":
        if reply.headers.get("x-should-retry", "").strip().lower() == "false":
            failure = replace(failure, kind="final")
        else:
            failure = replace(failure, asked_s=_find_asked_s(reply))
    return _shown(failure, secrets)


def failure_of_unusable(reply: HttpReply, reason: str, endpoint: str, secrets: Secrets = _NONE) -> Failure:
    """Return the failure that an unreadable success means: some routers put another server's error into it.

    Args:
        reply: With a status 2xx.
        reason: What the parser says.
        endpoint: Its name.
        secrets: What no message may repeat.
    """
    said = _read(reply, secrets)
    if said.message and said.status is not None and said.status >= _BAD_REQUEST:
        failure = _judge(said.status, said, endpoint, reply)
        # The answer is complete and may have cost something, so this is no outage, whatever status it quotes.
        kind = failure.kind if failure.kind in ("final", "rate_limit") else "invalid_reply"
        return _shown(replace(failure, kind=kind), secrets)
    message = said.message or f"{endpoint} {what_came(reply, reason, secrets)}"
    return _shown(Failure(_error(_code_of(said, "invalid_reply"), message), "invalid_reply"), secrets)


def failure_of_transport(error: TransportError, endpoint: str, secrets: Secrets = _NONE) -> Failure:
    """Return the failure that a missing answer means."""
    message = secrets.hide(f"{endpoint}: {error}")[:MOST_CHARS]
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
    """Return the failure of a request that cannot be sent: the address, headers, proxy or certificates are bad."""
    message = f"{endpoint} cannot be asked as it is configured: {error}"[:MOST_CHARS]
    return Failure(_error("upstream_misconfigured", message), "final", is_fatal=True)


def _error(code: str, message: str, *, retryable: bool = True) -> ItemError:
    return ItemError(code, message, ORIGIN, retryable)


def _where_to(reply: HttpReply) -> str:
    location = reply.headers.get("location", "").strip()
    if not location:
        return "and does not say where to; configure the address that answers"
    return f"and points to {location}; configure that address"


def _judge(status: int, said: Said, endpoint: str, reply: HttpReply) -> Failure:
    if status < _BAD_REQUEST:
        message = f"{endpoint} answered {status} {_where_to(reply)}"
        return Failure(_error("unexpected_redirect", message), "final", is_fatal=True)
    message = said.message or f"{endpoint} answered {status}: {words_of(reply.body) or 'nothing more'}"
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


def _default_code(status: int, said: Said, message: str) -> str:
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


def _code_of(said: Said, default: str) -> str:
    return said.code if _CODE.fullmatch(said.code) else default


def _find_asked_s(reply: HttpReply) -> float | None:
    asked_s = find_asked_s(reply.headers)
    if asked_s is None:
        # Google names the pause in the body only.
        found = _RETRY_DELAY.search(reply.body, 0, _MOST_BYTES)
        asked_s = float(found[1]) if found else None
    return asked_s


def _is_certificate_fault(error: BaseException) -> bool:
    return any(isinstance(each, ssl.CertificateError) for each in _causes(error)) or "certificate" in str(error).lower()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _read(reply: HttpReply, secrets: Secrets) -> Said:
    """Return what an answer says about an error; a code that repeats a secret is ignored."""
    said = read_error(reply.body)
    return said if secrets.hide(said.code) == said.code else replace(said, code="")


def _shown(failure: Failure, secrets: Secrets) -> Failure:
    """Return a failure whose message may be shown: without secrets, then cut."""
    message = secrets.hide(failure.error.message)[:MOST_CHARS]
    return replace(failure, error=replace(failure.error, message=message))
