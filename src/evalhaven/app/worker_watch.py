"""How this process looks at workers: through the database, or with SQLite at the server's own executor."""

import socket
import time
from collections.abc import Callable

from evalhaven import __version__
from evalhaven.app.crew import Crew
from evalhaven.app.stores import database_url
from evalhaven.app.supervisor import Supervisor
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.reports.worker_overviews import OwnExecutor, Watcher, read_workers
from evalhaven.settings import Settings
from evalhaven.storage.database import open_database
from evalhaven.wire.workers import WorkerOverviewList


def watcher_of(settings: Settings, executor: Crew | None) -> Callable[[], Watcher]:
    """Return what tells who looks at workers.

    Args:
        settings: Those of the server.
        executor: Keeps the executor, or several workers, alive; None if this process has none.
    """
    host = socket.gethostname()

    def watcher() -> Watcher:
        own = None if settings.database_url is not None else _own(host, executor and executor.first)
        return Watcher(__version__, settings.worker_lease_s, own)

    return watcher


async def look_at_workers(settings: Settings) -> WorkerOverviewList:
    """Return the workers of a PostgreSQL database, without a server."""
    database = open_database(database_url(settings))
    watcher = watcher_of(settings, None)()
    try:
        return await database.fetch(lambda tx: read_workers(tx, DEFAULT_PROJECT, watcher, int(time.time())))
    finally:
        await database.close()


def _own(host: str, executor: Supervisor | None) -> OwnExecutor:
    if executor is None or executor.process is None:
        return OwnExecutor(host, None, int(time.time()), 0.0, is_up=False)
    started_at = int(time.time() - executor.age_s)
    return OwnExecutor(host, executor.process, started_at, round(executor.silent_s, 1), is_up=executor.state.is_up)
