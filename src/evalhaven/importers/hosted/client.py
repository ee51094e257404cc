"""The polite client of the hosted API: reads only, few at once, and the one place that tries again.

It tries again after 408, 409, 429 and 5xx, timeouts, broken connections and truncated bodies. After a 429, all requests
wait. If a page takes too long or is too large, it asks for half the size; if a size is refused, for a small one.
"""

import math
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlsplit

import anyio
import anyio.to_thread
import httpx2

from evalhaven import __version__
from evalhaven.domain.jsontext import InvalidJsonError, parse
from evalhaven.importers.hosted.account import Account, Query
from evalhaven.importers.hosted.answers import (
    OK,
    TOO_MANY,
    HostedError,
    TransientError,
    asked_delay,
    body_fault,
    error_message,
    is_transient,
    transient_failures,
)
from evalhaven.importers.pages import NotAListError, Page, object_id, split_list
from evalhaven.sampling.transport.routes import tls_context

T = TypeVar("T")

MAX_PAGE_SIZE = 100  # the largest that the hosted API documents; some servers refuse more
_SAFE_PAGE_SIZE = 20  # the default of every list
_SIZE_REFUSED = (400, 422)
_GOOD_PAGES_BEFORE_GROWTH = 5
_LARGE_PAGE_BYTES = 4_000_000
_LONGEST_MESSAGE = 500
_MOST_REDIRECTS = 5
_LONGEST_DELAY_S = 60.0
_LONGEST_HEEDED_DELAY_S = 900.0
_LAST_DELAYS_S = (0.0, 1.0, 2.0)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class PageSize:
    """How many objects to ask for: halved when a page takes too long, doubled again after good pages."""

    def __init__(self, ceiling: int = MAX_PAGE_SIZE) -> None:
        self.value = self.ceiling = ceiling
        self._good = 0

    def shrink(self) -> bool:
        """Halve the size; return False if it is 1."""
        if self.value == 1:
            return False
        self.value, self._good = self.value // 2, 0
        return True

    def lower_ceiling(self) -> bool:
        """Fall back permanently to the size that every server accepts; return False if the size is not above that."""
        if self.value <= _SAFE_PAGE_SIZE:
            return False
        self.value, self.ceiling, self._good = _SAFE_PAGE_SIZE, _SAFE_PAGE_SIZE, 0
        return True

    def count_good_page(self) -> None:
        """Count a good page; some of them in a row let the size grow."""
        self._good += 1
        if self._good >= _GOOD_PAGES_BEFORE_GROWTH:
            self.value, self._good = min(self.ceiling, 2 * self.value), 0


@dataclass(frozen=True, slots=True)
class Retry:
    """A request that failed and will be repeated.

    Attributes:
        reason: What went wrong.
        tries: How many times it was made.
        most_tries: How many times it is made at most.
        delay_s: Seconds until the next time.
        is_smaller: Whether it is repeated for a smaller page, which does not use up a try.
    """

    reason: str
    tries: int
    most_tries: int
    delay_s: float
    is_smaller: bool = False


