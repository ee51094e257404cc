"""Requests written byte for byte, with the headers that the official clients send, by their published sources."""

import http.client
import json
import socket
from typing import Any

from tests.server import Server

_CRLF = b"\r\n"


class Wire:
    """One connection, on which a request is written as it stands here."""

    def __init__(self, server: Server) -> None:
        self.host = f"127.0.0.1:{server.port}"
        self.connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.connection.close()

    def send(self, *blocks: bytes) -> None:
        for block in blocks:
            self.connection.sendall(block)

    def head(self, request_line: str, *headers: str) -> bytes:
        return "\r\n".join([f"{request_line} HTTP/1.1", f"Host: {self.host}", *headers, "", ""]).encode()

    def receive(self) -> tuple[int, bytes]:
        answer = http.client.HTTPResponse(self.connection)
        answer.begin()
        return answer.status, answer.read()

    def ask(self, request_line: str, *headers: str, body: bytes = b"") -> tuple[int, Any]:
        self.send(self.head(request_line, *headers), body)
        status, content = self.receive()
        return status, json.loads(content)


def chunked(content: bytes, size: int) -> bytes:
    """Return content in chunked transfer coding, in chunks of a size."""
    blocks = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(f"{len(block):x}".encode() + _CRLF + block + _CRLF for block in [*blocks, b""])


HEADERS = {
    "go": [
        "User-Agent: OpenAI/Go 3.9.0",
        "Accept: application/json",
        "Accept-Encoding: gzip",
        "Authorization: Bearer any",
        "X-Stainless-Lang: go",
        "X-Stainless-Arch: x64",
        "X-Stainless-Os: Linux",
        "X-Stainless-Package-Version: 3.9.0",
        "X-Stainless-Retry-Count: 0",
        "X-Stainless-Runtime: go",
        "X-Stainless-Runtime-Version: go1.24.1",
    ],
    "java": [
        "User-Agent: OpenAIClientImpl/Java 4.9.0",
        "Accept: application/json",
        "Accept-Encoding: gzip",
        "Authorization: Bearer any",
        "Connection: Keep-Alive",
        "X-Stainless-Lang: java",
        "X-Stainless-Kotlin-Version: 1.9.0",
        "X-Stainless-Read-Timeout: 600",
        "X-Stainless-Timeout: 600",
    ],
    "dotnet": [
        "User-Agent: OpenAI/2.8.0 (.NET 9.0.1; Debian GNU/Linux 12 (bookworm))",
        "Accept: application/json",
        "Authorization: Bearer any",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
    ],
    "ruby": [
        "Accept: application/json",
        "Accept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3",
        "User-Agent: OpenAI::Client/Ruby 0.39.0",
        "X-Stainless-Lang: ruby",
        "Authorization: Bearer any",
    ],
    "azure": ["api-key: any", "x-ms-client-request-id: 6e0f", "Accept: application/json"],
}
