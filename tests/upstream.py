"""An upstream that fails as told: an HTTP server for chat completions, responses and embeddings.

In a test's own event loop:

    async with open_upstream(Behaviour(p429=0.1)) as upstream:
        ...  # upstream.url, upstream.stats(), upstream.behaviour.p429 = 0

As a process, which prints its two addresses as one line of JSON and ends with its standard input:

    python -m tests.upstream --p429 0.1 --retry-after-s 1

The second address serves `/stats`, `/stats/prompts`, `/stats/reset` and `/config?p429=0&gone_s=60` too, also while the
first one is gone. Every fault is drawn with its rate, once a request; the seed decides.
"""

import argparse
import asyncio
import json
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, fields
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import httptools
import uvloop

from tests.upstream_answers import body_of, error_body, prompt_of
from tests.upstream_behaviour import Behaviour

__all__ = ["Behaviour", "Upstream", "open_upstream"]

_RESET = struct.pack("ii", 1, 0)  # closing the socket sends RST


class Upstream:
    """The server's state: behaviour, what it counted, and its port, which may be gone."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.port = 0
        self.control_port = 0
        self.connections = set["_Connection"]()
        self.reset()
        self._server: asyncio.Server | None = None
        self._back: asyncio.Task[None] | None = None
        self._has_been_gone = False

    @property
    def url(self) -> str:
        """The base URL of an endpoint's configuration."""
        return f"http://127.0.0.1:{self.port}/v1"

    def reset(self) -> None:
        """Forget what was counted, and begin with the seed again."""
        self.chance = random.Random(self.behaviour.seed)
        self.requests = 0
        self.by_status = Counter[str]()
        self.by_path = Counter[str]()
        self.prompts = Counter[str]()
        self._held: list[Callable[[], None]] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.keys = set[str]()
        self.calls: list[tuple[float, str]] = []

    def stats(self) -> dict[str, Any]:
        """Return what was counted; `by_status` has the faults without a status by their names."""
        return {
            "requests": self.requests,
            "by_status": dict(self.by_status),
            "by_path": dict(self.by_path),
            "answered": self.prompts.total(),
            "distinct": len(self.prompts),
            # How many prompts were answered once, twice, …
            "answered_times": {str(times): count for times, count in Counter(self.prompts.values()).items()},
            "in_flight": self.in_flight,
            "most_in_flight": self.most_in_flight,
            "connections": len(self.connections),
            "authorizations": len(self.keys),
        }

    async def open(self, port: int = 0, control_port: int = 0) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        control = await loop.create_server(lambda: _Connection(self, is_control=True), "127.0.0.1", control_port)
        self._control = control
        self.control_port = control.sockets[0].getsockname()[1]
        await self._listen(port)

    async def _listen(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port, backlog=8192)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop what is open."""
        if self._back is not None:
            self._back.cancel()
        self._control.close()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.drop()
        await asyncio.sleep(0)

    def go(self) -> None:
        """Refuse connections for `gone_s`, then be back."""
        if self._server is None:
            return
        self._has_been_gone = True
        self._server.close()
        self._server = None
        for connection in tuple(self.connections):
            if not connection.is_control:
                connection.drop()
        self._back = asyncio.get_running_loop().create_task(self._come_back(self.behaviour.gone_s))

    async def _come_back(self, gone_s: float) -> None:
        await asyncio.sleep(gone_s)
        await self._listen(self.port)

    def note_request(self) -> None:
        """Count a request; go where it is time to."""
        self.requests += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        behaviour = self.behaviour
        is_due = 0 < behaviour.gone_after <= self.requests and not self._has_been_gone
        if is_due and behaviour.gone_s:
            asyncio.get_running_loop().call_soon(self.go)

    def holds(self, prompt: str, answer: Callable[[], None]) -> bool:
        """Tell whether a prompt has to wait; it is answered when `hold_after` changes."""
        hold_after = self.behaviour.hold_after
        is_held = 0 < hold_after <= len(self.prompts) and prompt not in self.prompts
        if is_held:
            self._held.append(answer)
        return is_held

    def change(self, query: str) -> None:
        """Change the behaviour; `gone_s` takes effect at once unless `gone_after` says when."""
        self.behaviour.change(query)
        names = [name for name, _ in parse_qsl(query)]
        if "seed" in names:
            self.chance = random.Random(self.behaviour.seed)
        if "gone_s" in names:
            self._has_been_gone = False
            if self.behaviour.gone_s and not self.behaviour.gone_after:
                self.go()
        if "hold_after" in names:
            held, self._held = self._held, []
            for answer in held:
                answer()


class _Connection(asyncio.Protocol):
    """A client's connection; one request at a time."""

    def __init__(self, upstream: Upstream, *, is_control: bool = False) -> None:
        self.is_control = is_control
        self._upstream = upstream
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""
        self._key = ""
        self._is_under_way = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._upstream.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._upstream.connections.discard(self)
        self._end()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._key = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        url, body = self._url.decode("latin-1"), self._body
        self._url = self._body = b""
        parts = urlsplit(url)
        upstream = self._upstream
        if parts.path == "/stats/prompts":
            self._send_json(200, dict(upstream.prompts))
        elif parts.path == "/stats/calls":
            self._send_json(200, upstream.calls)
        elif parts.path == "/stats/reset":
            upstream.reset()
            self._send_json(200, {})
        elif parts.path == "/stats":
            self._send_json(200, upstream.stats())
        elif parts.path == "/config":
            try:
                upstream.change(parts.query)
            except ValueError as error:
                self._send_json(400, {"error": str(error)})
            else:
                self._send_json(200, asdict(upstream.behaviour))
        else:
            self._take(parts.path.removeprefix("/v1"), body)

    def drop(self) -> None:
        """Reset the connection."""
        found: socket.socket | None = self._transport.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    def _take(self, path: str, body: bytes) -> None:
        upstream = self._upstream
        upstream.by_path[path] += 1
        if path == "/models":
            self._send_json(200, {"object": "list", "data": [{"id": "faulty-1", "object": "model", "created": 1}]})
            return
        upstream.keys.add(self._key)
        if upstream.behaviour.keep_calls:
            upstream.calls.append((time.time(), self._key))
        upstream.note_request()
        self._is_under_way = True
        fault = upstream.behaviour.draw_fault(upstream.chance, upstream.requests, upstream.in_flight)
        delay_s = upstream.behaviour.latency_ms / 1000 + (upstream.behaviour.stall_s if fault == "stall" else 0)
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._answer, path, body, fault)
        else:
            self._answer(path, body, fault)

    def _answer(self, path: str, body: bytes, fault: str) -> None:
        if self._transport.is_closing():
            self._upstream.by_status["client_left"] += 1
            return
        upstream = self._upstream
        request = json.loads(body)
        if upstream.holds(prompt_of(request), partial(self._answer, path, body, fault)):
            return
        self._end()
        if fault.isdigit():
            upstream.by_status[fault] += 1
            self._refuse(int(fault))
            return
        if fault == "reset":
            upstream.by_status[fault] += 1
            self.drop()
            return
        if path not in {"/chat/completions", "/responses", "/embeddings"}:
            upstream.by_status["404"] += 1
            self._send(404, error_body(f"Unknown path {path}.", None, "invalid_request_error"))
            return
        content = json.dumps(body_of(path, request, upstream.requests)).encode()
        if fault == "cut":
            upstream.by_status[fault] += 1
            self._send(200, content[: len(content) // 2], length=len(content))
            self._transport.close()
        elif fault == "invalid":
            upstream.by_status[fault] += 1
            self._send(200, content[: len(content) // 2])
        else:
            upstream.by_status["200"] += 1
            upstream.prompts[prompt_of(request)] += 1
            self._send(200, content)

    def _end(self) -> None:
        if self._is_under_way:
            self._is_under_way = False
            self._upstream.in_flight -= 1

    def _refuse(self, status: int) -> None:
        retry_after_s = self._upstream.behaviour.retry_after_s
        if status == 429:
            headers = f"retry-after: {retry_after_s:g}\r\n" if retry_after_s else ""
            body = error_body("Rate limit reached", "rate_limit_exceeded", "requests")
        elif status == 401:
            headers = ""
            body = error_body("Incorrect API key provided.", "invalid_api_key", "invalid_request_error")
        else:
            headers = ""
            body = error_body(f"Told to answer {status}.", None, "server_error" if status >= 500 else "made_up")
        self._send(status, body, headers)

    def _send_json(self, status: int, document: Any) -> None:
        self._send(status, json.dumps(document).encode())

    def _send(self, status: int, body: bytes, headers: str = "", length: int | None = None) -> None:
        length = len(body) if length is None else length
        head = f"HTTP/1.1 {status} -\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n"
        self._transport.write(head.encode() + body)


@asynccontextmanager
async def open_upstream(behaviour: Behaviour | None = None) -> AsyncGenerator[Upstream]:
    """Serve in the running event loop while the context is entered."""
    upstream = Upstream(behaviour or Behaviour())
    await upstream.open()
    try:
        yield upstream
    finally:
        await upstream.close()


def _options() -> tuple[Behaviour, int, int]:
    parser = argparse.ArgumentParser(prog="python -m tests.upstream", description="An upstream that fails as told.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    for field in fields(Behaviour):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    given = vars(parser.parse_args())
    port, control_port = given.pop("port"), given.pop("control_port")
    return Behaviour(**given), port, control_port


async def _serve() -> None:
    behaviour, port, control_port = _options()
    upstream = Upstream(behaviour)
    await upstream.open(port, control_port)
    told = {"url": upstream.url, "control_url": f"http://127.0.0.1:{upstream.control_port}"}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()
    if behaviour.gone_s and not behaviour.gone_after:
        upstream.go()
    # Whoever started it holds the other end; a test that is killed leaves nothing behind.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)
    await upstream.close()


if __name__ == "__main__":
    uvloop.run(_serve())
