"""Batches of output items, on their way from evaluation to storage."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import OutputItem

_FLUSH_S = 0.1
_WAITING_BATCHES = 4
_PLAIN_KEYS = 2  # role and content


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is full.

    Attributes:
        items: From so many items on.
        size_bytes: From such a size on, too.
    """

    items: int = 256
    size_bytes: int = 4 * 1024 * 1024


@dataclass(slots=True)
class Batch:
    """What is stored in one transaction.

    Attributes:
        limits: When it is full.
        items: Of any chunks of a run.
        size_bytes: Their approximate size.
        finished_chunks: Numbers of the chunks of which all items are stored with this batch or before it.
        is_full: Whether the next item begins another batch.
        is_wanted: Set when there is anything in the batch.
        is_urgent: Set when it is full, or a task waits for it.
        is_stored: Set when it is stored, or refused.
    """

    limits: BatchLimits
    items: list[OutputItem] = field(default_factory=list[OutputItem])
    size_bytes: int = 0
    finished_chunks: list[int] = field(default_factory=list[int])
    is_full: bool = False
    is_wanted: anyio.Event = field(default_factory=anyio.Event)
    is_urgent: anyio.Event = field(default_factory=anyio.Event)
    is_stored: anyio.Event = field(default_factory=anyio.Event)

    def add(self, item: OutputItem) -> None:
        """Add an item."""
        self.items.append(item)
        sample = item.sample
        self.size_bytes += len(item.item_text) + len(sample.recorded_text or "")
        self.size_bytes += _length_of(sample.input) + _length_of(sample.output)
        for grade in item.grades:
            if grade.calls:
                self.size_bytes += sum(_length_of(call.input) + _length_of(call.output) for call in grade.calls)
        self.is_full = len(self.items) >= self.limits.items or self.size_bytes >= self.limits.size_bytes


def _length_of(messages: Sequence[JsonValue]) -> int:
    """Return roughly how long messages are: images are in their content, sound and tool calls beside it."""
    length = 0
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str) and isinstance(message, dict) and len(message) == _PLAIN_KEYS:
            length += len(content)
        else:
            length += len(jsontext.render(message))
    return length


class Outbox:
    """Where the tasks of a run put finished items."""

    def __init__(self, store: Callable[[Batch], Awaitable[bool]], limits: BatchLimits) -> None:
        """Begin with an empty batch.

        Args:
            store: Stores a batch; False: the run is no longer in progress, and nothing of the batch may be stored.
            limits: When a batch is full.
        """
        self._store = store
        self._limits = limits
        self._batches = deque([Batch(limits)])  # in the order in which they are stored; the last one takes items
        self._line: deque[tuple[OutputItem, asyncio.Future[None]]] = deque()
        self.is_refused = False

    def add(self, item: OutputItem) -> bool:
        """Add an item, unless too much waits while a batch is stored; return whether it was added.

        While the loop is busy, a transaction takes as long as several batches take to fill. Whoever waited for it would
        make no calls meanwhile.
        """
        batch = self._batches[-1]
        if batch.is_full:
            if not self._has_room:
                return False
            batch = self._begin_batch()
        batch.add(item)
        if len(batch.items) == 1:
            batch.is_wanted.set()
        if batch.is_full:
            batch.is_urgent.set()
        return True

    async def add_in_turn(self, item: OutputItem) -> None:
        """Add an item as soon as there is room, after those that wait already.

        A thousand tasks may wait for the same batch. Woken all at once, all but those that fit would wait again.
        """
        added = asyncio.get_running_loop().create_future()
        self._line.append((item, added))
        await added

    @property
    def _has_room(self) -> bool:
        waiting = self._batches
        return len(waiting) < _WAITING_BATCHES and sum(each.size_bytes for each in waiting) < self._limits.size_bytes

    def _begin_batch(self) -> Batch:
        batch = Batch(self._limits)
        self._batches.append(batch)
        return batch

    def _add_waiting(self) -> None:
        """Add the items that wait, as far as there is room."""
        while self._line and (not self._batches[-1].is_full or self._has_room):
            item, added = self._line.popleft()
            if not added.done():  # else its task was canceled
                self.add(item)
                added.set_result(None)

    async def store_now(self, finished_chunk: int | None = None) -> None:
        """Return once everything added so far is stored or refused.

        Args:
            finished_chunk: Number of a chunk whose items have all been added.
        """
        batch = self._batches[-1]
        if finished_chunk is not None:
            batch.finished_chunks.append(finished_chunk)
        batch.is_wanted.set()
        batch.is_urgent.set()
        await batch.is_stored.wait()

    async def store_batches(self) -> None:
        """Store what is added, one batch after the other: full batches at once, others several times a second."""
        while True:
            batch = self._batches[0]
            await batch.is_wanted.wait()
            with anyio.move_on_after(_FLUSH_S):
                await batch.is_urgent.wait()
            self._batches.popleft()
            if not self._batches:
                self._begin_batch()
            self._add_waiting()
            if not self.is_refused:
                self.is_refused = not await self._store(batch)
            batch.is_stored.set()
