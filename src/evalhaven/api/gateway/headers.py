"""Which headers pass through the gateway, in either direction; all others stay on their side."""

import re
from collections.abc import Iterable, Mapping

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.masking import Secrets

# What a client says to the model's server, not to this one. Keys, organisations and projects are never among it.
PASSED_ON = ("idempotency-key", "openai-beta", "traceparent", "tracestate", "x-client-request-id")
"""Headers of a request that the endpoint sees."""

PASSED_BACK = ("content-type", "retry-after", "retry-after-ms", "x-should-retry")
"""Headers of a reply that the client sees, with those that begin with one of `PASSED_BACK_PREFIXES`."""

PASSED_BACK_PREFIXES = ("x-ratelimit-", "openai-")

UPSTREAM_REQUEST_ID = "x-upstream-request-id"
"""The endpoint's own `x-request-id`, beside that of this server."""

# The parser of replies lets them through, and no server may send them.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

_PASSED_ON = frozenset(name.encode() for name in PASSED_ON)


def request_headers(given: Iterable[tuple[bytes, bytes]], own: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers of the request to an endpoint: its own, and the client's that pass.

    Args:
        given: The client's headers, names in lower case.
        own: The endpoint's.

    Raises:
        InvalidRequestError: One that passes is not plain ASCII.
    """
    passed = {name.decode(): value.decode("latin-1") for name, value in given if name in _PASSED_ON}
    for name, value in passed.items():
        if not (value.isascii() and value.isprintable()):
            message = f"The header {name!r} is passed on to the model's endpoint, and has to be plain ASCII."
            raise InvalidRequestError(message, param=name, code="invalid_value")
    return {**passed, **own} if passed else own


def reply_headers(given: Mapping[str, str], secrets: Secrets, length: int | None) -> list[tuple[bytes, bytes]]:
    """Return the headers of the answer to the client.

    Args:
        given: Those of the endpoint's reply, names in lower case.
        secrets: What they must not show.
        length: Length of the body, if it is known.
    """
    headers: list[tuple[bytes, bytes]] = []
    for name, value in given.items():
        if name == "x-request-id":
            passed = UPSTREAM_REQUEST_ID
        elif name in PASSED_BACK or name.startswith(PASSED_BACK_PREFIXES):
            passed = name
        else:
            continue
        if _CONTROL.search(value):
            continue
        headers.append((passed.encode("latin-1"), secrets.hide(value).encode("latin-1")))
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    if is_stream(given):
        headers.append((b"x-accel-buffering", b"no"))  # nginx in front of this server would collect parts
    return headers


def plain_length(given: Mapping[str, str]) -> int | None:
    """Return the length of a reply's body as it is passed on; None if that is not known before its end."""
    length = given.get("content-length", "")
    is_plain = "content-encoding" not in given and "transfer-encoding" not in given
    return int(length) if is_plain and length.isdecimal() else None


def is_stream(given: Mapping[str, str]) -> bool:
    """Tell whether a reply is server-sent events."""
    return given.get("content-type", "").lower().startswith("text/event-stream")
