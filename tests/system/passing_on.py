"""A server whose endpoints are an upstream that streams as it is told: what the gateway's tests start from."""

import asyncio
import json
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from anyio.from_thread import start_blocking_portal

from tests.server import Server
from tests.streaming_upstream import StreamingUpstream, open_streaming_upstream
from tests.system.client import wait_until

KEY = "sk-made-up-endpoint-key"
HEADER = "header-of-our-own-proxy"
QUERY = "value&of query"
CHAT, RESPONSES, EMBEDDINGS = "/v1/chat/completions", "/v1/responses", "/v1/embeddings"
ASKED: list[dict[str, Any]] = [{"role": "user", "content": "ANSWER: yes"}]
CONFIG = """
[endpoints.old]
base_url = "{url}"
protocol = "chat"
models = ["old-*"]

[endpoints.new]
base_url = "{url}"
protocol = "responses"
models = ["new-*"]

[endpoints.gone]
base_url = "http://127.0.0.1:9/v1"
models = ["gone"]

[endpoints.late]
base_url = "{url}"
models = ["late"]
timeout_s = 2

[endpoints.rules]
scripted = true
models = ["scripted"]
rules = [
  {{ when = "overload", status = 503, answer = "Too busy." }},
  {{ when = "refuse", answer = "I must not.", refuses = true }},
]

[endpoints.up]
base_url = "{url}"
api_key_env = "UP_KEY"
headers = {{ x-team = "evals", x-gateway = {{ env = "UP_HEADER" }} }}
query = {{ pass = {{ env = "UP_QUERY" }} }}
models = ["*"]
aliases = {{ short = "vendor/a-long-name" }}
"""


@contextmanager
def passing_server(directory: Path, **environment: str) -> Generator[tuple[Server, StreamingUpstream]]:
    """Run a server and its upstream."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(open_streaming_upstream()) as upstream:
        config = directory / "evalhaven.toml"
        config.write_text(CONFIG.format(url=upstream.url))
        secrets = {"UP_KEY": KEY, "UP_HEADER": HEADER, "UP_QUERY": QUERY}
        server = Server(directory, EVALHAVEN_GATEWAY="on", EVALHAVEN_CONFIG=str(config), **secrets, **environment)
        with server.running():
            yield server, upstream


def chat(told: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    """Return the body of a chat completion, streamed as it is told if it is told anything."""
    body: dict[str, Any] = {"model": "any", "messages": ASKED, **keys}
    return body if told is None else {**body, "stream": True, "told": told}


def raw_post(server: Server, body: dict[str, Any], path: str = CHAT) -> socket.socket:
    """Send a request and return the connection, with nothing of the answer read."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
    return connection


def error_of(answer: httpx2.Response) -> dict[str, Any]:
    """Return the error of an answer in OpenAI's envelope."""
    return answer.json()["error"]


async def until(holds: Callable[[], object], what: str) -> None:
    """Wait until a condition holds, beside what the test's own loop does."""
    await asyncio.to_thread(wait_until, holds, what, 20)
