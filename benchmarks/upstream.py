"""A model endpoint that costs little and answers what it is told, so that the measured cost is its caller's.

    python -m benchmarks.upstream PORT [--latency-ms 50] [--p429 0.1 --retry-after 1] [--p500 0.05] [--seed 1]

It serves `POST /v1/chat/completions` and `/v1/responses`. The answer is what follows the last `ANSWER:` of the
request, up to the end of that line; requests are searched, not parsed. `GET /stats` returns the counts so far.
"""

import argparse
import asyncio
import json
import random
import re
import signal
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

import uvloop

_REQUEST = re.compile(rb"([A-Z]+) ([^ ?]+)\S* HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ANSWER = re.compile(rb'ANSWER: *([^"\\]*)')
_REASONS = {200: "OK", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}
_ANSWER_TOKENS = 2
_CHARS_A_TOKEN = 4
_BACKLOG = 4096

_CHAT = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1767225600,"model":"mock-1","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"%s","refusal":null},"logprobs":null,"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}}'
)
_RESPONSE = (
    b'{"id":"resp_1","object":"response","created_at":1767225600,"status":"completed","model":"mock-1","error":null,'
    b'"output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":'
    b'"output_text","text":"%s","annotations":[]}]}],"usage":{"input_tokens":%d,"output_tokens":%d,"total_tokens":%d}}'
)
_FORMS = {b"/v1/chat/completions": _CHAT, b"/v1/responses": _RESPONSE}
_REFUSAL = b'{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":"rate_limit_exceeded"}}'
_FAILURE = b'{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}'
_UNKNOWN = b'{"error":{"message":"No such address","type":"invalid_request_error","param":null,"code":null}}'


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How an endpoint answers.

    Attributes:
        latency_ms: Milliseconds until an answer; refusals and failures come at once.
        p429: Share of the requests that are refused.
        retry_after_s: Seconds that a refusal asks to wait.
        p500: Share of the requests that fail.
        seed: Seed of the random numbers.
    """

    latency_ms: float = 0.0
    p429: float = 0.0
    retry_after_s: float = 1.0
    p500: float = 0.0
    seed: int = 1

    def arguments(self) -> list[str]:
        """Return the same as options of the command line."""
        return [
            f"--latency-ms={self.latency_ms}",
            f"--p429={self.p429}",
            f"--retry-after={self.retry_after_s}",
            f"--p500={self.p500}",
            f"--seed={self.seed}",
        ]


class Endpoint:
    """What all connections share: how it answers, and what it counts."""

    def __init__(self, behaviour: Behaviour, loop: asyncio.AbstractEventLoop) -> None:
        self._behaviour = behaviour
        self._latency_s = behaviour.latency_ms / 1000
        self._is_faulty = behaviour.p429 > 0 or behaviour.p500 > 0
        self._chance = random.Random(behaviour.seed)
        self._loop = loop
        self._due: deque[tuple[float, _Connection, bytes]] = deque()
        self._statuses = Counter[int]()
        self._refusals = Counter[bytes]()
        self._in_flight = 0
        self._in_flight_max = 0
        self._idle_since: float | None = None
        self._idle_s = 0.0
        refusing = f"Retry-After: {behaviour.retry_after_s:g}\r\n"
        self._refused = _reply(429, _REFUSAL, refusing)
        self._failed = _reply(500, _FAILURE)
        self._not_found = _reply(404, _UNKNOWN)

    def answer(self, connection: "_Connection", path: bytes, body: bytes) -> None:
        """Answer a request after the latency."""
        if self._is_faulty:
            chance = self._chance.random()
            if chance < self._behaviour.p429:
                self._statuses[429] += 1
                self._refusals[body] += 1
                connection.write(self._refused)
                return
            if chance < self._behaviour.p429 + self._behaviour.p500:
                self._statuses[500] += 1
                connection.write(self._failed)
                return
        form = _FORMS.get(path)
        if form is None:
            self._statuses[404] += 1
            connection.write(self._not_found)
            return
        found = _ANSWER.match(body, at) if (at := body.rfind(b"ANSWER:")) >= 0 else None
        prompt_tokens = len(body) // _CHARS_A_TOKEN
        content = form % (
            b"yes" if found is None else found.group(1),
            prompt_tokens,
            _ANSWER_TOKENS,
            prompt_tokens + _ANSWER_TOKENS,
        )
        reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        self._statuses[200] += 1
        self._in_flight += 1
        self._in_flight_max = max(self._in_flight_max, self._in_flight)
        if not self._latency_s:
            self._in_flight -= 1
            connection.write(reply % (len(content), content))
            return
        now = self._loop.time()
        if self._idle_since is not None:
            self._idle_s += now - self._idle_since
            self._idle_since = None
        if not self._due:
            self._loop.call_later(self._latency_s, self._deliver)
        self._due.append((now + self._latency_s, connection, reply % (len(content), content)))

    def _deliver(self) -> None:
        """Send what is due; all take equally long, so answers leave in the order of their requests."""
        now = self._loop.time()
        due = self._due
        while due and due[0][0] <= now:
            _, connection, reply = due.popleft()
            self._in_flight -= 1
            connection.write(reply)
        if due:
            self._loop.call_later(max(0.001, due[0][0] - now), self._deliver)
        elif not self._in_flight:
            self._idle_since = now

    @property
    def stats(self) -> dict[str, Any]:
        """Return the counts so far.

        `idle_s` are seconds between answers in which nothing was in flight, `refusals_max` is how many times the
        same request was refused at most.
        """
        return {
            "total": self._statuses.total(),
            "by_status": {str(status): count for status, count in sorted(self._statuses.items())},
            "in_flight_max": self._in_flight_max,
            "idle_s": self._idle_s,
            "refusals_max": max(self._refusals.values(), default=0),
            "cpu_s": time.process_time(),
        }


class _Connection(asyncio.Protocol):
    """One client's connection; a client waits for an answer before it asks again."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._received = b""
        self.write: Any = None  # the transport's own method, since an indirection would cost time

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = transport.write  # type: ignore[attr-defined]

    def connection_lost(self, exc: Exception | None) -> None:
        self.write = _forget  # an answer may still be due

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        line = _REQUEST.match(received)
        if end < 0 or line is None:
            self._received = received
            return
        length = _LENGTH.search(received, line.end() - 2, end + 2)
        whole = end + 4 + (0 if length is None else int(length.group(1)))
        if len(received) < whole:
            self._received = received
            return
        self._received = received[whole:]
        if line.group(1) == b"POST":
            self._endpoint.answer(self, line.group(2), received[end + 4 : whole])
        else:
            self.write(_reply(200, json.dumps(self._endpoint.stats).encode()))


def _forget(_reply: bytes) -> None:
    return


def _reply(status: int, content: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


async def _serve(port: int, behaviour: Behaviour) -> None:
    loop = asyncio.get_running_loop()
    endpoint = Endpoint(behaviour, loop)
    server = await loop.create_server(lambda: _Connection(endpoint), "127.0.0.1", port, backlog=_BACKLOG)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    server.close()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upstream", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--p429", type=float, default=0.0)
    parser.add_argument("--retry-after", type=float, default=1.0)
    parser.add_argument("--p500", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    behaviour = Behaviour(given.latency_ms, given.p429, given.retry_after, given.p500, given.seed)
    uvloop.run(_serve(given.port, behaviour))


if __name__ == "__main__":
    main()
