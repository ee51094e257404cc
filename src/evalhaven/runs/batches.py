"""Batches of output items, on their way from evaluation to storage."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from evalhaven.domain import jsontext
from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import OutputItem

BATCH_ITEMS = 256
BATCH_BYTES = 4 * 1024 * 1024
_FLUSH_S = 0.1
_PLAIN_KEYS = 2  # role and content


@dataclass(slots=True)
class Batch:
    """Items that are stored in one transaction; the last one of a chunk marks it as done."""

    items: list[OutputItem] = field(default_factory=list[OutputItem])
    size_bytes: int = 0
    is_last: bool = False

    @property
    def is_full(self) -> bool:
        """Tell whether it is to be stored before anything is added."""
        return len(self.items) >= BATCH_ITEMS or self.size_bytes >= BATCH_BYTES

    def add(self, item: OutputItem) -> None:
        """Add an item."""
        self.items.append(item)
        sample = item.sample
        self.size_bytes += len(item.item_text) + len(sample.recorded_text or "")
        self.size_bytes += _length_of(sample.input) + _length_of(sample.output)
        for grade in item.grades:
            for call in grade.calls:
                self.size_bytes += _length_of(call.input) + _length_of(call.output)


def _length_of(messages: Sequence[JsonValue]) -> int:
    """Return about how long messages are: images stand in their content, sound and calls of tools beside it."""
    length = 0
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str) and isinstance(message, dict) and len(message) == _PLAIN_KEYS:
            length += len(content)
        else:
            length += len(jsontext.render(message))
    return length


class Outbox:
    """Where many tasks put their items; they wait there while the batch before is being stored."""

    def __init__(self, send: MemoryObjectSendStream[Batch]) -> None:
        """Begin with an empty batch.

        Args:
            send: Takes the batches, one at a time.
        """
        self._send = send
        self._batch = Batch()
        self._sending = anyio.Lock()
        self._closed = anyio.Event()

    async def add(self, item: OutputItem) -> None:
        """Add an item, and wait for storage where that makes a full batch."""
        self._batch.add(item)
        if self._batch.is_full:
            await self.flush()

    async def flush(self, *, is_last: bool = False) -> None:
        """Hand over what is there.

        Args:
            is_last: Nothing comes after it.
        """
        async with self._sending:
            batch, self._batch = self._batch, Batch()
            batch.is_last = is_last
            if batch.items or is_last:
                try:
                    await self._send.send(batch)
                except anyio.get_cancelled_exc_class():
                    # What was finished stays; if it was handed over after all, storage knows it by its position.
                    for item in batch.items:
                        self._batch.add(item)
                    raise

    async def flush_regularly(self) -> None:
        """Hand over what is there, several times a second, until the outbox is closed."""
        while not self._closed.is_set():
            with anyio.move_on_after(_FLUSH_S):
                await self._closed.wait()
            await self.flush()

    def close(self) -> None:
        """End the regular handing over."""
        self._closed.set()
