"""Tunnels through HTTP proxies: what is sent through one is read by its far end only."""

import asyncio

from evalhaven.sampling.transport.http1 import TransportError
from evalhaven.sampling.transport.routes import Proxy

_MAX_HEAD_BYTES = 64 * 1024
_END = b"\r\n\r\n"


class _HeadReader(asyncio.Protocol):
    """Waits for the head of the proxy's reply; nothing comes after it before we have spoken."""

    def __init__(self) -> None:
        self.head: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._received = bytearray()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.head.done() and (_END in self._received or len(self._received) > _MAX_HEAD_BYTES):
            self.head.set_result(bytes(self._received))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.head.done():
            self.head.set_result(b"")


async def open_tunnel(proxy: Proxy, authority: str) -> asyncio.Transport:
    """Connect to a proxy and let it connect to a host and port.

    Raises:
        TransportError: The proxy refuses.
        OSError: The proxy cannot be reached.
    """
    loop = asyncio.get_running_loop()
    transport, reader = await loop.create_connection(_HeadReader, proxy.host, proxy.port)
    try:
        transport.write(proxy.tunnel_request(authority))
        _check(await reader.head, authority)
    except BaseException:
        transport.abort()
        raise
    return transport


def _check(head: bytes, authority: str) -> None:
    version, _, rest = head.partition(b" ")
    status = rest[:3].decode("ascii", "replace")
    if not version.startswith(b"HTTP/1.") or not status.isdigit():
        raise TransportError("connect", f"the proxy sent no HTTP to the request for {authority}")
    if status != "200" or not head.endswith(_END):
        raise TransportError("connect", f"the proxy answered {status} to the request for {authority}")
