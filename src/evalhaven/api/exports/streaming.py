"""Output items streamed into a file, a batch at a time."""

import re
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Protocol

import anyio.to_thread

from evalhaven.api.exports.sources import ItemSource, Place
from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.runs import Run
from evalhaven.storage.database import Database
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_id

_LONGEST_NAME = 60
_NOT_OF_NAMES = re.compile(r"[^A-Za-z0-9_]+")


class ItemFormat(Protocol):
    """Output items as the bytes of a file."""

    def begin(self) -> bytes:
        """Return what comes before the first item."""
        ...

    def write(self, items: Sequence[OutputItem]) -> bytes:
        """Return what can be sent once these items are there."""
        ...

    def end(self) -> bytes:
        """Return what comes after the last item."""
        ...


async def stream_items(database: Database, run: Run, written: ItemFormat, source: ItemSource) -> AsyncGenerator[bytes]:
    """Yield the bytes of an export.

    Each batch is a transaction of its own, so that a slow client keeps nothing from being cleaned up. Each item that
    was stored before the first batch is there once. While the run goes on, of items stored since then some are there.
    Nothing ends the file early as if it were whole: if the run is deleted meanwhile, the response is broken off.

    Args:
        database: Where they are.
        run: Whose items.
        written: The format.
        source: Which of its items, in which order.
    """
    if head := written.begin():
        yield head
    place: Place | None = None
    has_more = True
    while has_more:
        items, place = await database.fetch(partial(_read_batch, run=run, source=source, place=place))
        has_more = place is not None
        if items and (part := await anyio.to_thread.run_sync(written.write, items)):
            yield part
    if tail := await anyio.to_thread.run_sync(written.end):
        yield tail


async def _read_batch(
    tx: ReadTransaction, *, run: Run, source: ItemSource, place: Place | None
) -> tuple[Sequence[OutputItem], Place | None]:
    await get_run_by_id(tx, run.scope, run.id)
    return await source.read(tx, place)


def file_name(run: Run, ending: str) -> str:
    """Return the name of a run's file: letters, digits, dashes, underscores and dots, whatever the run is called."""
    words = _NOT_OF_NAMES.sub("-", run.name).strip("-")[:_LONGEST_NAME].strip("-")
    partial_note = "" if run.status.is_final else "-partial"
    return f"{words}-{run.id}{partial_note}.{ending}".removeprefix("-")
