"""The servers beside this one: what each tells of the calls that it was to store, so that any can tell of all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio
import structlog

from evalhaven.storage.database import Database, is_unavailable
from evalhaven.storage.queue.servers import (
    ServerReport,
    are_others_recording,
    forget_servers,
    list_other_servers,
    tell_of_server,
)
from evalhaven.storage.reading import ReadTransaction

_BETWEEN_REPORTS_S = 3.0
_LEAVES_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class OtherServer:
    """What another server told last, and whether it is still there."""

    report: ServerReport
    is_heard: bool


class Replicas:
    """Knows the other servers of a PostgreSQL database; a SQLite database has only one."""

    def __init__(self, database: Database, report: Callable[[], ServerReport] | None) -> None:
        """Tell nothing yet.

        Args:
            database: What they share.
            report: Returns what this server tells of itself; None where there can be no others.
        """
        self._database = database
        self._report = report

    async def serve(self) -> None:
        """Tell the others of this server every few seconds, until canceled."""
        if self._report is None:
            return
        while True:
            await self._tell(self._report())
            await anyio.sleep(_BETWEEN_REPORTS_S)

    async def leave(self) -> None:
        """Tell the others that this server ends, and what it leaves."""
        if self._report is not None:
            with anyio.move_on_after(_LEAVES_WITHIN_S):
                await self._tell(replace(self._report(), is_up=False))

    async def _tell(self, report: ServerReport) -> None:
        """Tell the others; if the database is away, they hear nothing."""
        try:
            async with self._database.write() as tx:
                await tell_of_server(tx, report)
                await forget_servers(tx)
        except Exception as error:
            if not is_unavailable(error):
                structlog.get_logger("evalhaven.replicas").exception("servers_not_told")

    async def others(self) -> Sequence[OtherServer]:
        """Return the other servers, those included that ended within the last weeks."""
        if self._report is None:
            return ()
        seat = self._report().seat

        async def read(tx: ReadTransaction) -> Sequence[OtherServer]:
            return [OtherServer(*each) for each in await list_other_servers(tx, seat)]

        return await self._database.fetch(read)

    async def are_recording(self) -> bool:
        """Tell whether others may be about to store calls, which this server will find then."""
        if self._report is None:
            return False
        seat = self._report().seat

        async def read(tx: ReadTransaction) -> bool:
            return await are_others_recording(tx, seat)

        return await self._database.fetch(read)
