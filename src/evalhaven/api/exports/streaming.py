"""Output items streamed into a file, a batch at a time."""

import re
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Protocol

import anyio.to_thread

from evalhaven.domain.output_items import OutputItem
from evalhaven.domain.paging import Page
from evalhaven.domain.runs import Run
from evalhaven.domain.statuses import ItemStatus
from evalhaven.storage.database import Database
from evalhaven.storage.output_items import list_items_in_order
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.runs import get_run_by_id

_BATCH = (500, 4_000_000)  # items, and characters
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


async def stream_items(
    database: Database, run: Run, written: ItemFormat, status: ItemStatus | None
) -> AsyncGenerator[bytes]:
    """Yield the bytes of an export, in the order of the items' positions and repeats.

    Each batch is a transaction of its own, so that a slow client keeps nothing from being cleaned up. Each item that
    was stored before the first batch is there once. While the run goes on, of items stored since then some are there.
    Nothing ends the file early as if it were whole: if the run is deleted meanwhile, the response is broken off.

    Args:
        database: Where they are.
        run: Whose items.
        written: The format.
        status: Only items of this status.
    """
    if head := written.begin():
        yield head
    after: tuple[int, int] | None = None
    has_more = True
    while has_more:
        page = await database.fetch(partial(_read_batch, run=run, after=after, status=status))
        has_more = page.has_more
        if page.objects:
            after = (page.objects[-1].position, page.objects[-1].repeat)
            if part := await anyio.to_thread.run_sync(written.write, page.objects):
                yield part
    if tail := await anyio.to_thread.run_sync(written.end):
        yield tail


async def _read_batch(
    tx: ReadTransaction, *, run: Run, after: tuple[int, int] | None, status: ItemStatus | None
) -> Page[OutputItem]:
    await get_run_by_id(tx, run.scope, run.id)
    return await list_items_in_order(tx, run.scope, run.key, after, _BATCH, status)


def file_name(run: Run, ending: str) -> str:
    """Return the name of a run's file: letters, digits, dashes, underscores and dots, whatever the run is called."""
    words = _NOT_OF_NAMES.sub("-", run.name).strip("-")[:_LONGEST_NAME].strip("-")
    partial_note = "" if run.status.is_final else "-partial"
    return f"{words}-{run.id}{partial_note}.{ending}".removeprefix("-")
