"""A model endpoint that answers with a chat completion at once, or streams one chunk by chunk.

    python -m benchmarks.streaming_upstream PORT [--latency-ms 5] [--chunks 600] [--pause-ms 50]

Each chunk holds the moment at which it was sent, as `"at":` and nanoseconds of the clock that all processes of this
machine share, so that whoever receives it knows how long it took.
"""

import argparse
import asyncio
import json
import re
import signal
import time
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_STREAM = re.compile(rb'"stream": *true')
_BACKLOG = 4096
_WORDS = "The answer to this question is not known, but here are some words about it. " * 6
_COMPLETION = json.dumps(
    {
        "id": "chatcmpl-%d",
        "object": "chat.completion",
        "created": 1_767_225_600,
        "model": "gpt-4.1",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": _WORDS, "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 350, "completion_tokens": 120, "total_tokens": 470},
    }
).encode()
_CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767225600,"model":"gpt-4.1","at":%d,'
    b'"choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}\n\n'
)
_LAST = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767225600,"model":"gpt-4.1",'
    b'"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


class _Connection(asyncio.Protocol):
    """One client's connection; a client waits for an answer before it asks again."""

    answered = 0

    def __init__(self, latency_s: float, chunks: int, pause_s: float) -> None:
        self._latency_s = latency_s
        self._chunks = chunks
        self._pause_s = pause_s
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        received = self._received + data
        self._received = received
        end = received.find(b"\r\n\r\n")
        length = _LENGTH.search(received, 0, end + 2) if end >= 0 else None
        if end < 0 or len(received) < end + 4 + (int(length[1]) if length else 0):
            return
        self._received = b""
        loop = asyncio.get_running_loop()
        if not _STREAM.search(received, end):
            loop.call_later(self._latency_s, self._complete)
            return
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self._transport.write(head)
        loop.call_later(self._latency_s, self._stream, self._chunks, loop.time() + self._latency_s)

    def _complete(self) -> None:
        _Connection.answered += 1
        body = _COMPLETION % _Connection.answered
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % len(body) + body)

    def _stream(self, left: int, due: float) -> None:
        if self._transport.is_closing():
            return
        chunk = _CHUNK % time.monotonic_ns() if left else _LAST
        self._transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) + (b"" if left else b"0\r\n\r\n"))
        if left:
            due += self._pause_s
            asyncio.get_running_loop().call_at(due, self._stream, left - 1, due)


async def _serve(port: int, latency_s: float, chunks: int, pause_s: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(latency_s, chunks, pause_s), "127.0.0.1", port, backlog=_BACKLOG
    )
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await stopped.wait()
    server.close()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming_upstream", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--latency-ms", type=float, default=5.0)
    parser.add_argument("--chunks", type=int, default=600)
    parser.add_argument("--pause-ms", type=float, default=50.0)
    given = parser.parse_args()
    uvloop.run(_serve(given.port, given.latency_ms / 1000, given.chunks, given.pause_ms / 1000))


if __name__ == "__main__":
    main()
