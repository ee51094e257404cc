"""The tasks that evaluate the items of one run: a fixed number, whatever chunk a row belongs to."""

import time
from collections import deque
from collections.abc import Callable

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup, TaskStatus

from evalhaven.domain.runs import Chunk
from evalhaven.runs.evaluating.items import Evaluator
from evalhaven.runs.executing.batches import Outbox
from evalhaven.runs.sources.source import PendingRow, PendingRows

_SLICE_S = 0.002  # how long a task may compute before others get their turn


class _Feed:
    """The rows of one chunk."""

    __slots__ = ("chunk", "ended", "is_read", "rows", "under_way")

    def __init__(self, chunk: Chunk, rows: PendingRows) -> None:
        self.chunk = chunk
        self.rows = rows
        self.under_way = 0
        self.is_read = False
        self.ended = anyio.Event()


class ItemPool:
    """Evaluates rows; a free task takes the next row of the oldest chunk.

    Tasks outlive a chunk: starting one costs as much as everything else done for an item except its call.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        outbox: Outbox,
        stop_requested: anyio.Event,
        on_item: Callable[[Chunk], None] | None = None,
        may_begin: Callable[[], bool] | None = None,
    ) -> None:
        """Evaluate nothing yet.

        Args:
            evaluator: Evaluates the items, and says how many to evaluate at once.
            outbox: Where finished items go.
            stop_requested: Set when the run was canceled, deleted or failed: items under way are dropped then.
            on_item: Called for each item that is finished.
            may_begin: Tells whether another item may be begun; None: always.
        """
        self._evaluator = evaluator
        self._may_begin = may_begin
        self._is_draining = False
        self._outbox = outbox
        self._on_item = on_item
        self._stop_requested = stop_requested
        self._feeds: deque[_Feed] = deque()
        self._unended: set[_Feed] = set()
        self._rows_taken = 0
        self._running = 0
        self._owed = 0  # tasks that are to start with the next chunk
        self._tasks: TaskGroup | None = None

    async def serve(self, *, task_status: TaskStatus[None]) -> None:
        """Run the tasks until the run is to stop, then wake everything that waits for rows."""
        self._evaluator.watch_pauses(self._add_task)
        async with anyio.create_task_group() as self._tasks:
            task_status.started()
            await self._stop_requested.wait()
            self._tasks.cancel_scope.cancel()
        for feed in self._unended:
            feed.ended.set()

    @property
    def under_way(self) -> int:
        """Return how many items are being evaluated."""
        return self._running

    def drain(self) -> None:
        """Begin no more items; those under way are finished."""
        self._is_draining = True
        self._end_drained()

    def _end_drained(self) -> None:
        if self._is_draining and not self._running:
            for feed in self._unended:
                feed.ended.set()

    async def evaluate_rows(self, chunk: Chunk, rows: PendingRows) -> bool:
        """Return once all rows of a chunk are evaluated and in the outbox; False: some were not begun.

        Args:
            chunk: The chunk that the rows belong to.
            rows: Read as tasks become free.
        """
        if self._stop_requested.is_set() or self._is_draining:
            return False
        feed = _Feed(chunk, rows)
        self._feeds.append(feed)
        self._unended.add(feed)
        rows_at_most = chunk.row_count * self._evaluator.repeats
        for _ in range(min(rows_at_most, self._evaluator.concurrency + self._owed - self._running)):
            self._start_task()
        self._owed = 0
        try:
            await feed.ended.wait()
        finally:
            self._unended.discard(feed)
        return feed.is_read and not feed.under_way

    def _add_task(self) -> None:
        """Let another item begin while a call pauses: a pausing call does not occupy the endpoint."""
        if self._running + self._owed >= self._evaluator.most_at_once:
            return
        if self._feeds:
            self._start_task()
        else:
            self._owed += 1

    def _start_task(self) -> None:
        if self._tasks is not None:
            self._running += 1
            self._tasks.start_soon(self._work)

    async def _work(self) -> None:
        """Take rows one after the other, side by side with the other tasks, until none are left."""
        resumed_at = time.monotonic()
        try:
            while not self._stop_requested.is_set() and (taken := self._take_row()) is not None:
                feed, pending = taken
                row = await pending.read()
                rows_taken = self._rows_taken
                item = await self._evaluator.evaluate_item(row, pending.position, pending.repeat)
                if self._rows_taken != rows_taken:
                    # The task waited for something, so others had their turn.
                    resumed_at = time.monotonic()
                if not self._outbox.add(item):
                    await self._outbox.add_in_turn(item)
                if self._on_item is not None:
                    self._on_item(feed.chunk)
                feed.under_way -= 1
                if feed.is_read and not feed.under_way:
                    feed.ended.set()
                if time.monotonic() - resumed_at > _SLICE_S:
                    await anyio.lowlevel.checkpoint()
                    resumed_at = time.monotonic()
        finally:
            self._running -= 1
            self._end_drained()

    def _take_row(self) -> tuple[_Feed, PendingRow] | None:
        if self._is_draining or (self._may_begin is not None and not self._may_begin()):
            return None
        while self._feeds:
            feed = self._feeds[0]
            row = next(feed.rows, None)
            if row is not None:
                feed.under_way += 1
                self._rows_taken += 1
                return feed, row
            self._feeds.popleft()
            feed.is_read = True
            if not feed.under_way:
                feed.ended.set()
        return None
