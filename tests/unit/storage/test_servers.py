"""Facts about what servers of one database tell each other."""

from dataclasses import replace

from sqlalchemy import text

from evalhaven.storage.database import Database
from evalhaven.storage.queue.servers import (
    ServerReport,
    are_others_recording,
    forget_servers,
    list_other_servers,
    tell_of_server,
)
from tests.databases import ON_POSTGRESQL_ONLY
from tests.unit.storage.stored import database

__all__ = ["database"]

pytestmark = ON_POSTGRESQL_ONLY
OTHER = ServerReport("b", "there", 2, "0.18", True, "ok", "", 1, 2, 3, 4, 5, 6)


async def tell(database: Database, *reports: ServerReport) -> None:
    async with database.write() as tx:
        for report in reports:
            await tell_of_server(tx, report)


async def silent_for(database: Database, days: float) -> None:
    async with database.write() as tx:
        await tx.execute(text(f"UPDATE evalhaven_queue.servers SET heard_at = now() - interval '{days} days'"))  # noqa: S608


async def others(database: Database) -> list[tuple[ServerReport, bool]]:
    async with database.read() as tx:
        return [*await list_other_servers(tx, "a")]


async def is_waited_for(database: Database) -> bool:
    async with database.read() as tx:
        return await are_others_recording(tx, "a")


async def test_a_server_hears_of_the_others_and_not_of_itself(database: Database) -> None:
    assert (await others(database), await is_waited_for(database)) == ([], False)
    await tell(database, replace(OTHER, seat="a"))
    assert (await others(database), await is_waited_for(database)) == ([], False)
    await tell(database, OTHER)
    assert (await others(database), await is_waited_for(database)) == ([(OTHER, True)], True)


async def test_what_a_server_told_last_counts(database: Database) -> None:
    later = replace(OTHER, process=3, recorder=None, killed=40)
    await tell(database, OTHER, later)
    assert (await others(database), await is_waited_for(database)) == ([(later, True)], False)


async def test_a_server_that_ended_or_is_silent_is_away_and_its_losses_stay(database: Database) -> None:
    await tell(database, replace(OTHER, is_up=False))
    assert (await others(database), await is_waited_for(database)) == ([(replace(OTHER, is_up=False), False)], False)
    await tell(database, OTHER)
    await silent_for(database, 1)
    assert (await others(database), await is_waited_for(database)) == ([(OTHER, False)], False)


async def test_a_server_that_is_silent_for_weeks_is_forgotten(database: Database) -> None:
    for days, found in ((29, [OTHER]), (31, [])):
        await tell(database, OTHER)
        await silent_for(database, days)
        async with database.write() as tx:
            await forget_servers(tx)
        assert [report for report, _ in await others(database)] == found
