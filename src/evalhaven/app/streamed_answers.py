"""Answers of the API in this process, streamed: httpx2's own transport collects a whole answer before it returns it."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import suppress
from typing import Any

import anyio
import httpx2
from fastapi import FastAPI

Message = MutableMapping[str, Any]


class StreamingTransport(httpx2.ASGITransport):
    """Calls an application; what it answers to GET is made no faster than it is read."""

    def __init__(self, application: FastAPI) -> None:
        """Call an application."""
        super().__init__(application)  # pyright: ignore[reportArgumentType] - its messages are typed more loosely
        self._application = application

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Return the answer as soon as its head is there."""
        if request.method != "GET":
            return await super().handle_async_request(request)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": request.url.path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "server": (request.url.host, request.url.port),
            "client": ("127.0.0.1", 0),
            "root_path": "",
        }
        call = _Call(self._application, scope)
        try:
            head = await call.next()
        except BaseException:
            await call.aclose()
            raise
        return httpx2.Response(head["status"], headers=list(head.get("headers", ())), stream=call)


class _Call(httpx2.AsyncByteStream):
    """One request under way, and the body of its answer."""

    def __init__(self, application: FastAPI, scope: Message) -> None:
        self._is_asked = False
        self._gone = anyio.Event()
        self._failure: Exception | None = None
        # Without a buffer: the application waits until each part is taken.
        self._sending, self._received = anyio.create_memory_object_stream[Message](0)
        self._task = asyncio.create_task(self._run(application, scope))

    async def next(self) -> Message:
        """Return what the application says next."""
        try:
            return await self._received.receive()
        except anyio.EndOfStream:
            raise httpx2.ReadError("the answer broke off") from self._failure

    async def __aiter__(self) -> AsyncIterator[bytes]:
        has_more = True
        while has_more:
            message = await self.next()
            has_more = message.get("more_body", False)
            if part := message.get("body", b""):
                yield part

    async def aclose(self) -> None:
        """End the call."""
        self._gone.set()
        self._received.close()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self, application: FastAPI, scope: Message) -> None:
        with self._sending:
            try:
                await application(scope, self._receive, self._send)
            except Exception as error:
                self._failure = error

    async def _receive(self) -> Message:
        if self._is_asked:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        self._is_asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._sending.send(message)
