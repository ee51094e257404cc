"""Requests to a server by the client that the caller opened."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import IO, Any, cast

import anyio
import httpx2

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject

Query = Mapping[str, str | int | None]

_TRIES = 4
_RETRY_PAUSE_S = 0.5
_NOT_READY = ("comparison_not_ready", "report_not_ready", "items_not_ready")
_READY_WITHIN_S = 300.0
_READY_PAUSE_S = 0.2
_PAGE = 100


class RefusedError(Exception):
    """A server did not do what was asked; the message says why.

    Attributes:
        code: The code of the error; None if there was no answer.
        status: The status of the answer; 0 without one.
    """

    def __init__(self, message: str, code: str | None = None, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


class Talker:
    """Asks a server. A request that got no answer is made again: each is a question, or has an Idempotency-Key."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        """Talk by this client, which leads to the server."""
        self._client = client

    async def ask(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: JsonObject | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> dict[str, Any]:
        """Return the object that a request is answered with; wait while the server still prepares it.

        Args:
            method: GET or POST.
            path: Begins with a slash.
            query: Parameters; None is left out.
            body: Sent as JSON.
            idempotency_key: Makes a request that creates something one that can be made again.

        Raises:
            RefusedError: The server refused, or did not answer.
        """
        headers = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
        if body is not None:
            headers["content-type"] = "application/json"
        params = {name: value for name, value in (query or {}).items() if value is not None}
        content = None if body is None else jsontext.render(body).encode()
        until = time.monotonic() + _READY_WITHIN_S
        while True:
            tries = _TRIES if method == "GET" or idempotency_key is not None else 1
            answer = await self._send(method, path, params=params, content=content, headers=headers, tries=tries)
            try:
                return object_in(answer)
            except RefusedError as error:
                if error.code not in _NOT_READY or time.monotonic() > until:
                    raise
            await anyio.sleep(_READY_PAUSE_S)

    async def upload(self, name: str, content: IO[bytes]) -> str:
        """Upload a file of rows; return its id.

        Raises:
            RefusedError: The server refused, or did not answer.
        """
        files = {"file": (name, content, "application/jsonl")}
        answer = await self._send("POST", "/v1/files", data={"purpose": "evals"}, files=files, tries=1)
        return str(object_in(answer)["id"])

    async def pages(self, path: str, query: Query | None = None) -> AsyncIterator[dict[str, Any]]:
        """Yield each object of a list of the contract, page by page."""
        after: str | None = None
        while True:
            page = await self.ask("GET", path, {**(query or {}), "limit": _PAGE, "after": after})
            for each in page["data"]:
                yield each
            if not page["has_more"] or not page["data"]:
                return
            after = cast("str", page["last_id"])

    async def overviews(self, path: str, query: Query | None = None) -> AsyncIterator[dict[str, Any]]:
        """Yield each object of a list below /api, page by page."""
        after: str | None = None
        while True:
            page = await self.ask("GET", path, {**(query or {}), "limit": _PAGE, "after": after})
            for each in page["data"]:
                yield each
            after = page["next"]
            if after is None:
                return

    async def _send(self, method: str, path: str, *, tries: int, **request: Any) -> httpx2.Response:
        for number in range(tries):
            try:
                return await self._client.request(method, path, **request)
            except httpx2.TransportError as error:
                if number + 1 == tries:
                    raise RefusedError(f"The server does not answer: {str(error) or type(error).__name__}.") from error
            await anyio.sleep(_RETRY_PAUSE_S)
        raise AssertionError


def object_in(answer: httpx2.Response) -> dict[str, Any]:
    """Return the object that is the body of an answer.

    Raises:
        RefusedError: It is a refusal, or no JSON object.
    """
    try:
        found = jsontext.parse(answer.content)
    except jsontext.InvalidJsonError:
        found = None
    if not isinstance(found, dict):
        status = answer.status_code
        raise RefusedError(f"What answers there is not Evalhaven (status {status}).", None, status)
    if answer.is_success:
        return cast("dict[str, Any]", found)
    error = found.get("error")
    told = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
    raise RefusedError(str(told.get("message") or answer.status_code), told.get("code"), answer.status_code)
