"""Lifecycle: canceling and deleting. Each is one transaction, after which no more items of the run are counted."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.clock import Clock
from evalhaven.domain.evals import Eval
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.telling import Teller
from evalhaven.storage import eval_writes, run_writes
from evalhaven.storage.database import Database
from evalhaven.storage.evals import get_eval
from evalhaven.storage.runs import get_run, lock_active_runs

Note = Callable[[AsyncConnection, str], Awaitable[None]]
"""Notes a deletion in its transaction; told the name of what is deleted."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Cancels runs, and deletes runs and evals.

    Each method raises NotFoundError if there is no such object.

    Attributes:
        wake_executor: Tells the executor that a run was canceled or deleted.
        teller: Tells of runs that have ended.
    """

    database: Database
    clock: Clock
    wake_executor: Callable[[], None]
    teller: Teller = field(default_factory=Teller)

    async def cancel_run(self, scope: ProjectScope, eval_id: str, run_id: str) -> tuple[Run, Eval]:
        """Cancel a run: finished items stay. A run that has ended is returned unchanged."""
        async with self.database.write() as tx:
            parent = await get_eval(tx, scope, eval_id)
            run = await get_run(tx, scope, eval_id, run_id, for_update=True)
            run = await self._ended(tx, scope, run)
        self.wake_executor()
        return run, parent

    async def delete_run(self, scope: ProjectScope, eval_id: str, run_id: str, note: Note) -> None:
        """Delete a run, canceling it first if it is under way. Its items disappear at once and are purged later."""
        async with self.database.write() as tx:
            run = await get_run(tx, scope, eval_id, run_id, for_update=True)
            await self._ended(tx, scope, run)
            await run_writes.delete_run(tx, scope, run.key, self._now())
            await note(tx, run.name)
        self.wake_executor()

    async def delete_eval(self, scope: ProjectScope, eval_id: str, note: Note) -> None:
        """Delete an eval with its runs, first canceling those under way."""
        async with self.database.write() as tx:
            found = await get_eval(tx, scope, eval_id, for_update=True)
            for run in await lock_active_runs(tx, scope, found.key):
                await self._ended(tx, scope, run)
            await eval_writes.delete_eval(tx, scope, found.key, self._now())
            await note(tx, found.name)
        self.wake_executor()

    async def cancel_all(self, tx: AsyncConnection, scope: ProjectScope) -> None:
        """Cancel all runs of a project, in the transaction that closes it; then wake the executor."""
        for run in await lock_active_runs(tx, scope):
            await self._ended(tx, scope, run)

    async def _ended(self, tx: AsyncConnection, scope: ProjectScope, run: Run) -> Run:
        """Return a locked run, canceled if it was under way."""
        if run.status.is_final:
            return run
        canceled = run.to(RunStatus.CANCELED, self._now())
        await run_writes.save_status(tx, scope, canceled, self._now())
        # Before the commit, which hardly ever fails.
        self.teller.tell_end(canceled)
        return canceled

    def _now(self) -> int:
        return int(self.clock.now())
