"""How commands ask a server, or the API in this process, and what they say if it refuses."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import anyio
import httpx2

from evalhaven.app.client import IN_PROCESS_URL, find_server, open_client
from evalhaven.app.stores import StartError, database_path
from evalhaven.cli.figure_texts import make_printable
from evalhaven.cli.shell import EXIT_TOOL, EXIT_USAGE, fail, print_note
from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject
from evalhaven.eval_files.talking import RefusedError as AnswerError
from evalhaven.eval_files.talking import object_in
from evalhaven.settings import Settings

Query = Mapping[str, str | int | float | Sequence[str] | None]
Answer = TypeVar("Answer")

# What is asked for can never be answered, whoever asks: the command line has to be changed.
_WRONG_USE = ("no_margin", "no_baseline", "invalid_value", "invalid_type", "invalid_json", "missing_required_parameter")


# What is asked for will be there in a moment, as after the end of a large run.
_NOT_READY = ("comparison_not_ready", "report_not_ready", "items_not_ready")
_UNAUTHORIZED = 401
_PATIENCE_S = 300.0
_PAUSES_S = (0.2, 2.0)  # the first one, and the longest


class Asker:
    """Asks one server."""

    def __init__(self, client: httpx2.AsyncClient, patience_s: float = _PATIENCE_S, project: str | None = None) -> None:
        """Ask by this client.

        Args:
            client: Leads to the server.
            patience_s: For how many seconds to ask again while the server still prepares what is asked for.
            project: In which project it is asked; None: that of the key.
        """
        self._client = client
        self._patience_s = patience_s
        self._project = project

    async def ask(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: JsonObject | None = None,
    ) -> dict[str, Any]:
        """Return the object that a request is answered with.

        Args:
            method: GET, POST or DELETE.
            path: Begins with a slash.
            query: Parameters; None is left out.
            body: Sent as JSON.

        Raises:
            AnswerError: The server refused, or did not answer, or still prepares the answer after a long while.
        """
        return await self._when_ready(lambda: self._ask_once(method, path, query, body))

    async def _ask_once(self, method: str, path: str, query: Query | None, body: JsonObject | None) -> dict[str, Any]:
        params = {name: value for name, value in (query or {}).items() if value is not None}
        content = None if body is None else jsontext.render(body).encode()
        headers = {} if body is None else {"content-type": "application/json"}
        if self._project is not None:
            headers["openai-project"] = self._project
        try:
            answer = await self._client.request(method, path, params=params, content=content, headers=headers)
        except httpx2.HTTPError as error:
            raise AnswerError(f"The server does not answer: {str(error) or type(error).__name__}.") from error
        return object_in(answer)

    @asynccontextmanager
    async def stream(self, path: str, query: Query | None = None) -> AsyncGenerator["Streamed"]:
        """Yield an answer whose bytes are read as they come.

        Raises:
            AnswerError: The server refused, did not answer, broke off, or still prepares the answer after a long while.
        """
        params = {name: value for name, value in (query or {}).items() if value is not None}
        has_begun = False

        async def begin() -> httpx2.Response:
            nonlocal has_begun
            request = self._client.build_request("GET", path, params=params)
            answer = await opened.enter_async_context(_closed_in_the_end(await self._client.send(request, stream=True)))
            has_begun = True
            if not answer.is_success:
                await answer.aread()
                object_in(answer)
            return answer

        try:
            async with AsyncExitStack() as opened:
                answer = await self._when_ready(begin)
                yield Streamed(answer.headers, answer.aiter_bytes())
        except httpx2.HTTPError as error:
            what = "The answer broke off" if has_begun else "The server does not answer"
            raise AnswerError(f"{what}: {str(error) or type(error).__name__}.") from error

    async def _when_ready(self, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return what an attempt returns; try again while the server says that it will be able to answer."""
        until = time.monotonic() + self._patience_s
        pause_s, longest_s = _PAUSES_S
        is_told = False
        while True:
            try:
                return await attempt()
            except AnswerError as error:
                if error.code not in _NOT_READY or time.monotonic() + pause_s > until:
                    raise
                if not is_told:
                    message = make_printable(str(error)).removesuffix(" Ask again in a moment.")
                    print_note(f"{message} Waiting for that, up to {self._patience_s:.0f} s …")
                is_told = True
            await anyio.sleep(pause_s)
            pause_s = min(2 * pause_s, longest_s)


@asynccontextmanager
async def _closed_in_the_end(answer: httpx2.Response) -> AsyncGenerator[httpx2.Response]:
    try:
        yield answer
    finally:
        await answer.aclose()


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer under way: its headers, and its bytes as they come."""

    headers: Mapping[str, str]
    parts: AsyncIterator[bytes]


def answer_of(settings: Settings, ask: Callable[[Asker], Awaitable[Answer]], *, project: str | None = None) -> Answer:
    """Return what a server answers; without an answer the command ends, with a message and a status.

    Args:
        settings: They name the server.
        ask: Makes the requests.
        project: In which project; None: that of the key.
    """

    async def ask_there() -> Answer:
        async with open_asker(settings, project) as asker:
            return await ask(asker)

    try:
        return anyio.run(ask_there)
    except AnswerError as error:
        if error.status == _UNAUTHORIZED and settings.api_key is not None:
            hint = "EVALHAVEN_API_KEY is set, so its key was sent; on the server's own machine, leave it out."
            error = AnswerError(f"{error} {hint}", error.code, error.status)
        fail_as_answered(error)


def fail_as_answered(error: AnswerError) -> NoReturn:
    """End the command because a server refused, or gave no answer: a wrong use where the refusal says so."""
    fail(make_printable(str(error)), EXIT_USAGE if error.code in _WRONG_USE else EXIT_TOOL)


@asynccontextmanager
async def open_asker(settings: Settings, project: str | None = None) -> AsyncGenerator[Asker]:
    """Open the way to the server that the settings name or that holds the data directory, else to this process.

    Raises:
        AnswerError: There is neither a server nor a usable data directory.
    """
    try:
        if settings.database_url is None and find_server(settings) is None:
            _tell_of_new_data(settings.data_dir)
        async with open_client(settings) as client:
            # Within this process, nothing prepares anything.
            is_in_process = str(client.base_url).rstrip("/") == IN_PROCESS_URL
            yield Asker(client, 0.0 if is_in_process else _PATIENCE_S, project)
    except StartError as error:
        raise AnswerError(str(error)) from error


def _tell_of_new_data(data_dir: Path) -> None:
    """Say that a command begins with nothing: whoever stands in the wrong directory would look for it elsewhere."""
    if not database_path(data_dir).exists():
        print_note(
            f"No server is named, and {str(data_dir)!r} has no database yet: a new one is made there. "
            "--data-dir names another directory, --url a server."
        )
