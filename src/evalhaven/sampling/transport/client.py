"""Requests to model endpoints: HTTP/1.1 over connections that are kept.

A reply is returned as it comes, whatever its status. Nothing is added to what the server says: redirects are not
followed, since they would carry a key to another host, there are no cookies, and no proxy is used unless told.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self, cast

from evalhaven.sampling.transport.http1 import Connection, HttpReply, TransportError, UnansweredError
from evalhaven.sampling.transport.routes import Origin, Route, proxy_at, route_to, tls_context
from evalhaven.sampling.transport.tunnel import open_tunnel

__all__ = ["HttpReply", "Transport", "TransportError", "TransportOptions", "open_transport"]

_MAX_IDLE_S = 50.0  # Load balancers commonly drop what is idle for a minute.
_CLOSING_S = 1.0
_MAX_ROUTES = 1000


@dataclass(frozen=True, slots=True)
class TransportOptions:
    """How endpoints are reached.

    Attributes:
        connect_timeout_s: How long a connection may take, with TLS and the proxy's part.
        proxy: URL of an HTTP proxy for every request, or None.
        ca_file: Certificates in PEM form to trust besides the system's, or None.
        max_connections: How many connections are open at most; more requests wait for one.
        max_reply_bytes: The largest body of a reply that is accepted.
        trust_env: Whether the environment's proxies count.
    """

    connect_timeout_s: float = 10.0
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    ca_file: Path | None = None
    max_connections: int = 1024
    max_reply_bytes: int = 64 * 1024 * 1024
    trust_env: bool = False


class Transport(Protocol):
    """Sends requests and returns replies."""

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        """Send a body and return the reply.

        A request that meets the end of a kept connection is sent a second time, on a new one.

        Args:
            url: An http or https URL.
            headers: Headers, authentication and content type included.
            body: The body.
            timeout_s: How long it may take from now until the reply is complete.

        Raises:
            TransportError: There is no reply.
            ValueError: URL or headers cannot be sent as they are.
        """
        ...

    async def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> HttpReply:
        """Ask for a URL and return the reply; arguments and errors are those of `post`."""
        ...


def open_transport(options: TransportOptions) -> AbstractAsyncContextManager[Transport]:
    """Return a transport that is open while the context is entered; leaving it ends what is under way.

    Raises:
        ValueError: The proxy or the file of certificates cannot be used. The message shows no password.
    """
    return _PooledTransport(options)


class _PooledTransport:
    """Connections by origin, the last one used first."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._proxy = proxy_at(options.proxy) if options.proxy else None
        # An authority that is not readable is found here, not by the first request.
        self._tls: ssl.SSLContext | None = tls_context(options.ca_file) if options.ca_file else None
        self._routes: dict[str, Route] = {}
        self._connections: set[Connection] = set()
        # Dictionaries serve as ordered sets: last in, first out, and any one removed at once.
        self._idle: dict[Origin, dict[Connection, None]] = {}
        self._slots = asyncio.Semaphore(options.max_connections)
        self._sweep: asyncio.TimerHandle | None = None
        self._is_open = False
        self._is_drained = asyncio.Event()
        self._is_drained.set()

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_open = False
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in tuple(self._connections):
            connection.close()
        # The loop tells each one of its end in one of its next rounds.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S):
                await self._is_drained.wait()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        route = self._route(url)
        return await self._send(route.origin, route.head(headers, body), body, timeout_s)

    async def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> HttpReply:
        route = self._route(url)
        return await self._send(route.origin, route.head(headers, None), b"", timeout_s)

    def _route(self, url: str) -> Route:
        route = self._routes.get(url)
        if route is None:
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            route = self._routes[url] = route_to(url, self._proxy, trust_env=self._options.trust_env)
        return route

    async def _send(self, origin: Origin, head: bytes, body: bytes, timeout_s: float) -> HttpReply:
        try:
            async with asyncio.timeout(timeout_s), self._slots:
                connection = self._take_idle(origin)
                if connection is not None:
                    try:
                        return await self._exchange(origin, connection, head, body)
                    except UnansweredError:
                        pass  # The server had no use for that connection; on a new one the request counts.
                connection = await self._connect(origin)
                return await self._exchange(origin, connection, head, body)
        except TimeoutError:
            raise TransportError("timeout", f"{origin.peer} did not reply within {timeout_s:g} seconds") from None
        except UnansweredError:
            raise TransportError("broken", f"{origin.peer} ended the connection before its reply") from None

    async def _exchange(self, origin: Origin, connection: Connection, head: bytes, body: bytes) -> HttpReply:
        reply = await connection.exchange(head, body)
        if connection.is_reusable:
            self._idle.setdefault(origin, {})[connection] = None
            if self._sweep is None:
                self._sweep = asyncio.get_running_loop().call_later(_MAX_IDLE_S, self._sweep_idle)
        return reply

    def _take_idle(self, origin: Origin) -> Connection | None:
        idle = self._idle.get(origin)
        if not idle:
            return None
        connection, _ = idle.popitem()
        if connection.idle_since < asyncio.get_running_loop().time() - _MAX_IDLE_S:
            connection.close()  # and the others, which are older, by the next sweep
            return None
        return connection

    def _sweep_idle(self) -> None:
        """Close what has been idle for too long, and look again while anything is idle."""
        loop = asyncio.get_running_loop()
        before = loop.time() - _MAX_IDLE_S
        for idle in self._idle.values():
            for connection in [each for each in idle if each.idle_since <= before]:
                del idle[connection]
                connection.close()
        self._idle = {origin: idle for origin, idle in self._idle.items() if idle}
        self._sweep = loop.call_later(_MAX_IDLE_S / 2, self._sweep_idle) if self._idle else None

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        for idle in self._idle.values():
            idle.pop(connection, None)
        if not self._connections:
            self._is_drained.set()

    async def _connect(self, origin: Origin) -> Connection:
        self._check_open()
        if len(self._connections) >= self._options.max_connections:
            self._close_oldest_idle()
        connection = Connection(origin.peer, self._options.max_reply_bytes, self._forget)
        self._connections.add(connection)
        self._is_drained.clear()
        try:
            await self._open(origin, connection)
            self._check_open()
        except BaseException:
            connection.close()
            self._forget(connection)
            raise
        return connection

    def _check_open(self) -> None:
        if not self._is_open:
            raise TransportError("connect", "the transport is closed")

    def _close_oldest_idle(self) -> None:
        first_idle = [next(iter(idle)) for idle in self._idle.values() if idle]
        if first_idle:
            oldest = min(first_idle, key=lambda each: each.idle_since)
            self._forget(oldest)
            oldest.close()

    async def _open(self, origin: Origin, connection: Connection) -> None:
        connect_timeout_s = self._options.connect_timeout_s
        timeout = asyncio.timeout(connect_timeout_s)
        try:
            async with timeout:
                await _open_connection(origin, connection, self._tls_to(origin))
        except ssl.SSLCertVerificationError as error:
            reason = f"the certificate of {origin.peer} is not trusted: {error.verify_message}"
            raise TransportError("connect", reason) from error
        except (OSError, UnicodeError) as error:
            if timeout.expired():
                reason = f"no connection to {origin.peer} within {connect_timeout_s:g} seconds"
            else:
                said = getattr(error, "strerror", None) or str(error) or type(error).__name__
                reason = f"no connection to {origin.peer}: {said}"
            raise TransportError("connect", reason) from error

    def _tls_to(self, origin: Origin) -> ssl.SSLContext | None:
        if not origin.is_tls:
            return None
        if self._tls is None:
            self._tls = tls_context(None)
        return self._tls


async def _open_connection(origin: Origin, connection: Connection, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    proxy = origin.proxy
    if proxy is not None and tls is not None:
        tunnel = await open_tunnel(proxy, origin.peer)
        transport = await loop.start_tls(tunnel, connection, tls, server_hostname=origin.host)
        connection.connection_made(cast("asyncio.Transport", transport))
    elif proxy is not None:
        await loop.create_connection(lambda: connection, proxy.host, proxy.port)
    else:
        name = origin.host if tls is not None else None
        await loop.create_connection(lambda: connection, origin.host, origin.port, ssl=tls, server_hostname=name)
