"""Logged calls as rows: what was asked is the item's `input`, what was answered is the sample."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import anyio
import msgspec

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.logged_calls import LoggedCall
from evalhaven.domain.samples import ItemError, Sample, sample_of_row
from evalhaven.domain.scopes import ProjectScope
from evalhaven.logs.conversations import conversation_of, reply_of
from evalhaven.runs.engine import Engine
from evalhaven.runs.rows.parsing import Row
from evalhaven.runs.sources.source import Key
from evalhaven.sampling.messages.making import RequestError
from evalhaven.sampling.messages.trajectories import Dialect, checked_items, shown_items

LOGGED_ITEM: JsonObject = {
    "type": "object",
    "properties": {"input": {}, "metadata": {}, "id": {}},
    "additionalProperties": False,
}
"""The JSON Schema of an item that is a logged call."""

_FIRST_PAGE = 16
_LARGEST_PAGE = 256
_PAGE_BYTES = 2 * 1024 * 1024
_GONE = ItemError(
    "logged_call_gone",
    "The logged call was deleted, or dropped because of its age, after the run had begun.",
    "data_source",
)
_SHOWN_AS = Dialect("chat")


class LoggedRow(Row, frozen=True):
    """A logged call as a row.

    Attributes:
        asked: What was asked, as output items show it.
    """

    asked: list[JsonValue] = msgspec.field(default_factory=list[JsonValue])

    @property
    def sample(self) -> Sample:
        """Return the reply."""
        return msgspec.structs.replace(sample_of_row(self.recorded or {}, self.recorded_text), input=self.asked)


def logged_row(call: LoggedCall | None) -> Row:
    """Return the row of a logged call; None stands for one that is gone."""
    if call is None:
        return Row({}, "{}", error=_GONE)
    conversation = conversation_of(call)
    item: JsonObject = {"input": conversation, "metadata": call.metadata, "id": call.id}
    return LoggedRow(item, jsontext.render(item), reply_of(call), call.reply, asked=_asked(conversation))


def _asked(conversation: list[JsonValue]) -> list[JsonValue]:
    try:
        return shown_items(checked_items(conversation), _SHOWN_AS)
    except RequestError:  # what was logged elsewhere need not be a conversation
        return []


class LoggedRows:
    """Gives logged calls, read a page at a time, to tasks that take them roughly in order."""

    def __init__(self, engine: Engine, scope: ProjectScope, calls: Mapping[int, int], wanted: Sequence[Key]) -> None:
        """Read nothing yet.

        Args:
            engine: What runs are executed with.
            scope: Whose calls.
            calls: The keys of the calls by position.
            wanted: Which rows, in order.
        """
        self._engine = engine
        self._scope = scope
        self._calls = calls
        self._wanted = wanted
        self._times = Counter(position for position, _ in wanted)
        self._unread = list(self._times)
        self._page_rows = _FIRST_PAGE
        self._page: dict[int, Row] = {}
        self._reading = anyio.Lock()

    def __iter__(self) -> "Iterator[PendingCall]":
        return (PendingCall(position, repeat, self) for position, repeat in self._wanted)

    async def take(self, position: int) -> Row:
        """Return the row at a position, which is kept until all its repetitions have taken it."""
        if position not in self._page:
            async with self._reading:
                while position not in self._page:
                    await self._read_page()
        self._times[position] -= 1
        return self._page[position] if self._times[position] else self._page.pop(position)

    async def _read_page(self) -> None:
        positions = self._unread[: self._page_rows]
        keys = [self._calls[position] for position in positions]
        found: Sequence[LoggedCall | None] = ()
        # A query that is interrupted costs its connection.
        with anyio.CancelScope(shield=True):
            found = await self._engine.patience.persist(partial(self._engine.log_store.read, self._scope, keys))
        rows = [logged_row(call) for call in found]
        self._page.update(zip(positions, rows, strict=True))
        del self._unread[: len(positions)]
        # A call may have kilobytes or, with images, megabytes.
        read_bytes = sum(len(row.item_text) + len(row.recorded_text) for row in rows)
        fitting = _PAGE_BYTES * len(rows) // max(1, read_bytes)
        self._page_rows = max(1, min(fitting, 2 * self._page_rows, _LARGEST_PAGE))


class PendingCall(NamedTuple):
    """A logged call that is to be evaluated."""

    position: int
    repeat: int
    rows: LoggedRows

    async def read(self) -> Row:
        """Return the call as a row."""
        return await self.rows.take(self.position)
