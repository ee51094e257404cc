"""An upstream that streams as each request tells it to, in the test's own event loop.

    async with open_streaming_upstream() as upstream:
        body = {"model": "any", "stream": True, "told": {"parts": 20, "pause_ms": 50, "seed": 7}}
        ...  # upstream.url; the answer is b"".join(parts_of(body["told"]))

A request without `told` gets what `answers` has for its path, else an answer of tests/upstream_answers.py.
"""

import asyncio
import json
import random
import socket
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.upstream_answers import body_of

_WORD_CHARS = 60
_RESET = struct.pack("ii", 1, 0)  # closing the socket sends RST


@dataclass
class Arrived:
    """A request as it arrived; names of headers in lower case."""

    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What is answered at a path: the parts of a stream, which ends after a while, or a body."""

    content: bytes | list[bytes]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    linger_s: float = 0


@dataclass
class StreamingUpstream:
    """The server's state.

    Attributes:
        url: The base URL of an endpoint's configuration.
        requests: That arrived.
        answers: By path, such as `/chat/completions`.
        under_way: Requests whose answer is not complete.
        hung_up: Answers that were not complete when the connection was closed.
        sent_bytes: Bytes of bodies that went into sockets.
    """

    url: str = ""
    requests: list[Arrived] = field(default_factory=list[Arrived])
    answers: dict[str, Answer] = field(default_factory=dict[str, Answer])
    under_way: int = 0
    hung_up: int = 0
    sent_bytes: int = 0


def parts_of(told: dict[str, Any]) -> list[bytes]:
    """Return the parts that a request is answered with: events cut anywhere, also within a character."""
    chance = random.Random(told.get("seed", 1))
    size = told.get("part_bytes", 60)
    parts: list[bytes] = []
    for number in range(told.get("parts", 1)):
        words = "".join(chance.choices("aä漢🙂 ", k=min(size, _WORD_CHARS)))
        text = f'data: {{"n":{number},"t":"{words * (size // len(words))}"}}'
        parts.append(text.encode() + chance.choice((b"\n\n", b"\r\n\r\n", b"\n", b"")))
    whole = b"".join(parts) + b"data: [DONE]\n\n"
    cuts = sorted(chance.sample(range(1, len(whole)), len(parts) - 1))
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


@asynccontextmanager
async def open_streaming_upstream() -> AsyncGenerator[StreamingUpstream]:
    """Serve while the context is entered."""
    upstream = StreamingUpstream()
    tasks = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            while await _serve_one(upstream, reader, writer):
                pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=4096)
    upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield upstream
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve_one(upstream: StreamingUpstream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return False
    path, _, query = first.split()[1].removeprefix("/v1").partition("?")
    upstream.requests.append(Arrived(path, query, headers, body))
    upstream.under_way += 1
    # The end of the client's side shows at once, also while nothing is written.
    end = asyncio.ensure_future(reader.read(1))
    answer = asyncio.ensure_future(_answer(upstream, path, json.loads(body) if body else {}, writer))
    await asyncio.wait((end, answer), return_when=asyncio.FIRST_COMPLETED)
    upstream.under_way -= 1
    is_complete = answer.done() and answer.exception() is None
    upstream.hung_up += not is_complete
    for each in (end, answer):
        each.cancel()
    await asyncio.gather(end, answer, return_exceptions=True)
    return is_complete and answer.result() and not end.done()


async def _answer(
    upstream: StreamingUpstream, path: str, request: dict[str, Any], writer: asyncio.StreamWriter
) -> bool:
    """Answer, and tell whether the connection is kept."""
    told: dict[str, Any] | None = request.get("told")
    if told is None:
        found = upstream.answers.get(path)
        answer = found or Answer(json.dumps(body_of(path, request, len(upstream.requests))).encode())
        await _send(upstream, writer, answer)
        return True
    await asyncio.sleep(told.get("before_ms", 0) / 1000)
    parts = parts_of(told)
    _send_head(writer, told.get("status", 200), {"content-type": "text/event-stream"}, None)
    for number, part in enumerate(parts):
        if number == told.get("cut_after"):
            if told.get("reset"):
                used: socket.socket = writer.get_extra_info("socket")
                used.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.close()
            return False
        if number:
            await asyncio.sleep(told.get("pause_ms", 0) / 1000)
        await _send_chunk(upstream, writer, part)
    await asyncio.sleep(told.get("linger_ms", 0) / 1000)
    writer.write(b"0\r\n\r\n")
    return True


async def _send(upstream: StreamingUpstream, writer: asyncio.StreamWriter, answer: Answer) -> None:
    if isinstance(answer.content, bytes):
        headers = {"content-type": "application/json", **answer.headers}
        _send_head(writer, answer.status, headers, len(answer.content))
        writer.write(answer.content)
        await writer.drain()
        return
    _send_head(writer, answer.status, {"content-type": "text/event-stream", **answer.headers}, None)
    for part in answer.content:
        await _send_chunk(upstream, writer, part)
    await asyncio.sleep(answer.linger_s)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


def _send_head(writer: asyncio.StreamWriter, status: int, headers: dict[str, str], length: int | None) -> None:
    framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    lines = [f"HTTP/1.1 {status} -", *(f"{name}: {value}" for name, value in headers.items()), framing, "", ""]
    writer.write("\r\n".join(lines).encode("latin-1"))


async def _send_chunk(upstream: StreamingUpstream, writer: asyncio.StreamWriter, part: bytes) -> None:
    writer.write(b"%x\r\n%b\r\n" % (len(part), part))
    await writer.drain()
    upstream.sent_bytes += len(part)
