"""What the door adds to a request: who sent it, and whether they may; `python -m benchmarks.keys`.

The key is read from the database again every 0.9 s, as it is on a server, and that is part of the figure. Requests that
have a limit are counted: with SQLite in memory, with PostgreSQL by a statement that the request waits for.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from rich import box
from rich.console import Console
from rich.table import Table
from sqlalchemy import URL

from benchmarks.measure import scratch
from evalhaven.access.limits import Limits
from evalhaven.access.permissions import OF_ROLES, Permission, Role
from evalhaven.api.access.door import Door
from evalhaven.api.access.making import make_admin_key, make_key
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.scopes import DEFAULT_PROJECT, OrganizationScope
from evalhaven.storage.access.keys import insert_key
from evalhaven.storage.access.limits import save_key_limit, save_limits
from evalhaven.storage.database import open_database, postgresql_url, sqlite_url
from evalhaven.storage.schema import upgrade_database
from tests.databases import PostgresServer

TARGET_US = 50.0
_REQUESTS = 20_000
_COUNTED_REQUESTS = 1_000  # in PostgreSQL
_ROUNDS = 5
_LIMIT = 1_000_000_000  # that nothing here uses up
# What a browser or an SDK sends beside its key.
_HEADERS = [(b"host", b"127.0.0.1:8765"), *((f"x-header-{n}".encode(), b"value") for n in range(12))]


@dataclass(frozen=True, slots=True)
class KeyCost:
    """Microseconds that the door adds to a request, in the median round; without a target, that is another's work."""

    caller: str
    us: float
    most_us: float | None = TARGET_US


def measure_keys() -> list[KeyCost]:
    """Return what a request costs whose sender has no key yet, a key of a project, and an admin key."""
    with scratch() as directory:
        costs = anyio.run(_measure, sqlite_url(directory / "evalhaven.db"))
    with PostgresServer().running() as server:
        url = postgresql_url(server.new_database())
        return [*costs, *anyio.run(_measure_counted, url, "PostgreSQL", _COUNTED_REQUESTS)]


async def _measure(url: URL) -> list[KeyCost]:
    await anyio.to_thread.run_sync(upgrade_database, url)
    database, ids = open_database(url), IdFactory(Clock())
    try:
        costs = [KeyCost("anyone, without keys", await _cost(Door(database, Clock()), []))]
        key, secret = make_key(ids, "benchmark", OF_ROLES[Role.EDITOR], 0)
        admin, admin_secret = make_admin_key(ids, "benchmark", 0)
        async with database.write() as tx:
            await insert_key(tx, DEFAULT_PROJECT, key)
            await insert_key(tx, OrganizationScope(), admin)
        for name, sent, more in (
            ("a key of a project", secret, []),
            ("an admin key", admin_secret, []),
            ("an admin key with OpenAI-Project", admin_secret, [(b"openai-project", b"proj_default")]),
        ):
            headers = [(b"authorization", f"Bearer {sent}".encode()), *more]
            costs.append(KeyCost(name, await _cost(Door(database, Clock()), headers)))
    finally:
        await database.close()
    return [*costs, *await _measure_counted(url, "SQLite", _REQUESTS)]


async def _measure_counted(url: URL, kind: str, requests: int) -> list[KeyCost]:
    """Return what a request costs whose key and project have limits, one after another."""
    await anyio.to_thread.run_sync(upgrade_database, url)
    database = open_database(url)
    key, secret = make_key(IdFactory(Clock()), "limited", OF_ROLES[Role.EDITOR], 0)
    try:
        async with database.write() as tx:
            await insert_key(tx, DEFAULT_PROJECT, key)
            await save_key_limit(tx, DEFAULT_PROJECT, key.id, _LIMIT)
            await save_limits(tx, DEFAULT_PROJECT, Limits(requests_per_minute=_LIMIT))
        headers = [(b"authorization", f"Bearer {secret}".encode())]
        cost = await _cost(Door(database, Clock()), headers, requests)
    finally:
        await database.close()
    return [KeyCost(f"a key with limits, counted with {kind}", cost, TARGET_US if kind == "SQLite" else None)]


async def _cost(door: Door, headers: list[tuple[bytes, bytes]], requests: int = _REQUESTS) -> float:
    rounds: list[float] = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in range(requests):
            scope: dict[str, Any] = {"type": "http", "headers": [*_HEADERS, *headers], "state": {}}
            await door.admit(scope, Permission.READ)
        rounds.append(1e6 * (time.perf_counter() - started) / requests)
    return sorted(rounds)[_ROUNDS // 2]


def print_keys(costs: Sequence[KeyCost], console: Console) -> None:
    """Print the table."""
    table = Table("Who sends a request", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("µs a request", "At most", "Met"):
        table.add_column(column, justify="right")
    for each in costs:
        is_met = each.most_us is None or each.us < each.most_us
        most, met = ("-", "-") if each.most_us is None else (f"{each.most_us:.0f}", "yes" if is_met else "NO")
        table.add_row(each.caller, f"{each.us:.1f}", most, met)
    console.print(table)


def main() -> None:
    """Measure and print."""
    print_keys(measure_keys(), Console())


if __name__ == "__main__":
    main()
