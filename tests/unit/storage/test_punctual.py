"""A worker does not wait for a database that neither answers nor refuses, and goes on once it answers again."""

from collections.abc import Awaitable, Callable, Iterator

import pytest
from sqlalchemy import URL, text

from evalhaven.storage import punctual
from evalhaven.storage.database import Database, is_unavailable, may_be_committed, open_database
from evalhaven.storage.reading import ReadTransaction
from tests.stalling_proxy import StallingProxy

Ask = Callable[[Database, StallingProxy | None], Awaitable[None]]


@pytest.fixture
def proxy(postgresql_database_url: URL) -> Iterator[StallingProxy]:
    assert postgresql_database_url.port is not None
    with StallingProxy(postgresql_database_url.port) as proxy:
        yield proxy


@pytest.fixture
def database(postgresql_database_url: URL, proxy: StallingProxy, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(punctual, "ANSWERS_WITHIN_S", 0.5)
    url = postgresql_database_url.set(port=proxy.port)
    return open_database(url.update_query_dict({"connect_timeout": "1"}), is_worker=True)


async def write(database: Database, stall: StallingProxy | None = None) -> None:
    async with database.write() as tx:
        await tx.execute(text("SELECT 1"))
        if stall is not None:
            stall.stall()


async def read(database: Database, stall: StallingProxy | None = None) -> None:
    async with database.read() as tx:
        await tx.execute(text("SELECT 1"))
        if stall is not None:
            stall.stall()
            await tx.execute(text("SELECT 2"))


async def fetch(database: Database, stall: StallingProxy | None = None) -> None:
    async def work(tx: ReadTransaction) -> None:
        await tx.execute(text("SELECT 1"))
        if stall is not None:
            stall.stall()
            await tx.execute(text("SELECT 2"))

    await database.fetch(work)


@pytest.mark.parametrize("ask", [write, read, fetch])
async def test_silence_is_an_outage_that_ends(ask: Ask, database: Database, proxy: StallingProxy) -> None:
    try:
        with pytest.raises(Exception, match="has not answered") as silence:
            await ask(database, proxy)
        assert is_unavailable(silence.value)
        assert may_be_committed(silence.value)

        # A connection that is made anew waits for nothing either.
        with pytest.raises(Exception, match=r"(?i)timeout") as refusal:
            await ask(database, None)
        assert is_unavailable(refusal.value)

        proxy.resume()
        await ask(database, None)
    finally:
        proxy.resume()
        await database.close()


async def test_connections_that_were_cut_are_replaced(database: Database, proxy: StallingProxy) -> None:
    await write(database)
    proxy.cut()
    await write(database)
    await database.close()
