"""Facts about whose turn it is to write to SQLite: a server waits for one transaction of its executor at most."""

import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text

from evalhaven.storage.database import Database, open_database, sqlite_url
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.schema import upgrade_database
from evalhaven.storage.turns import WriteTurns

pytestmark = pytest.mark.anyio

WRITES = 15
_ASKS = """
import pathlib, sys
from evalhaven.storage.turns import WriteTurns
with WriteTurns(pathlib.Path(sys.argv[1]), gives_way=False).ask():
    print("x", flush=True)
    sys.stdin.read()
"""


class Busy:
    """An executor that writes without a pause, and counts its transactions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.count = 0

    async def write_forever(self, in_threads: bool) -> None:
        """Write until canceled."""
        while True:
            if in_threads:
                await self._database.store(self._write)
            else:
                async with self._database.write() as tx:
                    await self._write(tx)

    async def _write(self, tx: WriteTransaction) -> None:
        self.count += 1
        await tx.execute(text("INSERT INTO written VALUES (1)"))


@asynccontextmanager
async def opened(path: Path, gives_way: bool | None) -> AsyncGenerator[Database]:
    """Open a database."""
    database = open_database(sqlite_url(path), gives_way=gives_way)
    try:
        yield database
    finally:
        await database.close()


@pytest.mark.parametrize("in_threads", [True, False])
async def test_a_write_of_the_server_waits_for_one_transaction_of_the_executor_at_most(
    tmp_path: Path, in_threads: bool
) -> None:
    path = tmp_path / "evalhaven.db"
    upgrade_database(sqlite_url(path))
    waited: list[int] = []
    written = 0
    async with opened(path, gives_way=True) as executor, opened(path, gives_way=False) as server:
        async with server.write() as tx:
            await tx.execute(text("CREATE TABLE written (number INTEGER)"))
        busy = [Busy(executor) for _ in range(4)]
        async with anyio.create_task_group() as tasks:
            for each in busy:
                tasks.start_soon(each.write_forever, in_threads)
            for _ in range(WRITES):
                before = sum(each.count for each in busy)
                async with server.write() as tx:
                    waited.append(sum(each.count for each in busy) - before)
                    await tx.execute(text("INSERT INTO written VALUES (2)"))
                await anyio.sleep(0.01)
            written = sum(each.count for each in busy)
            tasks.cancel_scope.cancel()
    assert max(waited) <= 1, waited
    assert written > WRITES  # and the executor goes on


def test_nobody_waits_for_a_process_that_is_gone(tmp_path: Path) -> None:
    executor = WriteTurns(tmp_path / "turns", gives_way=True)
    server = WriteTurns(tmp_path / "turns", gives_way=False)
    assert not executor.is_asked()
    with server.ask(), server.ask():
        assert executor.is_asked()
    assert not executor.is_asked()
    server.close()
    command = [sys.executable, "-c", _ASKS, str(tmp_path / "turns")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killed:
        assert killed.stdout is not None
        killed.stdout.read(1)
        assert executor.is_asked()
        killed.kill()
        killed.wait()
    assert not executor.is_asked()
    executor.close()
