"""A real HTTP server on loopback that keeps what it is sent and answers what it was told.

with ListeningEndpoint() as endpoint:
    endpoint.answers["/v1/models"] = (200, {"data": []})
    ...
    assert endpoint.requests[0].headers["authorization"] == "Bearer sk-made-up"
"""

import contextlib
import json
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback_server import LoopbackServer

NOTHING_HERE: tuple[int, Any] = (404, {"error": {"message": "nothing here"}})


@dataclass(frozen=True)
class Arrived:
    """A request as it arrived; names of headers in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class ListeningEndpoint(LoopbackServer):
    """The server; it answers while the context lasts."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Arrived] = []
        self.answers: dict[str, tuple[int, Any]] = {}

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
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
