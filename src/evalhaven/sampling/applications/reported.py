"""The errors that an application reports in its reply, as the failures that they are."""

from collections.abc import Mapping

from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, parse_reply, render
from evalhaven.sampling.transport.interface import Transport
from evalhaven.sampling.transport.replies import HttpReply

APPLICATION_ERROR = "application_error"

_SUCCESSES = range(200, 300)
_CONFLICT, _UNPROCESSABLE = 409, 422


class ApplicationTransport(Transport):
    """Passes requests on to an application, and reads from its replies whether it failed."""

    def __init__(self, inner: Transport) -> None:
        """Send nothing yet.

        Args:
            inner: The way to the application.
        """
        self._inner = inner

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        """Send a body and return the reply; see `Transport`.

        A reply that reports an error becomes one with a status that says so: 409 if another attempt may succeed, or
        422. Neither is taken for an outage: the application is there, and gave up one item.
        """
        reply = await self._inner.post(url, headers, body, timeout_s)
        reported = find_reported(reply.body) if reply.status in _SUCCESSES else None
        return reply if reported is None else _failure(reported)

    async def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> HttpReply:
        """Ask for a URL and return the reply; see `Transport`."""
        return await self._inner.get(url, headers, timeout_s)


def find_reported(body: bytes) -> JsonObject | None:
    """Return the reply in which an application reports an error; None for any other reply."""
    if b'"error"' not in body:
        return None
    try:
        said = parse_reply(body)
    except InvalidJsonError:
        return None
    return said if isinstance(said, dict) and said.get("error") else None


def _failure(said: JsonObject) -> HttpReply:
    reported = said["error"]
    given: JsonObject = reported if isinstance(reported, dict) else {"message": reported}
    message, code = given.get("message"), given.get("code")
    error: JsonObject = {
        "message": message if isinstance(message, str) and message else "The application reported an error.",
        "code": code if isinstance(code, str) and code else APPLICATION_ERROR,
    }
    status = _CONFLICT if said.get("retryable") is True else _UNPROCESSABLE
    return HttpReply(status, {}, render({"error": error}).encode())
