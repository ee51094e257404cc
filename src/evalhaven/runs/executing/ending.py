"""The status of a run while it is executed: how it moves, and which errors end it."""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from evalhaven.domain.errors import InvalidRowsError
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.statuses import RunStatus
from evalhaven.graders.base import UnsupportedGraderError
from evalhaven.runs.engine import Engine, RunStoppedError, UnsupportedRunError
from evalhaven.runs.sources.source_file import damage_of
from evalhaven.runs.vault import VaultError
from evalhaven.sampling.catalog import UnknownModelError
from evalhaven.sampling.protocols.requests import UnsupportedRequestError
from evalhaven.storage.database import is_unavailable
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.run_writes import save_status
from evalhaven.storage.runs import get_run_by_key

Write = Callable[[WriteTransaction], Awaitable[None]]
Begin = Callable[[WriteTransaction], Awaitable[bool]]


class RunEnding:
    """Moves a run that was taken up; a run that was ended and retried since is another conductor's."""

    def __init__(self, engine: Engine, run: Run) -> None:
        """Move nothing yet.

        Args:
            engine: What runs are executed with.
            run: As it was when it was taken up.
        """
        self._engine = engine
        self._run = run
        self._log = structlog.get_logger("evalhaven.runs").bind(run_id=run.id)

    async def end(self, status: RunStatus, error: ItemError | None = None, also: Write | None = None) -> None:
        """Give the run its final status, unless it has one.

        Args:
            status: A final one.
            error: Why it failed.
            also: Writes, in the same transaction, what belongs to its end.
        """
        moved = await self._move(status, error, also)
        if moved is not None:
            self._engine.teller.tell_end(moved)

    async def move(self, status: RunStatus, error: ItemError | None = None, also: Write | None = None) -> bool:
        """Move the run to a status unless it was ended before; return whether it was moved."""
        return await self._move(status, error, also) is not None

    async def _move(self, status: RunStatus, error: ItemError | None, also: Write | None) -> Run | None:
        """Do what `move` does; return the run in its new status."""
        engine = self._engine

        async def move(tx: WriteTransaction) -> Run | None:
            return await self._move_in(tx, status, error, also)

        return await engine.patience.persist(partial(engine.database.store, move))

    async def move_in(
        self, tx: WriteTransaction, status: RunStatus, error: ItemError | None = None, also: Write | None = None
    ) -> bool:
        """Do what `move` does in a transaction, which holds the run from here on."""
        return await self._move_in(tx, status, error, also) is not None

    async def _move_in(
        self, tx: WriteTransaction, status: RunStatus, error: ItemError | None, also: Write | None
    ) -> Run | None:
        run = self._run
        current = await get_run_by_key(tx, run.scope, run.key, for_update=True)
        if current.times_retried != run.times_retried:
            return None  # ended by another transaction, and queued again since
        if current.status is status:
            return current  # moved by an earlier attempt, the answer to whose commit was lost
        if not current.status.can_become(status):
            return None
        at = int(self._engine.clock.now())
        moved = current.to(status, at, error)
        await save_status(tx, run.scope, moved, at)
        if also is not None:
            await also(tx)
        return moved

    async def begin(self) -> "Begin | None":
        """Move a queued run to `in_progress`, so that everybody sees it; not yet if it is planned in a moment.

        Returns:
            What moves it, for the transaction that stores its first chunks; None: it is moved.

        Raises:
            RunStoppedError: It was ended meanwhile.
        """
        run = self._run
        if run.status is not RunStatus.QUEUED:
            return None
        if run.items_planned is None and run.has_inline_rows:
            return partial(self.move_in, status=RunStatus.IN_PROGRESS)
        if not await self.move(RunStatus.IN_PROGRESS):
            raise RunStoppedError
        return None

    async def end_by(self, error: Exception, verdict: ItemError | None) -> None:
        """End the run as an error demands.

        Args:
            error: What was raised while the run was executed; raised again if the database is away.
            verdict: The guard's, if it has one.
        """
        failure = await self.find_failure(error, verdict)
        if failure is None:
            self._log.info("run_stopped")
        else:
            await self.end(RunStatus.FAILED, failure)

    async def find_failure(self, error: Exception, verdict: ItemError | None) -> ItemError | None:
        """Return what ends the run after an error; None: it was ended already. Arguments are those of `end_by`."""
        failure = _failure_of(error)
        if failure is not None:
            return failure
        if isinstance(error, RunStoppedError):
            return verdict
        if is_unavailable(error):
            raise error
        # Its file may be gone already: a run that has ended no longer keeps it.
        return None if await self._is_over() else self._failure_of_unexpected(error)

    def _failure_of_unexpected(self, error: Exception) -> ItemError:
        damage = damage_of(error, self._run)
        if damage is not None:
            self._log.error("stored_file_damaged", reason=damage.message)
            return damage
        self._log.error("run_failed_unexpectedly", exc_info=error)
        message = "The eval run failed due to an internal error; the server's log has the details."
        return ItemError("internal_error", message)

    async def _is_over(self) -> bool:
        async with self._engine.database.read() as tx:
            return (await get_run_by_key(tx, self._run.scope, self._run.key)).status.is_final


def _failure_of(error: Exception) -> ItemError | None:
    """Return what an error says about the run itself; None if it says nothing."""
    if isinstance(error, UnsupportedRunError | UnsupportedGraderError | UnsupportedRequestError):
        return ItemError("unsupported", str(error))
    if isinstance(error, UnknownModelError):
        return ItemError("model_not_found", error.message, "sampling")
    if isinstance(error, VaultError):
        return ItemError("secrets_unreadable", f"The run cannot go on: {error}.")
    if isinstance(error, InvalidRowsError):
        return ItemError("invalid_data_source", error.message, "data_source")
    return None
