"""A proxy that shows a server below a prefix and strips it, as nginx does with `proxy_pass http://server/;`."""

import contextlib
import http.client
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.loopback_server import LoopbackServer

PREFIX = "/evals-app"
_CHUNK_BYTES = 65_536
_OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding"}


class StrippingProxy(LoopbackServer):
    """The proxy; `server_url` may be set after its start.

    Attributes:
        server_url: Where requests go.
        outside: The paths it was asked for that are not below the prefix; they are answered with 404.
    """

    def __init__(self) -> None:
        super().__init__()
        self.server_url = ""
        self.outside: list[str] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        # The answer ends with the connection: that of an event stream has no length.
        handler.close_connection = True
        body = handler.rfile.read(int(handler.headers.get("content-length", "0")))
        if not handler.path.startswith(f"{PREFIX}/"):
            self.outside.append(handler.path)
            handler.send_response(404)
            handler.send_header("connection", "close")
            handler.end_headers()
            return
        connection = http.client.HTTPConnection(urlsplit(self.server_url).netloc, timeout=60)
        with contextlib.closing(connection), contextlib.suppress(OSError):  # whoever asked may be gone
            headers = {name: value for name, value in handler.headers.items() if name.lower() != "connection"}
            connection.request(handler.command, handler.path.removeprefix(PREFIX), body or None, headers)
            answer = connection.getresponse()
            handler.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _OF_THE_CONNECTION:
                    handler.send_header(name, value)
            handler.send_header("connection", "close")
            handler.end_headers()
            while piece := answer.read1(_CHUNK_BYTES):
                handler.wfile.write(piece)
                handler.wfile.flush()
