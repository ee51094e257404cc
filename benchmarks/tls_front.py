"""A front that terminates TLS for a server without it; `python -m benchmarks.tls_front PORT TARGET CERTIFICATE`."""

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any

import uvloop


async def _take_tls_off(port: int, target: int, certificate: Path) -> None:
    """Serve as the front: TLS towards clients, plain bytes towards the endpoint."""
    loop = asyncio.get_running_loop()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Back(asyncio.Protocol):
        def __init__(self, to_client: Any) -> None:
            self.data_received = to_client.write
            self._to_client = to_client

        def connection_lost(self, exc: Exception | None) -> None:
            self._to_client.close()

    class Front(asyncio.Protocol):
        def __init__(self) -> None:
            self._back: Any = None
            self._waiting = b""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self._task = loop.create_task(self._open(transport))

        async def _open(self, transport: asyncio.BaseTransport) -> None:
            self._back, _ = await loop.create_connection(lambda: Back(transport), "127.0.0.1", target)
            self._back.write(self._waiting)

        def data_received(self, data: bytes) -> None:
            if self._back is None:
                self._waiting += data
            else:
                self._back.write(data)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._back is not None:
                self._back.close()

    server = await loop.create_server(Front, "127.0.0.1", port, ssl=context, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_take_tls_off(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
