"""The keeper of columns: makes those of every run, part by part; after a kill it goes on where it was.

While a run goes on, its columns follow the chunks that are done, so that little is left when it ends. Every run has its
turn for one part, and those that go on are first: they grow no faster than they are executed. Most parts are made in a
process of their own, which takes no time from the runs; only those of small runs are not worth one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import anyio
import structlog
from sqlalchemy import URL

from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.graders.calculators import CalculatorError, CalculatorPool
from evalhaven.reports.columns.form import FORM, PART_ITEMS
from evalhaven.reports.columns.preparing import PreparedPart, is_part_due, prepare_part, prepare_part_elsewhere
from evalhaven.runs.patience import Patience
from evalhaven.storage.database import Database
from evalhaven.storage.run_columns import (
    KeptReport,
    OutdatedRun,
    finish_columns,
    list_growing_runs,
    list_outdated_runs,
    lock_live_run,
    mark_other_forms_outdated,
    store_columns_part,
    store_kept_report,
)

_LOOK_AGAIN_S = 5.0  # in case a wake-up was lost
_SETTLES_S = 2.0
_PAUSE_S = 0.25
_FOLLOW_S = 0.5  # a run that goes on quickly must not have too long a tail when it ends
_FOLLOWED_FOR_S = 10.0
_RUNS_A_LOOK = 100
_ENDED_A_ROUND = 8
_MADE_HERE_ITEMS = 2_000


@dataclass(frozen=True, slots=True)
class KeptReports:
    """Which runs have their report kept once their columns are complete.

    Attributes:
        least_items: From how many items on.
        compute: Computes what is kept, in a process of its own: given the database, the scope and the run; returns
            None if the database is away.
    """

    least_items: int
    compute: Callable[[URL, ProjectScope, int], KeptReport | None]


class ColumnsKeeper:
    """Works through the runs whose columns are outdated: those that go on, then the newest that have ended."""

    def __init__(
        self,
        database: Database,
        calculators: CalculatorPool,
        patience: Patience,
        part_items: int = PART_ITEMS,
        reports: KeptReports | None = None,
    ) -> None:
        """Begin nothing yet.

        Args:
            database: Where the runs are.
            calculators: Makes the parts of larger runs.
            patience: Waits where the database is away.
            part_items: Most items in a part.
            reports: Which reports are kept; None for none.
        """
        self._reports = reports
        self.is_on_duty: Callable[[], bool] = lambda: True  # where there are several workers, one of them makes columns
        self._database = database
        self._calculators = calculators
        self._patience = patience
        self._part_items = part_items
        self._wake = anyio.Event()
        self._followed_at = -_FOLLOWED_FOR_S
        self._seen: dict[int, int] = {}  # versions of imported runs at the last look
        self._failed = set[tuple[int, int | None]]()
        self._log = structlog.get_logger("evalhaven.columns")

    def wake(self) -> None:
        """Look soon: something has happened."""
        self._wake.set()

    async def keep_forever(self) -> None:
        """Make outdated columns, then look again every few seconds and soon after being woken.

        Most wake-ups tell of a new run, which must not wait for this.
        """
        await self._patience.persist(self._mark_other_forms)
        while True:
            self._wake = anyio.Event()
            if self.is_on_duty():
                await self._patience.persist(self.keep_once)
            await self._calculators.end_idle()
            with anyio.move_on_after(self._look_again_s):
                await self._wake.wait()
                await anyio.sleep(_PAUSE_S)

    @property
    def _look_again_s(self) -> float:
        if anyio.current_time() - self._followed_at < _FOLLOWED_FOR_S:
            return _FOLLOW_S
        return _SETTLES_S if self._seen else _LOOK_AGAIN_S

    async def keep_once(self) -> None:
        """Make all parts that are due."""
        settled = await self._settled_imports()
        while await self._make_round(settled):
            pass

    async def _settled_imports(self) -> set[int]:
        """Return the imported runs whose items have stopped coming: the run is stored first, and its items after it."""
        seen, self._seen = self._seen, {run.key: run.items_version for run in await self._ended() if run.is_imported}
        return {key for key, version in self._seen.items() if seen.get(key) == version}

    async def _ended(self) -> list[OutdatedRun]:
        return await self._database.fetch(partial(list_outdated_runs, _scope=EngineScope(), limit=_RUNS_A_LOOK))

    async def _make_round(self, settled: set[int]) -> bool:
        """Make a part of each run whose turn it is; return whether there was any."""
        growing = await self._database.fetch(
            partial(list_growing_runs, _scope=EngineScope(), form=FORM, items=self._part_items // 2)
        )
        if growing:
            self._followed_at = anyio.current_time()
        ended = [run for run in await self._ended() if not run.is_imported or run.key in settled]
        ended = [run for run in ended if _attempt(run) not in self._failed]
        made = False
        for run in (*[run for run in growing if _attempt(run) not in self._failed], *ended[:_ENDED_A_ROUND]):
            made = await self._make_part(run) or made
        return made

    async def _make_part(self, run: OutdatedRun) -> bool:
        """Make the next part of a run, if it is due; return whether anything was stored."""
        try:
            prepared = await self._prepare(run)
        except (ValueError, TypeError, LookupError, CalculatorError) as error:
            # Rows that cannot be read must not keep the columns of other runs from being made.
            if not (isinstance(error, CalculatorError) and error.retryable):
                self._failed.add(_attempt(run))
            self._log.exception("columns_not_made", run_key=run.key)
            return False
        if prepared is None:
            return False
        async with self._database.write() as tx:
            if not await lock_live_run(tx, run.scope, run.key):
                return False
            if prepared.head is not None:
                await store_columns_part(tx, run.scope, run.key, prepared.number, prepared.columns, prepared.head)
            if prepared.is_last and not self._keeps_report(run):
                return await finish_columns(tx, run.scope, run.key, prepared.items_version)
        if prepared.is_last:
            return await self._finish_with_report(run, prepared.items_version)
        return True

    def _keeps_report(self, run: OutdatedRun) -> bool:
        return self._reports is not None and run.items >= self._reports.least_items

    async def _finish_with_report(self, run: OutdatedRun, items_version: int) -> bool:
        """Mark the columns of a run as complete together with its report, which is computed from them."""
        kept = None
        try:
            if self._reports is not None:
                kept = await self._calculators.call(self._reports.compute, self._database.url, run.scope, run.key)
        except CalculatorError:
            # It is computed whenever it is asked for, then.
            self._log.exception("report_not_kept", run_key=run.key)
        async with self._database.write() as tx:
            is_finished = await finish_columns(tx, run.scope, run.key, items_version)
            if is_finished and kept is not None and kept.items_version == items_version:
                await store_kept_report(tx, run.scope, run.key, kept)
        return is_finished

    async def _prepare(self, run: OutdatedRun) -> PreparedPart | None:
        arguments = (run.scope, run.key, self._part_items)
        if run.items <= _MADE_HERE_ITEMS:
            return await self._database.fetch(lambda tx: prepare_part(tx, *arguments))
        if not run.has_ended and not await self._database.fetch(lambda tx: is_part_due(tx, *arguments)):
            return None
        return await self._calculators.call(prepare_part_elsewhere, self._database.url, *arguments)

    async def _mark_other_forms(self) -> None:
        async with self._database.write() as tx:
            await mark_other_forms_outdated(tx, EngineScope(), FORM)


def _attempt(run: OutdatedRun) -> tuple[int, int | None]:
    """Return what has failed if a part of a run cannot be made: once the run has ended, it is tried again."""
    return run.key, run.items_version if run.has_ended else None
