"""Clients that call models through a server under load, and what became of their calls."""

import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2

from evalhaven.app.stores import database_url, log_store
from evalhaven.domain.logged_calls import CallFilter, CallKind, LoggedCall
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs.handover.ledger import _HEAD, _SLOT_BYTES, _Figures
from evalhaven.logs.store import LogStore
from evalhaven.settings import Settings
from evalhaven.storage.database import open_database
from tests.server import Server

_CALLERS = 6
_PAUSE_S = 0.02  # a busy program, not a flood that no store could keep up with
_PAGE = 1_000
_TIMEOUT_S = 30.0


@dataclass
class Callers:
    """Some clients at once; each call carries a number of its own in its metadata.

    Attributes:
        sent: Numbers of the calls that were begun.
        answered: When each answer had arrived, by number; those that broke off are not among them.
        refused: Statuses other than 200, and how many there were.
        text_chars: Length of each question.
    """

    server: Server
    text_chars: int = 500
    sent: set[int] = field(default_factory=set[int])
    answered: dict[int, float] = field(default_factory=dict[int, float])
    refused: Counter[int] = field(default_factory=Counter[int])
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _stopping: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def calling(self) -> Generator[None]:
        """Call for a block, whether or not the server is up."""
        threads = [threading.Thread(target=self._call, daemon=True) for _ in range(_CALLERS)]
        self._stopping.clear()
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopping.set()
            for thread in threads:
                thread.join()

    def _call(self) -> None:
        with httpx2.Client(base_url=self.server.url, timeout=_TIMEOUT_S, trust_env=False, verify=False) as client:
            while not self._stopping.is_set():
                number = next(self._numbers)
                self.sent.add(number)
                try:
                    answer = client.post("/v1/chat/completions", json=self._body(number))
                except httpx2.TransportError:
                    time.sleep(0.02)  # the server is down, or was killed meanwhile
                    continue
                if answer.status_code == 200:
                    self.answered[number] = time.monotonic()
                else:
                    self.refused[answer.status_code] += 1
                time.sleep(_PAUSE_S)

    def _body(self, number: int) -> dict[str, Any]:
        return {
            "model": "any",
            "messages": [{"role": "user", "content": f"{number} ".ljust(self.text_chars, "x")}],
            "metadata": {"n": str(number)},
            "store": True,
            "stream": number % 3 == 0,
        }


def stored_numbers(server: Server) -> list[int]:
    """Return the numbers of all stored calls, as many times as they are stored."""
    return [int(str(call.metadata["n"])) for call in stored_calls(server)]


def stored_calls(server: Server) -> list[LoggedCall]:
    """Return all stored chat completions."""

    async def walk() -> list[LoggedCall]:
        async with _store_of(server) as store:
            found: list[LoggedCall] = []
            while True:
                after = found[-1].id if found else None
                wanted = CallFilter(kind=CallKind.CHAT)
                page = await store.page(DEFAULT_PROJECT, wanted, limit=_PAGE, order="asc", after=after)
                found += page.calls
                if not page.has_more:
                    return found

    return anyio.run(walk)


def add_calls(server: Server, calls: list[LoggedCall]) -> None:
    """Store calls beside a server."""

    async def add() -> None:
        async with _store_of(server) as store:
            await store.add(calls)

    anyio.run(add)


@contextlib.asynccontextmanager
async def _store_of(server: Server) -> AsyncGenerator[LogStore]:
    settings = Settings.model_validate({"data_dir": server.data_dir, "database_url": server.database_url})
    database = open_database(database_url(settings))
    store = log_store(settings, database)
    try:
        yield store
    finally:
        await store.close()
        await database.close()


def numbers_given(data_dir: Path) -> int:
    """Return how many calls the last server of a data directory gave to its recorder, as its ledger says."""
    raw = (data_dir / "log-ledger").read_bytes()
    slots = [_Figures.find(raw[at : at + _SLOT_BYTES]) for at in (_HEAD.size, _HEAD.size + _SLOT_BYTES)]
    return max((each for each in slots if each is not None), key=lambda each: each.turn).given


def log_status(server: Server) -> dict[str, Any]:
    """Return what the server says of its logged calls."""
    answer = httpx2.get(f"{server.url}/api/logs", timeout=_TIMEOUT_S)
    assert answer.status_code == 200, answer.text
    return answer.json()
