"""The polite client of the hosted API: reads only, few at once, and the one place that tries again.

What is tried again: 408, 429 and 5xx, timeouts, cut connections, bodies that are not whole. A 429 makes everybody
wait. A page that takes too long is asked for in half the size.
"""

import email.utils
import math
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread
import httpx

from evalhaven import __version__
from evalhaven.domain.jsontext import InvalidJsonError, parse
from evalhaven.importers.hosted.account import Account, Query
from evalhaven.importers.pages import NotAListError, Page, object_id, split_list

T = TypeVar("T")

MAX_PAGE_SIZE = 100  # The hosted API documents no more, and some servers refuse more.
_GOOD_PAGES_BEFORE_GROWTH = 5
_LARGE_PAGE_BYTES = 4_000_000
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
_SLOW = frozenset({408, 504})
_OK = 200
_TOO_MANY = 429
_UNAUTHORIZED = (401, 403)
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 60.0
_LONGEST_HEEDED_DELAY_S = 900.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class HostedError(Exception):
    """A request that had no useful answer, all tries included; `status` is None where there was no answer at all."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status

    @property
    def is_refused_key(self) -> bool:
        """Tell whether the key is not accepted."""
        return self.status in _UNAUTHORIZED


class PageSize:
    """How many objects to ask for: halved when a page takes too long, doubled again after good pages."""

    def __init__(self) -> None:
        self.value = MAX_PAGE_SIZE
        self._good = 0

    def shrink(self) -> bool:
        """Halve it; return False at 1."""
        if self.value == 1:
            return False
        self.value, self._good = self.value // 2, 0
        return True

    def count_good_page(self) -> None:
        """Grow after some good pages."""
        self._good += 1
        if self._good >= _GOOD_PAGES_BEFORE_GROWTH:
            self.value, self._good = min(MAX_PAGE_SIZE, 2 * self.value), 0


class _TransientError(Exception):
    """One try that failed and is worth another."""

    def __init__(
        self, error: HostedError, delay_s: float | None = None, response: httpx.Response | None = None
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.delay_s = delay_s
        self.response = response

    @property
    def is_slow(self) -> bool:
        return self.error.status in _SLOW or isinstance(self.__cause__, httpx.TimeoutException)


class HostedClient:
    """Reads from one account."""

    def __init__(self, account: Account, http: httpx.AsyncClient) -> None:
        self.account = account
        self.retries = 0
        self._http = http
        self._slots = anyio.CapacityLimiter(account.concurrency)
        self._quiet_until = -math.inf
        self._chance = random.SystemRandom()

    async def get_page(self, path: str, query: Query, size: PageSize) -> tuple[bytes, Page]:
        """Return the raw body of a page of a list, and its objects.

        Raises:
            HostedError: It could not be had.
        """

        async def attempt() -> tuple[bytes, Page]:
            response = await self._get(path, {**query, "limit": size.value})
            try:
                # A body may be large, and splitting it must not hold up the others.
                return response.content, await anyio.to_thread.run_sync(_split_named, response.content)
            except InvalidJsonError as error:
                raise _TransientError(HostedError(f"the body is not whole: {error}", response.status_code)) from error
            except NotAListError as error:
                raise HostedError(str(error), response.status_code) from error

        body, page = await self._persist(attempt, size.shrink)
        if len(body) > _LARGE_PAGE_BYTES:
            # Runs echo their inline rows: few of them fill the memory.
            size.shrink()
        else:
            size.count_good_page()
        return body, page

    async def list_pages(self, path: str, query: Query, after: str | None = None) -> AsyncGenerator[tuple[bytes, Page]]:
        """Yield the raw body and the objects of each page of a list, from the one after a cursor on.

        Raises:
            HostedError: A page could not be had.
        """
        size = PageSize()
        while True:
            body, page = await self.get_page(path, query if after is None else {**query, "after": after}, size)
            last_id = object_id(page.objects[-1]) if page.objects else None
            if last_id is not None and last_id == after:
                # A server that knows no cursor sends the same page again.
                return
            yield body, page
            if page.has_more is False or last_id is None:
                return
            after = last_id

    async def get_object(self, path: str) -> bytes:
        """Return the raw body of one object.

        Raises:
            HostedError: It could not be had.
        """

        async def attempt() -> bytes:
            response = await self._get(path, {})
            try:
                parse(response.content)
            except InvalidJsonError as error:
                raise _TransientError(HostedError(f"the body is not whole: {error}", response.status_code)) from error
            return response.content

        return await self._persist(attempt)

    async def download(
        self, path: str, restart: Callable[[], None], write: Callable[[bytes], object], size_bytes: int | None
    ) -> None:
        """Hand on the bytes of a file as they arrive.

        Args:
            path: Of the content.
            restart: Called before the first byte of each try.
            write: Called with each block, in a thread.
            size_bytes: How long the file is by its record; it counts where the answer does not say its own length.

        Raises:
            HostedError: The whole of it could not be had.
        """

        async def attempt() -> None:
            await anyio.to_thread.run_sync(restart)
            request = self._request(path, {}, {"accept-encoding": "identity"})
            received_bytes = 0
            with _transient_failures():
                response = await self._http.send(request, stream=True)
                try:
                    if response.status_code != _OK:
                        await response.aread()
                        self._check(response)
                    async for block in response.aiter_bytes():
                        received_bytes += len(block)
                        await anyio.to_thread.run_sync(write, block)
                finally:
                    await response.aclose()
            says_length = "content-length" in response.headers or "transfer-encoding" in response.headers
            if not says_length and size_bytes not in (None, received_bytes):
                raise _TransientError(HostedError(f"{received_bytes} of {size_bytes} bytes came"))

        await self._persist(attempt)

    async def observe(self, path: str, query: Query) -> httpx.Response:
        """Return any answer as it is; overload and cut connections are waited out, as for every other request.

        Raises:
            HostedError: There was no answer.
        """

        async def attempt() -> httpx.Response:
            request = self._request(path, query)
            with _transient_failures():
                response = await self._http.send(request)
            if response.status_code in _TRANSIENT:
                self._check(response)
            return response

        try:
            return await self._persist(attempt)
        except HostedError as error:
            if isinstance(error.__cause__, _TransientError) and error.__cause__.response is not None:
                return error.__cause__.response
            raise

    async def _get(self, path: str, query: Query) -> httpx.Response:
        request = self._request(path, query)
        with _transient_failures():
            response = await self._http.send(request)
        self._check(response)
        return response

    def _request(self, path: str, query: Query, headers: dict[str, str] | None = None) -> httpx.Request:
        url = self.account.base_url + path
        return self._http.build_request("GET", url, params={**self.account.query, **query}, headers=headers)

    def _check(self, response: httpx.Response) -> None:
        if response.status_code == _OK:
            return
        message = self.account.hide_secrets(_error_message(response))
        error = HostedError(f"{response.status_code}: {message}", response.status_code)
        if response.status_code in _TRANSIENT:
            raise _TransientError(error, _asked_delay(response.headers), response)
        raise error

    async def _persist(self, attempt: Callable[[], Awaitable[T]], shrink: Callable[[], bool] | None = None) -> T:
        """Try until it works, it cannot work, or the tries are used up; a smaller page does not use up a try."""
        tries = 0
        while True:
            await self._wait_while_quiet()
            try:
                async with self._slots:
                    return await attempt()
            except _TransientError as failure:
                if not (failure.is_slow and shrink is not None and shrink()):
                    tries += 1
                if tries >= self.account.tries:
                    raise failure.error from failure
                self.retries += 1
                await self._back_off(tries, failure)

    async def _back_off(self, tries: int, failure: _TransientError) -> None:
        delay_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** max(tries - 1, 0))
        # Jitter, so that clients which failed together do not come back together.
        delay_s *= self._chance.uniform(0.5, 1.0)
        if failure.delay_s is not None:
            delay_s = min(failure.delay_s, _LONGEST_HEEDED_DELAY_S) + self._chance.uniform(0.0, 0.1)
        if failure.error.status == _TOO_MANY:
            self._quiet_until = max(self._quiet_until, anyio.current_time() + delay_s)
        else:
            await anyio.sleep(delay_s)

    async def _wait_while_quiet(self) -> None:
        if self._quiet_until > anyio.current_time():
            await anyio.sleep_until(self._quiet_until)
            # The end may have been put off meanwhile.
            await self._wait_while_quiet()


@asynccontextmanager
async def open_client(account: Account) -> AsyncGenerator[HostedClient]:
    """Open a client of an account."""
    limits = httpx.Limits(max_connections=account.concurrency, max_keepalive_connections=account.concurrency)
    # The environment's proxies cannot reach this machine's loopback address.
    is_local = urlsplit(account.base_url).hostname in _LOOPBACK
    headers = {"user-agent": f"evalhaven/{__version__}", "accept": "application/json, */*", **account.headers}
    async with httpx.AsyncClient(
        headers=headers, timeout=account.timeout_s, limits=limits, trust_env=not is_local
    ) as http:
        yield HostedClient(account, http)


def _split_named(body: bytes) -> Page:
    """Return the objects of a page, all of which have ids."""
    page = split_list(body)
    for raw in page.objects:
        try:
            object_id(raw)
        except InvalidJsonError as error:
            raise NotAListError(str(error)) from error
    return page


def path_of(*parts: str) -> str:
    """Return a path below the base URL; ids are escaped."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


@contextmanager
def _transient_failures() -> Generator[None]:
    """Turn timeouts, cut connections and bodies cut short into errors that are tried again."""
    try:
        yield
    except (httpx.TransportError, httpx.DecodingError) as error:
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise _TransientError(HostedError(what)) from error


def _error_message(response: httpx.Response) -> str:
    """Return OpenAI's error message, else the start of the body."""
    try:
        document = response.json()
        message = document["error"]["message"] if "error" in document else document["message"]
    except (ValueError, KeyError, TypeError):
        message = response.text.strip()
    return str(message)[:500] or response.reason_phrase


def _asked_delay(headers: httpx.Headers) -> float | None:
    """Return the seconds that a server asks to wait, None where it does not."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            delay_s = float(headers[name]) * unit_s
        except (KeyError, ValueError):
            continue
        if math.isfinite(delay_s) and delay_s >= 0:
            return delay_s
    try:
        moment = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(0.0, moment.timestamp() - time.time())
