"""The keeper of columns: makes those of every run that has ended, a part at a time; after a kill it goes on."""

from functools import partial

import anyio
import structlog

from evalhaven.domain.errors import NotFoundError
from evalhaven.domain.scopes import EngineScope
from evalhaven.reports.columns.form import FORM, PART_BYTES, PART_ITEMS
from evalhaven.runs.patience import Patience
from evalhaven.storage.database import Database
from evalhaven.storage.evals import get_eval
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_columns import (
    ColumnsHead,
    OutdatedRun,
    find_columns_head,
    finish_columns,
    list_items_for_columns,
    list_outdated_runs,
    mark_other_forms_outdated,
    store_columns_part,
)
from evalhaven.storage.runs import get_run_by_key

_LOOK_AGAIN_S = 2.0
_RUNS_A_LOOK = 100
_PAUSE_S = 0.01


class ColumnsKeeper:
    """Works through the runs whose columns are outdated, the newest first."""

    def __init__(self, database: Database, patience: Patience, part_items: int = PART_ITEMS) -> None:
        """Begin nothing yet.

        Args:
            database: Where the runs are.
            patience: Waits where the database is away.
            part_items: Most items in a part.
        """
        self._database = database
        self._patience = patience
        self._part_items = part_items
        self._wake = anyio.Event()
        self._seen: dict[int, int] = {}  # versions of imported runs at the last look
        self._failed = set[tuple[int, int]]()
        self._log = structlog.get_logger("evalhaven.columns")

    def wake(self) -> None:
        """Look now: a run may have ended."""
        self._wake.set()

    async def keep_forever(self) -> None:
        """Make outdated columns, then look again every few seconds and when woken."""
        await self._patience.persist(self._mark_other_forms)
        while True:
            self._wake = anyio.Event()
            await self._patience.persist(self.keep_once)
            with anyio.move_on_after(_LOOK_AGAIN_S):
                await self._wake.wait()

    async def keep_once(self) -> None:
        """Make the columns of the runs that have ended so far."""
        found = await self._database.fetch(partial(list_outdated_runs, _scope=EngineScope(), limit=_RUNS_A_LOOK))
        seen, self._seen = self._seen, {run.key: run.items_version for run in found if run.is_imported}
        for run in found:
            # An import stores a run first and its items after it; it is over when nothing has changed for a while.
            is_settled = not run.is_imported or seen.get(run.key) == run.items_version
            if is_settled and (run.key, run.items_version) not in self._failed:
                await self._make(run)

    async def _make(self, run: OutdatedRun) -> None:
        try:
            await self.make_columns(run)
        except NotFoundError:
            pass  # its eval was deleted meanwhile
        except (ValueError, TypeError, LookupError):
            # Rows that cannot be read must not keep the columns of other runs from being made.
            self._failed.add((run.key, run.items_version))
            self._log.exception("columns_not_made", run_key=run.key)

    async def make_columns(self, run: OutdatedRun) -> None:
        """Make the columns of a run, or what is missing of them."""
        from evalhaven.reports.columns.making import ColumnMaker  # noqa: PLC0415 - loads numpy

        head = await self._begun(run)
        maker = ColumnMaker(await self._count_criteria(run), head.codes)
        while True:
            rows = await self._database.fetch(
                partial(
                    list_items_for_columns,
                    scope=run.scope,
                    run_key=run.key,
                    after=head.last,
                    limit=self._part_items,
                    most_bytes=PART_BYTES,
                )
            )
            if not rows:
                break
            columns = await anyio.to_thread.run_sync(maker.make, rows)
            last = (rows[-1].position, rows[-1].repeat)
            head = ColumnsHead(run.items_version, FORM, head.parts + 1, head.items + len(rows), last, maker.codes)
            async with self._database.write() as tx:
                await store_columns_part(tx, run.scope, run.key, columns, head)
            await anyio.sleep(_PAUSE_S)
        async with self._database.write() as tx:
            await finish_columns(tx, run.scope, run.key, run.items_version)

    async def _begun(self, run: OutdatedRun) -> ColumnsHead:
        head = await self._database.fetch(partial(find_columns_head, scope=run.scope, run_key=run.key))
        if head is not None and head.items_version == run.items_version and head.form == FORM:
            return head
        return ColumnsHead(run.items_version, FORM)

    async def _count_criteria(self, run: OutdatedRun) -> int:
        async def read(tx: ReadTransaction) -> int:
            found = await get_run_by_key(tx, run.scope, run.key)
            return len(found.criteria(await get_eval(tx, run.scope, found.eval_id)))

        return await self._database.fetch(read)

    async def _mark_other_forms(self) -> None:
        async with self._database.write() as tx:
            await mark_other_forms_outdated(tx, EngineScope(), FORM)
