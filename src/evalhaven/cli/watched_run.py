"""The run that `evalhaven watch` follows: where it is read, and what happens if there is no answer."""

import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx2

from evalhaven.app.client import find_server, open_client
from evalhaven.app.stores import InUseError, StartError, database_path
from evalhaven.cli.run_document import UnreadableRunError, read_run
from evalhaven.cli.run_figures import Reading
from evalhaven.domain import jsontext
from evalhaven.domain.foreign import form_of, words_of
from evalhaven.domain.http_dates import find_http_time
from evalhaven.settings import Settings

_TIMEOUT_S = 10.0
_OK, _TIMED_OUT, _NOT_FOUND, _TOO_MANY, _SERVER_FAULT = 200, 408, 404, 429, 500
_NO_SERVER = "no server is running on the data directory; start one with `evalhaven serve`"


class WatchError(Exception):
    """The run cannot be watched; the message says why and what to do."""


class LostError(Exception):
    """There was no answer for too long; the message says what happened instead."""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The server did not answer, which may be temporary; `reason` says what happened instead."""

    reason: str


class WatchedRun:
    """Reads a run again and again, through the server that is named or that holds the data directory.

    Without a server the run is read once from the data directory, which is released at once for a server to start.
    """

    def __init__(
        self,
        settings: Settings,
        run_id: str,
        *,
        now_s: Callable[[], float] = time.monotonic,
        unix_s: Callable[[], float] = time.time,
    ) -> None:
        """Connect to nothing yet.

        Args:
            settings: They say where the server is.
            run_id: Public id.
            now_s: The clock that rates are computed with.
            unix_s: The time, for servers that do not state theirs.
        """
        self._settings = settings
        self._run_id = run_id
        self._now_s = now_s
        self._unix_s = unix_s
        self._stack = AsyncExitStack()
        self._client: httpx2.AsyncClient | None = None
        self._was_read = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._disconnect()

    async def read(self) -> Reading | NoAnswer:
        """Read the run.

        Raises:
            WatchError: The run can never be read: it or its server does not exist, or the server refuses.
        """
        try:
            client = self._client or await self._connect()
            if client is None:
                return NoAnswer(_NO_SERVER)
            path = f"/api/runs/{quote(self._run_id, safe='')}"
            response = await client.get(path, params={"rows": "false"}, timeout=_TIMEOUT_S)
        except InUseError as error:
            return NoAnswer(str(error).rstrip("."))
        except (StartError, OSError, httpx2.InvalidURL) as error:
            raise WatchError(str(error)) from error
        except httpx2.TransportError as error:
            return await self._note_loss(error)
        finally:
            if self._client is None:
                await self._disconnect()
        return self._reading_of(response)

    async def _connect(self) -> httpx2.AsyncClient | None:
        """Open a client and keep it, unless it works in this process; None if only a server could tell more."""
        url = find_server(self._settings)
        if url is None and self._was_read:
            return None
        if url is None:
            self._refuse_without_database()
        settings = self._settings.model_copy(update={"url": url})
        client = await self._stack.enter_async_context(open_client(settings))
        self._client = client if url is not None else None
        return client

    def _refuse_without_database(self) -> None:
        settings = self._settings
        has_database = settings.database_url is not None or database_path(settings.data_dir).exists()
        if not settings.data_dir.is_dir() or not has_database:
            raise WatchError(
                f"There is neither a server nor a database in the data directory {str(settings.data_dir)!r}. Name the "
                "server with --url (EVALHAVEN_URL), or its directory with --data-dir (EVALHAVEN_DATA_DIR)."
            )

    async def _disconnect(self) -> None:
        self._client = None
        await self._stack.aclose()

    async def _note_loss(self, error: httpx2.TransportError) -> NoAnswer:
        reason = f"no answer within {_TIMEOUT_S:.0f} s" if isinstance(error, httpx2.TimeoutException) else str(error)
        where = "" if self._client is None else _shown_url(self._client.base_url)
        # The next server on the directory may listen elsewhere.
        await self._disconnect()
        is_wrong = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.UnsupportedProtocol)
        if is_wrong and not self._was_read:
            raise WatchError(f"No server answers at {where}: {reason}.") from error
        return NoAnswer(f"{where}: {reason or type(error).__name__}")

    def _reading_of(self, response: httpx2.Response) -> Reading | NoAnswer:
        status = response.status_code
        if status >= _SERVER_FAULT or status in (_TIMED_OUT, _TOO_MANY):
            return NoAnswer(f"{_shown_url(response.url)} answers {status}: {_message_of(response)}")
        if status == _NOT_FOUND and self._was_read:
            raise WatchError(f"Run {self._run_id!r} was deleted.")
        if status != _OK:
            raise WatchError(f"{_shown_url(response.url)} answers {status}: {_message_of(response)}")
        try:
            run = read_run(response.content)
        except UnreadableRunError as error:
            what = form_of(response.headers.get("content-type", ""), response.content) or str(error)
            raise WatchError(f"The answer of {_shown_url(response.url)} is not a run of Evalhaven: {what}.") from error
        self._was_read = True
        return Reading(self._now_s(), self._server_time(response), run)

    def _server_time(self, response: httpx2.Response) -> float:
        """Return when an answer was made, by the clock that runs take their times from."""
        at = find_http_time(response.headers.get("date", ""))
        return self._unix_s() if at is None else at


def _shown_url(url: httpx2.URL) -> str:
    return str(url.copy_with(username=None, password=None, query=None)).rstrip("/")


def _message_of(response: httpx2.Response) -> str:
    """Return the message of an error, or the beginning of the body if it has none."""
    try:
        body = jsontext.parse(response.content)
    except jsontext.InvalidJsonError:
        body = None
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    if isinstance(message, str):
        return message
    if location := response.headers.get("location"):
        return f"it points to {location}"
    return words_of(response.content)[:200] or response.reason_phrase
