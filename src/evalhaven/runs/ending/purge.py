"""The purger: removes what was deleted or has expired, a little at a time."""

import time
from collections.abc import Callable, Sequence

import anyio
import structlog

from evalhaven.domain.clock import Clock
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.runs.patience import Patience
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import Database, is_unavailable
from evalhaven.storage.events import forget_events
from evalhaven.storage.files import expire_files
from evalhaven.storage.grader_calls import forget_grader_calls
from evalhaven.storage.idempotency import forget_keys
from evalhaven.storage.purge import (
    DeletedRun,
    find_deleted_file,
    find_deleted_run,
    finish_file_purge,
    finish_run_purge,
    list_owned_blobs,
    purge_evals,
    purge_output_items,
)
from evalhaven.storage.sample_cache import forget_samples
from evalhaven.storage.uploads import (
    expire_uploads,
    find_ended_upload,
    finish_upload_purge,
    forget_uploads,
    list_parts,
)

_LARGEST_BATCH = 256  # items deleted in one transaction
_LONGEST_BATCH_S = 0.05
_IDLE_S = 5.0
_PAUSE_S = 0.25
_BETWEEN_SWEEPS_S = 3600.0
_SWEPT_AT_ONCE = 500


class Purger:
    """Works through deleted runs, evals and files and ended uploads in short transactions; after a kill it resumes."""

    def __init__(self, database: Database, blobs: BlobStore, clock: Clock, patience: Patience) -> None:
        self.is_on_duty: Callable[[], bool] = lambda: True  # where there are several workers, one of them purges
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._patience = patience
        self._wake = anyio.Event()
        self._log = structlog.get_logger("evalhaven.purge")

    async def purge_forever(self) -> None:
        """Purge what is deleted, then look again every few seconds and soon after being woken.

        Most wake-ups tell of a new run, which must not wait for the transactions of a purge.
        """
        while True:
            self._wake = anyio.Event()
            if self.is_on_duty():
                await self._patience.persist(self.purge_once)
            with anyio.move_on_after(_IDLE_S):
                await self._wake.wait()
                await anyio.sleep(_PAUSE_S)

    def wake(self) -> None:
        """Look soon: something may have been deleted."""
        self._wake.set()

    async def purge_once(self) -> None:
        """Purge everything deleted so far."""
        now = int(self._clock.now())
        async with self._database.write() as tx:
            await expire_files(tx, EngineScope(), now)
            await expire_uploads(tx, EngineScope(), now)
            await forget_uploads(tx, EngineScope(), now)
            await forget_keys(tx, EngineScope(), now)
            await forget_samples(tx, EngineScope(), now)
            await forget_grader_calls(tx, EngineScope(), now)
            await forget_events(tx, EngineScope(), now)
        while (run := await self._next_run()) is not None:
            await self._purge_run(run)
        async with self._database.write() as tx:
            await purge_evals(tx, EngineScope(), now)
        await self._purge_files()
        await self._purge_uploads()

    async def _next_run(self) -> DeletedRun | None:
        async with self._database.read() as tx:
            return await find_deleted_run(tx, EngineScope())

    async def _purge_run(self, run: DeletedRun) -> None:
        last: tuple[int, int] | None = None
        is_left, limit = True, _LARGEST_BATCH
        while is_left:
            begins_at_first = last is None
            started = time.monotonic()
            async with self._database.write() as tx:
                last = await purge_output_items(tx, run.scope, run.key, limit, last)
            # Only a search from the first position on proves that no item is left.
            is_left = last is not None or not begins_at_first
            # Requests wait for the lock meanwhile, and deleting items of megabytes takes long.
            is_slow = time.monotonic() - started > _LONGEST_BATCH_S
            limit = max(limit // 2, 1) if is_slow else min(2 * limit, _LARGEST_BATCH)
            # The lock is not fair: a short pause lets requests and runs take it.
            await anyio.sleep(0.002)
        self._blobs.delete(run.scope, run.id)
        async with self._database.write() as tx:
            await finish_run_purge(tx, run.scope, run.key, int(self._clock.now()))
        self._log.info("run_purged", run_id=run.id)

    async def _purge_files(self) -> None:
        while True:
            async with self._database.read() as tx:
                found = await find_deleted_file(tx, EngineScope())
            if found is None:
                return
            self._blobs.delete(found.scope, found.id)
            async with self._database.write() as tx:
                await finish_file_purge(tx, found.scope, found.key, int(self._clock.now()))
            self._log.info("file_purged", file_id=found.id)

    async def _purge_uploads(self) -> None:
        while True:
            async with self._database.read() as tx:
                found = await find_ended_upload(tx, EngineScope())
                # Whoever stores a part finds the upload ended, so these are all.
                parts = [] if found is None else await list_parts(tx, found.scope, found.key)
            if found is None:
                return
            for part in parts:
                self._blobs.delete(found.scope, part.id)
            async with self._database.write() as tx:
                await finish_upload_purge(tx, found.scope, found.key, int(self._clock.now()))
            self._log.info("upload_purged", upload_id=found.id)


async def sweep_blobs(
    database: Database, blobs: BlobStore, at_once: int = _SWEPT_AT_ONCE, most_shown: int = 10, spared_s: float = 0.0
) -> None:
    """Remove the blobs of which a kill prevented the row, and log the others that no row names.

    Call it before requests are accepted: a blob that is being written has no row yet either.

    Args:
        database: Whose rows name blobs.
        blobs: The blobs.
        at_once: How many names are looked for in one query.
        most_shown: How many of the unknown names are logged.
        spared_s: What was written within so many seconds stays: others may be writing it.
    """
    await _sweep_unnamed(database, blobs, at_once, spared_s)
    being_written = {(scope, name) for scope, names in blobs.unnamed(at_once) for name in names}
    count, shown = 0, list[str]()
    for scope, names in blobs.names(at_once=at_once):
        unknown = {name for name in names if (scope, name) not in being_written}
        unknown -= await _owned(database, scope, names)
        count += len(unknown)
        shown += [f"{scope.project_id}/{name}" for name in sorted(unknown)[: most_shown - len(shown)]]
    if count:
        # Their rows may be in a newer copy of the database: only the operator can know.
        structlog.get_logger("evalhaven.purge").warning(
            "unknown_blobs_kept", count=count, such_as=", ".join(shown), directory=blobs.place
        )


async def sweep_hourly(database: Database, blobs: BlobStore, spared_s: float) -> None:
    """Remove blobs without rows that others leave who die while this server runs, until canceled."""
    while True:
        await anyio.sleep(_BETWEEN_SWEEPS_S)
        try:
            await _sweep_unnamed(database, blobs, _SWEPT_AT_ONCE, spared_s)
        except Exception as error:
            if not (isinstance(error, OSError) or is_unavailable(error)):
                raise
            structlog.get_logger("evalhaven.purge").warning("blobs_not_swept", reason=str(error.__cause__ or error))


async def _sweep_unnamed(database: Database, blobs: BlobStore, at_once: int, spared_s: float) -> None:
    blobs.drop_parts(spared_s)
    for scope, names in blobs.unnamed(at_once, spared_s):
        owned = await _owned(database, scope, names)
        for name in names:
            if name not in owned:
                blobs.delete(scope, name)
                structlog.get_logger("evalhaven.purge").info("orphan_blob_removed", project=scope.project_id, blob=name)
            blobs.confirm(scope, name)


async def _owned(database: Database, scope: ProjectScope, names: Sequence[str]) -> set[str]:
    async with database.read() as tx:
        return await list_owned_blobs(tx, scope, names)
