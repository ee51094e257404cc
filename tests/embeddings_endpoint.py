"""A real embeddings endpoint on loopback: vectors are made from a hash of the text, faults are told beforehand.

A character of a text counts as a token.

with EmbeddingsEndpoint() as endpoint:
    endpoint.faults.append(Fault(429, headers={"Retry-After": "1"}))
    ...
    assert endpoint.requests[0].body["encoding_format"] == "base64"
"""

import base64
import hashlib
import json
import math
import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback_server import LoopbackServer

DIMENSIONS = 8
Vector = list[float]


@dataclass(frozen=True)
class Fault:
    """What is answered in the place of embeddings; `is_cut` closes the connection within the body."""

    status: int = 200
    body: Any = field(default_factory=lambda: {"error": {"message": "told to fail"}})
    headers: dict[str, str] = field(default_factory=dict[str, str])
    is_cut: bool = False


@dataclass(frozen=True)
class Request:
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


def vector_of(text: str) -> Vector:
    """Return the embedding of a text: numbers from -1 to 1 that only the text decides."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return [number / 128 - 1 for number in digest[:DIMENSIONS]]


def cosine_of(first: str, second: str) -> float:
    """Return the cosine of the embeddings of two texts, negative ones as 0."""
    one, other = vector_of(first), vector_of(second)
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return max(0.0, product / (math.hypot(*one) * math.hypot(*other)))


class EmbeddingsEndpoint(LoopbackServer):
    """The endpoint; it answers while the context lasts."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.faults: deque[Fault] = deque()
        self.refused: set[str] = set()
        self.vector: Callable[[str], Vector] = vector_of
        self.is_base64 = True
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"{super().url}/v1"

    @property
    def inputs(self) -> list[list[str]]:
        """The texts of each request that arrived."""
        return [request.body["input"] for request in self.requests]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        with self._lock:
            self.requests.append(Request(handler.path, {k.lower(): v for k, v in handler.headers.items()}, body))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            fault = self.faults.popleft() if self.faults else None
        self.gate.wait(30)
        with self._lock:
            self._at_once -= 1
        texts: list[str] = body["input"]
        if fault is None and self.refused & set(texts):
            fault = Fault(400, {"error": {"message": f"refused, with key {handler.headers['authorization']}"}})
        if fault is None:
            fault = Fault(200, self._embeddings(texts, is_base64=body.get("encoding_format") == "base64"))
        self._send(handler, fault)

    def _embeddings(self, texts: Sequence[str], *, is_base64: bool) -> dict[str, Any]:
        # From last to first: the index says which is which.
        data = [{"object": "embedding", "index": i, "embedding": self.vector(text)} for i, text in enumerate(texts)]
        if is_base64 and self.is_base64:
            for each in data:
                numbers: Any = each["embedding"]
                each["embedding"] = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
        tokens = sum(len(text) for text in texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "model": "made-up", "data": data[::-1], "usage": usage}

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, fault: Fault) -> None:
        content = fault.body if isinstance(fault.body, bytes) else json.dumps(fault.body).encode()
        handler.send_response(fault.status)
        for name, value in fault.headers.items():
            handler.send_header(name, value)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2] if fault.is_cut else content)
        handler.close_connection = fault.is_cut
