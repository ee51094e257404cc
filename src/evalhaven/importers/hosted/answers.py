"""What an answer of the hosted API means: whether and when to try again, and what it says."""

import math
import time
from collections.abc import Generator
from contextlib import contextmanager

import httpx2

from evalhaven.domain.foreign import form_of, words_of
from evalhaven.domain.http_dates import find_http_time
from evalhaven.importers.failures import failure_text
from evalhaven.sampling.calls.said import read_error

OK = 200
UNAUTHORIZED = 401
TOO_MANY = 429
_TRANSIENT = frozenset({408, 409, TOO_MANY})
_FIRST_SERVER_ERROR = 500
_SLOW = frozenset({408, 504, 522, 524})


class HostedError(Exception):
    """A request that had no useful answer in all of its tries; `status` is None if there was no answer at all.

    Attributes:
        is_gone: Whether the tries are used up and the server does not answer anything else either.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.is_gone = False

    @property
    def ends_everything(self) -> bool:
        """Tell whether all other requests would fail too: the key is not accepted, or the server is gone."""
        return self.status == UNAUTHORIZED or self.is_gone


class TransientError(Exception):
    """A try that failed, after which another one makes sense."""

    def __init__(
        self,
        error: HostedError,
        delay_s: float | None = None,
        response: httpx2.Response | None = None,
        *,
        is_too_large: bool = False,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.delay_s = delay_s
        self.response = response
        self._is_too_large = is_too_large

    @property
    def is_slow(self) -> bool:
        """Tell whether a smaller page may help."""
        is_late = self.error.status in _SLOW or isinstance(self.__cause__, httpx2.ReadTimeout)
        return is_late or self._is_too_large


def is_transient(status: int) -> bool:
    """Tell whether the same request may succeed later."""
    return status in _TRANSIENT or status >= _FIRST_SERVER_ERROR


@contextmanager
def transient_failures() -> Generator[None]:
    """Turn timeouts, broken connections and truncated bodies into errors that are tried again."""
    try:
        yield
    except (httpx2.TransportError, httpx2.DecodingError) as error:
        raise TransientError(HostedError(failure_text(error))) from error


def error_message(response: httpx2.Response) -> str:
    """Return the error's message, else the text of the body."""
    if "location" in response.headers and response.is_redirect:
        # The query may hold credentials.
        return f"it redirects elsewhere, to {response.headers['location'].partition('?')[0]}"
    return read_error(response.content).message or words_of(response.content) or response.reason_phrase


def body_fault(content_type: str, body: bytes, reason: str) -> str:
    """Return why a body is not JSON: it is of another form, or broken."""
    if form := form_of(content_type, body):
        began = words_of(body)
        return f"it answers with {form} ({content_type or 'no content type'})" + (f": {began}" if began else "")
    return f"the body is incomplete: {reason}"


def asked_delay(headers: httpx2.Headers) -> float | None:
    """Return the seconds that a server asks to wait; None if it does not."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            delay_s = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        if math.isfinite(delay_s) and delay_s >= 0:
            return delay_s
    at = find_http_time(headers.get("retry-after", ""))
    return None if at is None else max(0.0, at - time.time())
