"""All that is left to do in a database, over all projects, for whoever watches a server."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.queue.overview import count_live_jobs, list_seen_workers
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.work_left import WorkLeft, read_size_bytes, read_work_left


@dataclass(frozen=True, slots=True)
class WorkOverview:
    """What is left to do, and who does it.

    Attributes:
        left: Runs and chunks.
        jobs: How many jobs wait, and how many are under way, as far as there is a queue.
        workers: How many workers are `live`, and how many `silent`, of those that the database knows.
    """

    left: WorkLeft
    jobs: tuple[int, int] | None = None
    workers: Mapping[str, int] = field(default_factory=dict[str, int])


async def read_work(tx: ReadTransaction, lease_s: float | None) -> WorkOverview:
    """Return what is left to do.

    Args:
        tx: Open transaction.
        lease_s: After how many seconds of silence a worker counts as dead; None: the database has no queue.
    """
    left = await read_work_left(tx, EngineScope())
    if lease_s is None:
        return WorkOverview(left)
    seen = await list_seen_workers(tx, EngineScope())
    workers = Counter("live" if each.silent_s <= lease_s else "silent" for each in seen)
    return WorkOverview(left, await count_live_jobs(tx, EngineScope()), workers)


async def measure_database(tx: ReadTransaction, *, is_sqlite: bool) -> int:
    """Return the size of the database in bytes."""
    return await read_size_bytes(tx, EngineScope(), is_sqlite=is_sqlite)
