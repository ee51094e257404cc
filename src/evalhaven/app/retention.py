"""How long logged calls are kept: by age and by size, whole days at a time, and in each project as it wants."""

from datetime import UTC, datetime, timedelta

import anyio
import structlog

from evalhaven.domain.clock import Clock
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.logs.store import LogStore
from evalhaven.settings import Settings
from evalhaven.storage.access.retention import list_kept_days
from evalhaven.storage.database import Database

_BETWEEN_LOOKS_S = 3600.0
_BETWEEN_BATCHES_S = 0.05  # for whoever else waits to write into the same day
_GB = 1_000_000_000


async def drop_old_calls(store: LogStore, database: Database, settings: Settings, clock: Clock) -> None:
    """Drop the calls that the settings, and those that their projects, do not keep, now and every hour."""
    while True:
        await drop_once(store, database, settings, clock)
        await anyio.sleep(_BETWEEN_LOOKS_S)


async def drop_once(store: LogStore, database: Database, settings: Settings, clock: Clock) -> None:
    """Drop the calls that are not kept any longer; what cannot be dropped is left for the next time."""
    log = structlog.get_logger("evalhaven.logs")
    most_bytes = None if settings.log_max_gb is None else int(settings.log_max_gb * _GB)
    try:
        dropped = await store.drop(before_day=_oldest_kept(clock, settings.log_days), most_bytes=most_bytes)
        projects = await database.fetch(lambda tx: list_kept_days(tx, EngineScope()))
    except Exception as error:
        log.warning("logged_calls_not_dropped", reason=_reason(error))
        return
    if dropped:
        log.info("logged_calls_dropped", days=list(dropped))
    for scope, days in projects.items():
        if days < settings.log_days:
            await _drop_of_project(store, scope, _oldest_kept(clock, days))


async def _drop_of_project(store: LogStore, scope: ProjectScope, before_day: str) -> None:
    log = structlog.get_logger("evalhaven.logs")
    calls = 0
    try:
        async for dropped in store.drop_calls(scope, before_day=before_day):
            calls += dropped
            await anyio.sleep(_BETWEEN_BATCHES_S)
    except Exception as error:
        log.warning("logged_calls_not_dropped", project=scope.project_id, reason=_reason(error))
    if calls:
        log.info("logged_calls_dropped", project=scope.project_id, before_day=before_day, calls=calls)


def _oldest_kept(clock: Clock, days: int) -> str:
    return (datetime.fromtimestamp(clock.now(), UTC) - timedelta(days=days)).date().isoformat()


def _reason(error: Exception) -> str:
    return str(error.__cause__ or error)
