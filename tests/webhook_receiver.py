"""A real HTTP server on loopback that receives webhooks, and answers what a test says."""

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback_server import LoopbackServer


@dataclass(frozen=True)
class Told:
    """A request as it arrived; names of headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def document(self) -> dict[str, Any]:
        return json.loads(self.body)


class WebhookReceiver(LoopbackServer):
    """The server; it answers while the context lasts.

    Attributes:
        told: What arrived.
        status: What is answered, or what says so.
        headers: Headers of the answer.
    """

    def __init__(self, status: int | Callable[[], int] = 200) -> None:
        super().__init__()
        self.told: list[Told] = []
        self.status = status
        self.reply = b"thanks"
        self.headers: dict[str, str] = {}

    @property
    def hook(self) -> str:
        """The URL of a webhook."""
        return f"{self.url}/hook"

    def ids(self) -> Sequence[str]:
        """Return the ids of what arrived, in order."""
        return [each.id for each in self.told]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", "0")))
        self.told.append(Told(handler.path, {name.lower(): value for name, value in handler.headers.items()}, body))
        status = self.status if isinstance(self.status, int) else self.status()
        self.gate.wait(30)
        with contextlib.suppress(OSError):  # whoever told may be gone
            handler.send_response(status)
            for name, value in {"content-length": str(len(self.reply)), **self.headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(self.reply)
