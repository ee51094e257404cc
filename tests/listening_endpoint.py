"""A real HTTP server on loopback that keeps what it is sent and answers what it was told.

with ListeningEndpoint() as endpoint:
    endpoint.answers["/v1/models"] = (200, {"data": []})
    ...
    assert endpoint.requests[0].headers["authorization"] == "Bearer sk-made-up"
"""

import contextlib
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

NOTHING_HERE: tuple[int, Any] = (404, {"error": {"message": "nothing here"}})


@dataclass(frozen=True)
class Arrived:
    """A request as it arrived; names of headers in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class ListeningEndpoint:
    """The server; it answers while the context lasts."""

    def __init__(self) -> None:
        self.requests: list[Arrived] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        self.gate = threading.Event()
        self.gate.set()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                endpoint._answer(self)

            def do_POST(self) -> None:
                endpoint._answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the base class
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path, _, query = handler.path.partition("?")
        body = handler.rfile.read(int(handler.headers.get("content-length", "0")))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.requests.append(Arrived(handler.command, path, query, headers, body))
        self.gate.wait(30)
        status, document = self.answers.get(path, NOTHING_HERE)
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(content)))
        with contextlib.suppress(OSError):  # whoever asked may be gone
            handler.end_headers()
            handler.wfile.write(content)
