"""Requests to model endpoints: HTTP/1.1 by aiohttp's connector and parser, over kept connections.

A reply is returned as it is, whatever its status. Nothing is added to what the server says: redirects are not
followed, since they would carry a key to another host, there are no cookies, and no proxy is used unless configured.
aiohttp's session is left out: it costs twice what the rest does, and knows redirects, cookies and netrc.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Self

from aiohttp import ClientError
from yarl import URL

from evalhaven.sampling.transport.connect_errors import connect_error
from evalhaven.sampling.transport.connections import Connector, Way
from evalhaven.sampling.transport.exchange import Exchange, UnansweredError
from evalhaven.sampling.transport.interface import Transport, TransportOptions
from evalhaven.sampling.transport.proxies import proxy_at
from evalhaven.sampling.transport.replies import HttpReply, StreamedReply, TransportError, in_utf8
from evalhaven.sampling.transport.routes import USER_AGENT, Origin, Route, route_to, tls_context

__all__ = [
    "HttpReply", "HttpTransport", "StreamedReply", "Transport", "TransportError", "TransportOptions", "open_transport",
]  # fmt: skip

_CLOSING_S = 1.0
_MAX_ROUTES = 1000


def open_transport(
    options: TransportOptions, may_send: Callable[[], bool] | None = None
) -> AbstractAsyncContextManager["HttpTransport"]:
    """Return a transport that is open while the context is entered; leaving it ends what is under way.

    Args:
        options: How servers are reached.
        may_send: Tells whether a request may be sent still, once there is a connection for it; one that may not waits
            to be canceled. None: always.

    Raises:
        ValueError: The proxy or the file of certificates cannot be used. The message shows no password.
    """
    return HttpTransport(options, may_send)


class HttpTransport:
    """A transport that streams as well."""

    def __init__(self, options: TransportOptions, may_send: Callable[[], bool] | None = None) -> None:
        """Open nothing yet; see `open_transport`."""
        self._options = options
        self._may_send = may_send
        self._proxy = proxy_at(options.proxy) if options.proxy else None
        # An unreadable certificate file is noticed here, not by the first request.
        self._tls: ssl.SSLContext | None = tls_context(options.ca_file) if options.ca_file else None
        self._routes: dict[str, tuple[Route, Way]] = {}
        self._connector: Connector | None = None

    async def __aenter__(self) -> Self:
        options = self._options
        self._connector = Connector(options.connect_timeout_s, options.max_idle_s, options.may_connect)
        return self

    async def __aexit__(self, *_: object) -> None:
        connector, self._connector = self._connector, None
        if connector is not None:
            # The loop tells each connection that it has ended in one of its next rounds.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_S):
                    await connector.close(abort_ssl=True)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        """Send a body and return the reply; see `Transport`."""
        route, way = self._route(url)
        return await self._ask(route.origin, way, route.head(headers, body), body, timeout_s)

    async def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> HttpReply:
        """Ask for a URL and return the reply; see `Transport`."""
        route, way = self._route(url)
        return await self._ask(route.origin, way, route.head(headers, None), b"", timeout_s)

    @asynccontextmanager
    async def stream(
        self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float, silence_s: float
    ) -> AsyncGenerator[StreamedReply]:
        """Send a body and yield the reply as soon as its head is there.

        Its total time and size are not bounded. It ends as soon as the context does.

        Args:
            url: An http or https URL.
            headers: Headers, authentication and content type included.
            body: The body.
            timeout_s: How long it may take from now until the head of the reply is there.
            silence_s: How long it may take from one part of the body to the next.

        Raises:
            TransportError: The request got no reply.
            ValueError: The URL or the headers cannot be sent unchanged.
        """
        route, way = self._route(url)
        head = route.head(headers, body)
        timeout = asyncio.timeout(timeout_s)
        exchange: Exchange | None = None
        try:
            async with timeout:
                exchange = await self._begin(route.origin, way, head, body, float("inf"))
        except TimeoutError:
            pass
        if exchange is None:
            raise _late(route.origin, timeout_s)
        try:
            yield StreamedReply(exchange.status, exchange.headers, exchange.parts(silence_s))
        finally:
            exchange.end()

    def _route(self, url: str) -> tuple[Route, Way]:
        found = self._routes.get(url)
        if found is None:
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            agent = self._options.user_agent or USER_AGENT
            route = route_to(url, self._proxy, trust_env=self._options.trust_env, user_agent=agent)
            found = self._routes[url] = (route, self._way_to(route.origin))
        return found

    def _way_to(self, origin: Origin) -> Way:
        """Return what aiohttp's connector needs: where to connect, how, and through which proxy."""
        scheme = "https" if origin.is_tls else "http"
        url = URL.build(scheme=scheme, host=origin.host, port=origin.port)
        proxy = origin.proxy
        if proxy is None:
            return Way("GET", url, loop=asyncio.get_running_loop(), ssl=self._tls_to(origin))
        headers = {"Host": origin.peer, "User-Agent": USER_AGENT}
        if proxy.authorization is not None:
            headers["Proxy-Authorization"] = proxy.authorization
        return Way(
            "GET",
            url,
            headers={"Host": origin.peer},
            loop=asyncio.get_running_loop(),
            ssl=self._tls_to(origin),
            proxy=URL.build(scheme="http", host=proxy.host, port=proxy.port),
            proxy_headers=headers,
        )

    def _tls_to(self, origin: Origin) -> ssl.SSLContext | bool:
        if not origin.is_tls:
            return True
        if self._tls is None:
            self._tls = tls_context(None)
        return self._tls

    async def _ask(self, origin: Origin, way: Way, head: bytes, body: bytes, timeout_s: float) -> HttpReply:
        try:
            async with asyncio.timeout(timeout_s):
                exchange = await self._begin(origin, way, head, body, self._options.max_reply_bytes)
                try:
                    received = await exchange.read()
                finally:
                    exchange.end()
        except TimeoutError:
            pass
        else:
            headers = exchange.headers
            return HttpReply(exchange.status, headers, in_utf8(received, headers.get("content-type", "")))
        raise _late(origin, timeout_s)

    async def _begin(self, origin: Origin, way: Way, head: bytes, body: bytes, most_bytes: float) -> Exchange:
        """Send a request and return it once the head of its reply is there."""
        is_new_wanted = False
        while True:
            exchange = await self._connect(origin, way, most_bytes)
            is_kept = exchange.is_kept
            if is_kept and is_new_wanted:
                exchange.abort()  # The server has closed an old connection.
                continue
            try:
                if self._may_send is not None and not self._may_send():
                    await asyncio.get_running_loop().create_future()
                await exchange.send(head, body)
            except UnansweredError:
                exchange.abort()
            except BaseException:
                exchange.abort()
                raise
            else:
                return exchange
            if not is_kept:
                raise TransportError("broken", f"{origin.peer} ended the connection before its reply")
            is_new_wanted = True  # The server no longer wanted that connection; a failure on a new one counts.

    async def _connect(self, origin: Origin, way: Way, most_bytes: float) -> Exchange:
        connector = self._connector
        if connector is None:
            raise TransportError("connect", "the transport is closed")
        failure: TransportError
        try:
            return Exchange(await connector.open(way), origin.peer, most_bytes)
        except (ClientError, OSError, UnicodeError, RuntimeError) as error:
            # Raised below: the messages of aiohttp may show a proxy's password, and stay out of the chain.
            failure = connect_error(error, origin, self._options.connect_timeout_s)
        raise failure from failure.__cause__


def _late(origin: Origin, timeout_s: float) -> TransportError:
    return TransportError("timeout", f"{origin.peer} did not reply within {timeout_s:g} seconds")
