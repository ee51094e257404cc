"""How long logged calls are kept: by age and by size, whole days at a time."""

from datetime import UTC, datetime, timedelta

import anyio
import structlog

from evalhaven.domain.clock import Clock
from evalhaven.logs.store import LogStore
from evalhaven.settings import Settings

_BETWEEN_LOOKS_S = 3600.0
_GB = 1_000_000_000


async def drop_old_calls(store: LogStore, settings: Settings, clock: Clock) -> None:
    """Drop the days that the settings do not keep, now and every hour, until canceled."""
    log = structlog.get_logger("evalhaven.logs")
    most_bytes = None if settings.log_max_gb is None else int(settings.log_max_gb * _GB)
    while True:
        oldest = datetime.fromtimestamp(clock.now(), UTC) - timedelta(days=settings.log_days)
        try:
            dropped = await store.drop(before_day=oldest.date().isoformat(), most_bytes=most_bytes)
        except Exception as error:
            log.warning("logged_calls_not_dropped", reason=str(error.__cause__ or error))
        else:
            if dropped:
                log.info("logged_calls_dropped", days=list(dropped))
        await anyio.sleep(_BETWEEN_LOOKS_S)
