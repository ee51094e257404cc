"""Endpoints for tests of runs: test objects that answer in place of a transport."""

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio

from evalhaven.runs.engine import Engine
from evalhaven.sampling.calls.caller import ModelCaller
from evalhaven.sampling.catalog import Catalog, Endpoint
from evalhaven.sampling.transport.client import HttpReply, TransportError

AT_ONCE = 20
USAGE = {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10}


class Answering(ABC):
    """A transport whose replies come from the test."""

    @abstractmethod
    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        """Answer a request."""

    async def get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> HttpReply:
        """Refuse to answer: runs only post."""
        raise NotImplementedError


def completion(model: str, content: str | None, **message: Any) -> HttpReply:
    """Return a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}
    return HttpReply(200, {}, json.dumps({"model": model, "choices": [choice], "usage": USAGE}).encode())


def refusal(status: int, code: str, message: str = "No.") -> HttpReply:
    """Return an error."""
    return HttpReply(status, {}, json.dumps({"error": {"message": message, "code": code}}).encode())


class Nobody(Answering):
    """An endpoint that cannot be reached, or only for its first calls."""

    def __init__(self, answered: int = 0) -> None:
        self.calls = 0
        self.answered = answered
        self.until = float("inf")

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, timeout_s: float) -> HttpReply:
        self.calls += 1
        if self.calls <= self.answered or anyio.current_time() >= self.until:
            return completion("m-1", "1")
        raise TransportError("connect", "no connection to model.example:80: refused")


@asynccontextmanager
async def calling(engine: Engine, transport: Answering, **endpoint: Any) -> AsyncGenerator[Engine]:
    """Give an engine one endpoint, whose answers come from the test.

    Args:
        engine: The engine without one.
        transport: What answers.
        endpoint: Other settings of the endpoint, such as its prices.
    """
    limits = {"max_concurrency": AT_ONCE, "start_concurrency": AT_ONCE}
    catalog = Catalog((Endpoint("e", "http://model.example/v1", **limits, **endpoint),))

    @asynccontextmanager
    async def open_endpoint(_endpoint: Endpoint) -> AsyncGenerator[Answering]:
        yield transport

    async with ModelCaller(open_endpoint) as caller:
        yield replace(engine, catalog=catalog, caller=caller)
