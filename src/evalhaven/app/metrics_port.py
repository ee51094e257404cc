"""`evalhaven worker --metrics-port`: metrics of a worker, which has no API, on a port of their own."""

import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from pydantic import SecretStr

from evalhaven import __version__
from evalhaven.app.stores import StartError
from evalhaven.meters.board import Board
from evalhaven.meters.declared import BUILD
from evalhaven.meters.exposition import expose
from evalhaven.settings import is_loopback

_PATH = "/metrics"
_READ_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class MetricsAddress:
    """Where metrics are shown."""

    host: str
    port: int


def show_build(board: Board) -> None:
    """Have a board show what is running."""
    python = ".".join(map(str, sys.version_info[:3]))
    board.read_from(lambda: [(BUILD, (__version__, python), 1.0)])


def serve_metrics(board: Board, address: MetricsAddress, token: SecretStr | None) -> None:
    """Show a board at `/metrics` until this process ends, in a thread.

    Args:
        board: What is shown.
        address: Where.
        token: What scrapers have to send; None: nothing.

    Raises:
        StartError: Nobody can listen there, or everybody could read there.
    """
    if token is None and not is_loopback(address.host):
        raise StartError(
            f"Refusing to show metrics on {address.host}: whoever reaches that address could read them. Set "
            "EVALHAVEN_METRICS_TOKEN, which scrapers then have to send, or leave out --metrics-host."
        )
    expected = None if token is None else f"Bearer {token.get_secret_value()}".encode()

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("PATH_INFO") != _PATH or environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _refuse(start_response, "404 Not Found", f"Only {_PATH} is served here.")
        sent = str(environ.get("HTTP_AUTHORIZATION", "")).encode("latin-1")
        if expected is not None and not compare_digest(sent, expected):
            return _refuse(start_response, "401 Unauthorized", "Send the token of EVALHAVEN_METRICS_TOKEN.")
        body, content_type = expose(board, str(environ.get("HTTP_ACCEPT", "")))
        start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body]

    show_build(board)
    try:
        server = make_server(address.host, address.port, answer, handler_class=_Handler)
    except OSError as error:
        raise StartError(
            f"Cannot listen on {address.host} port {address.port} for metrics: {error.strerror}."
        ) from error
    threading.Thread(target=server.serve_forever, daemon=True, name="metrics").start()


def _refuse(start_response: Callable[..., Any], status: str, text: str) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response(status, [*headers, ("WWW-Authenticate", "Bearer")] if status.startswith("401") else headers)
    return [body]


class _Handler(WSGIRequestHandler):
    # Requests come one after the other, so a client that sends nothing must not keep the others.
    timeout = _READ_WITHIN_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the method it replaces
        """Log nothing: scrapes come every few seconds."""