class HostedClient:
    """Reads from one account."""

    def __init__(
        self,
        account: Account,
        http: httpx2.AsyncClient,
        on_retry: Callable[[Retry], None] | None = None,
        *,
        first_delay_s: float = 0.5,
        largest_page_bytes: int = 32_000_000,
    ) -> None:
        """Ask nothing yet.

        Args:
            account: Where to read, and how patiently.
            http: What requests are sent with.
            on_retry: Is told of each request that will be repeated.
            first_delay_s: How long to wait before the first repetition; each further wait is twice as long.
            largest_page_bytes: A page with more is asked for in half the size.
        """
        self.account = account
        self._first_delay_s = first_delay_s
        self._largest_page_bytes = largest_page_bytes
        self._http = http
        self._on_retry = on_retry
        self._has_answered = False
        self._slots = anyio.CapacityLimiter(account.concurrency)
        self._quiet_until = -math.inf
        self._chance = random.SystemRandom()
        self._page_ceiling = MAX_PAGE_SIZE

    async def get_page(self, path: str, query: Query, size: PageSize) -> tuple[bytes, Page]:
        """Return the raw body of a page of a list, and its objects.

        Raises:
            HostedError: All tries failed.
        """

        async def attempt() -> tuple[bytes, Page]:
            try:
                return await self._read_page(path, query, size)
            except HostedError as error:
                if error.status not in _SIZE_REFUSED or not size.lower_ceiling():
                    raise
            return await self._read_page(path, query, size)

        body, page = await self._persist(attempt, size.shrink)
        # This size was accepted, so other lists need not try a larger one.
        self._page_ceiling = min(self._page_ceiling, size.ceiling)
        if len(body) > _LARGE_PAGE_BYTES:
            # Runs echo their inline rows: a few of them can fill the memory.
            size.shrink()
        else:
            size.count_good_page()
        return body, page

    async def list_pages(self, path: str, query: Query, after: str | None = None) -> AsyncGenerator[tuple[bytes, Page]]:
        """Yield the raw body and the objects of each page of a list, starting after a cursor.

        Raises:
            HostedError: All tries for a page failed.
        """
        size, seen = PageSize(self._page_ceiling), {hash(after)}
        while True:
            body, page = await self.get_page(path, query if after is None else {**query, "after": after}, size)
            last_id = object_id(page.objects[-1]) if page.objects else None
            if last_id is not None and hash(last_id) in seen and page.has_more is not False:
                if page.has_more is None and last_id == after:
                    # A server without cursors sends the same page again.
                    return
                raise HostedError("the list repeats its last page though it says there is more")
            yield body, page
            if page.has_more is False or last_id is None:
                return
            after = last_id
            seen.add(hash(after))

    async def get_object(self, path: str) -> bytes:
        """Return the raw body of one object.

        Raises:
            HostedError: All tries failed.
        """

        async def attempt() -> bytes:
            response = await self._get(path, {})
            try:
                parse(response.content)
            except InvalidJsonError as error:
                raise self._broken(response, response.content, error) from error
            try:
                object_id(response.content)
            except InvalidJsonError as error:
                raise HostedError("the answer is not an object with an id", OK) from error
            return response.content

        return await self._persist(attempt)

    async def download(
        self, path: str, restart: Callable[[], None], write: Callable[[bytes], object], size_bytes: int | None
    ) -> None:
        """Pass on the bytes of a file as they arrive.

        Args:
            path: Of the content.
            restart: Called before the first byte of each try.
            write: Called with each block, in a thread.
            size_bytes: Length of the file by its record; it counts if the answer does not state its own.

        Raises:
            HostedError: No try returned the whole file.
        """

        async def attempt() -> None:
            await anyio.to_thread.run_sync(restart)
            request = self._request(path, {}, {"accept-encoding": "identity"})
            received_bytes = 0
            with transient_failures():
                response = await self._send(request, stream=True)
                try:
                    await self._check_stream(response)
                    async for block in response.aiter_bytes():
                        received_bytes += len(block)
                        await anyio.to_thread.run_sync(write, block)
                finally:
                    await response.aclose()
            says_length = "content-length" in response.headers or "transfer-encoding" in response.headers
            if not says_length and size_bytes not in (None, received_bytes):
                raise TransientError(HostedError(f"{received_bytes} of {size_bytes} bytes arrived"))

        await self._persist(attempt)

    async def observe(self, path: str, query: Query) -> httpx2.Response:
        """Return any answer unchanged; overload and broken connections are waited out, as for every request.

        Raises:
            HostedError: There was no answer.
        """

        async def attempt() -> httpx2.Response:
            request = self._request(path, query)
            with transient_failures():
                response = await self._send(request)
            if is_transient(response.status_code):
                self._check(response)
            return response

        try:
            return await self._persist(attempt)
        except HostedError as error:
            failure = error.__cause__
            if isinstance(failure, TransientError) and failure.response is not None and not error.is_gone:
                return failure.response
            raise

    async def _get(self, path: str, query: Query) -> httpx2.Response:
        request = self._request(path, query)
        with transient_failures():
            response = await self._send(request)
        self._check(response)
        return response

    async def _read_page(self, path: str, query: Query, size: PageSize) -> tuple[bytes, Page]:
        """Return the raw body of a page and its objects, in one try; stop reading a body that would fill the memory."""
        body = bytearray()
        with transient_failures():
            response = await self._send(self._request(path, {**query, "limit": size.value}), stream=True)
            try:
                await self._check_stream(response)
                async for block in response.aiter_bytes():
                    body += block
                    if len(body) > self._largest_page_bytes and size.value > 1:
                        raise TransientError(
                            HostedError(f"the page has more than {len(body)} bytes"), is_too_large=True
                        )
            finally:
                await response.aclose()
        try:
            # A body may be large, and splitting it must not hold up other requests.
            return bytes(body), await anyio.to_thread.run_sync(_split_named, bytes(body))
        except InvalidJsonError as error:
            raise self._broken(response, bytes(body), error) from error
        except NotAListError as error:
            raise HostedError(str(error), OK) from error

    async def _send(self, request: httpx2.Request, *, stream: bool = False) -> httpx2.Response:
        """Return the answer, following redirects within the same server."""
        response = await self._http.send(request, stream=stream)
        for _ in range(_MOST_REDIRECTS):
            onward = response.next_request
            if onward is None or _origin(onward.url) != _origin(request.url):
                break
            await response.aclose()
            response = await self._http.send(onward, stream=stream)
        return response

    async def _check_stream(self, response: httpx2.Response) -> None:
        if response.status_code != OK:
            await response.aread()
            self._check(response)

    def _request(self, path: str, query: Query, headers: dict[str, str] | None = None) -> httpx2.Request:
        url = self.account.base_url + path
        return self._http.build_request("GET", url, params={**self.account.query, **query}, headers=headers)

    def _check(self, response: httpx2.Response) -> None:
        if response.status_code == OK:
            return
        message = self.account.hide_secrets(error_message(response))[:_LONGEST_MESSAGE]
        error = HostedError(f"{response.status_code}: {message}", response.status_code)
        if is_transient(response.status_code):
            raise TransientError(error, asked_delay(response.headers), response)
        raise error

    def _broken(self, response: httpx2.Response, body: bytes, error: InvalidJsonError) -> TransientError:
        fault = body_fault(response.headers.get("content-type", ""), body, str(error))
        return TransientError(HostedError(self.account.hide_secrets(fault)[:_LONGEST_MESSAGE], OK))

    async def _persist(self, attempt: Callable[[], Awaitable[T]], shrink: Callable[[], bool] | None = None) -> T:
        """Try until it works, cannot work, or the tries are used up; a smaller page does not use up a try."""
        tries = 0
        while True:
            await self._wait_while_quiet()
            try:
                async with self._slots:
                    result = await attempt()
            except HostedError:
                self._has_answered = True
                raise
            except TransientError as failure:
                is_smaller = failure.is_slow and shrink is not None and shrink()
                tries += not is_smaller
                if tries >= self.account.tries:
                    failure.error.is_gone = await self._is_gone()
                    raise failure.error from failure
                await self._back_off(tries, failure, is_smaller=is_smaller)
            else:
                self._has_answered = True
                return result

    async def _is_gone(self) -> bool:
        """Tell whether the server is gone altogether, after a request has used up its tries.

        One object that cannot be fetched must not end an export, but a server that is gone must not be asked for
        thousands of them.
        """
        if not self._has_answered:
            return True
        for delay_s in _LAST_DELAYS_S:
            await anyio.sleep(delay_s)
            try:
                await self._get(path_of("evals"), {"limit": 1})
            except TransientError:
                continue
            except HostedError:
                pass
            return False
        return True

    async def _back_off(self, tries: int, failure: TransientError, *, is_smaller: bool) -> None:
        delay_s = min(_LONGEST_DELAY_S, self._first_delay_s * 2 ** max(tries - 1, 0))
        # Jitter, so that clients which failed together do not come back together.
        delay_s *= self._chance.uniform(0.5, 1.0)
        if failure.delay_s is not None:
            delay_s = min(failure.delay_s, _LONGEST_HEEDED_DELAY_S) + self._chance.uniform(0.0, 0.1)
        if self._on_retry is not None:
            self._on_retry(Retry(failure.error.message, tries, self.account.tries, delay_s, is_smaller))
        if failure.error.status == TOO_MANY:
            self._quiet_until = max(self._quiet_until, anyio.current_time() + delay_s)
        else:
            await anyio.sleep(delay_s)

    async def _wait_while_quiet(self) -> None:
        if self._quiet_until > anyio.current_time():
            await anyio.sleep_until(self._quiet_until)
            # The wait may have been extended meanwhile.
            await self._wait_while_quiet()


@asynccontextmanager
async def open_client(
    account: Account, on_retry: Callable[[Retry], None] | None = None
) -> AsyncGenerator[HostedClient]:
    """Open a client of an account; `on_retry` hears of each request that is made again."""
    limits = httpx2.Limits(max_connections=account.concurrency, max_keepalive_connections=account.concurrency)
    # The environment's proxies cannot reach this machine's loopback address.
    is_local = urlsplit(account.base_url).hostname in _LOOPBACK
    headers = {"user-agent": f"evalhaven/{__version__}", "accept": "application/json, */*", **account.headers}
    async with httpx2.AsyncClient(
        headers=headers, timeout=account.timeout_s, limits=limits, verify=tls_context(None), trust_env=not is_local
    ) as http:
        yield HostedClient(account, http, on_retry)


def _split_named(body: bytes) -> Page:
    """Return the objects of a page, all of which must have ids."""
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


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port
