"""A stand-in for the hosted API: a proxy in front of a real Evalhaven, as unreliable as it is told to be.

    with HostedStandin(server.url, Faults(too_many=0.1, cut=0.05), seed=1) as hosted:
        httpx2.get(f"{hosted.base_url}/evals", headers={"authorization": f"Bearer {KEY}"})

It speaks HTTP by hand, since no framework lets a handler cut its connection, and answers GET alone.
"""

import asyncio
import contextlib
import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Self
from urllib.parse import parse_qs, urlsplit

import httpx2

from tests.importing.stored_logs import StoredLogs

KEY = "sk-made-up-3f9d"
MAX_LIMIT = 100
LISTS = ("/evals", "/runs", "/output_items", "/completions", "/messages", "/input_items")


@dataclass(frozen=True, kw_only=True)
class Faults:
    """The share of requests that meet each fault (0 to 1).

    Args:
        too_many: 429 with Retry-After: 0 or 1, or retry-after-ms.
        error: 500, 502, 503 or 504.
        slow: 408.
        hang: No answer for `hang_s`.
        cut: The connection ends without an answer.
        truncate: Half of a body whose length was announced.
        shorten: Half of a body whose end is the end of the connection.
    """

    too_many: float = 0.0
    error: float = 0.0
    slow: float = 0.0
    hang: float = 0.0
    cut: float = 0.0
    truncate: float = 0.0
    shorten: float = 0.0


STORMY = Faults(too_many=0.05, error=0.04, slow=0.03, hang=0.005, cut=0.04, truncate=0.03, shorten=0.02)


@dataclass(frozen=True)
class Seen:
    """A request that arrived."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.target).query).items()}


@dataclass
class Answer:
    """The answer that goes back."""

    status: int
    body: bytes
    headers: dict[str, str]


class HostedStandin:
    """The proxy, in a thread of its own while its `with` block lasts."""

    def __init__(self, upstream: str, faults: Faults | None = None, *, seed: int = 0, hang_s: float = 2.0) -> None:
        self.seen: list[Seen] = []
        self.met: Counter[str] = Counter()
        self.gone: set[str] = set()
        self.broken: set[str] = set()
        self.answer_to_posts: bytes | None = None
        self.max_fast_limit = MAX_LIMIT
        self.key_header: tuple[str, str] = ("authorization", f"Bearer {KEY}")
        self.refuses_connections = False
        self.logs = StoredLogs()
        self.rewrite: Callable[[Seen, bytes], bytes] = lambda _seen, body: body
        self._upstream = upstream
        self._faults = faults or Faults()
        self._chance = random.Random(seed)
        self._hang_s = hang_s
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="hosted stand-in")
        self._port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_up.wait(10)
        return self

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._run())
        self._loop.close()

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        async with httpx2.AsyncClient(base_url=self._upstream, timeout=60, trust_env=False) as self._http:
            server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self._port = server.sockets[0].getsockname()[1]
            self._is_up.set()
            await self._stop.wait()
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.refuses_connections:
            writer.transport.abort()
            return
        self._connections.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._answer_one(reader, writer):
                    pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer the next request of a connection; return False if the connection ends with it."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        pairs = (line.partition(":") for line in head[1:] if line)
        seen = Seen(method, target, {name.lower(): value.strip() for name, _, value in pairs})
        self.seen.append(seen)
        fault = self._draw_fault()
        if fault is not None:
            self.met[fault] += 1
        if self.refuses_connections or seen.path in self.broken:
            return False
        if seen.method == "POST" and self.answer_to_posts is not None:
            await reader.readexactly(int(seen.headers.get("content-length", "0")))
            return await self._send(writer, Answer(200, self.answer_to_posts, {"content-type": "text/html"}), None)
        match fault:
            case "cut":
                return False
            case "hang":
                await asyncio.sleep(self._hang_s)
                return False
            case "too_many" | "error" | "slow":
                answer = self._faulty_answer(fault)
            case _:
                answer = await self._good_answer(seen)
        return await self._send(writer, answer, fault)

    async def _send(self, writer: asyncio.StreamWriter, answer: Answer, fault: str | None) -> bool:
        body, headers = answer.body, dict(answer.headers)
        if fault == "shorten":
            headers["connection"] = "close"
        else:
            headers["content-length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        sent = body[: len(body) // 2] if fault in ("truncate", "shorten") else body
        writer.write(f"HTTP/1.1 {answer.status} -\r\n{head}\r\n".encode("latin-1") + sent)
        await writer.drain()
        return fault not in ("truncate", "shorten")

    def _draw_fault(self) -> str | None:
        drawn = self._chance.random()
        for field in fields(self._faults):
            drawn -= getattr(self._faults, field.name)
            if drawn < 0:
                return field.name
        return None

    def _faulty_answer(self, fault: str) -> Answer:
        status = {"too_many": 429, "slow": 408}.get(fault) or self._chance.choice((500, 502, 503, 504))
        answer = refusal(status, "made to fail")
        if fault == "too_many":
            wait = self._chance.choice((("retry-after", "0"), ("retry-after", "1"), ("retry-after-ms", "50")))
            answer.headers.update([wait])
        return answer

    async def _good_answer(self, seen: Seen) -> Answer:
        name, value = self.key_header
        if seen.headers.get(name) != value:
            return refusal(401, f"Incorrect API key provided: {seen.headers.get('authorization', '')}.")
        if seen.path in self.gone:
            return refusal(404, "No such object")
        limit = seen.query.get("limit", "20")
        if seen.path.endswith(LISTS) and limit.isdecimal():
            if int(limit) > MAX_LIMIT:
                return refusal(400, f"limit is {limit}, more than {MAX_LIMIT}")
            if int(limit) > self.max_fast_limit:
                return refusal(408, "the page takes too long")
        if (stored := self.logs.answer(seen.path, seen.query)) is not None:
            return Answer(*stored, {"content-type": "application/json"})
        response = await self._http.get(seen.target)
        headers = {
            "content-type": response.headers["content-type"],
            "set-cookie": "session=made-up",
            "x-request-id": "r",
        }
        return Answer(response.status_code, self.rewrite(seen, response.content), headers)


def refusal(status: int, message: str) -> Answer:
    """Return an answer in OpenAI's error envelope."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return Answer(status, json.dumps({"error": error}).encode(), {"content-type": "application/json"})
