"""What the door adds to a request: who sent it, and whether they may; `python -m benchmarks.keys`.

The key is read from the database again every 0.9 s, as it is on a server, and that is part of the figure.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.measure import scratch
from evalhaven.access.permissions import OF_ROLES, Permission, Role
from evalhaven.api.access.door import Door
from evalhaven.api.access.making import make_admin_key, make_key
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.scopes import DEFAULT_PROJECT, OrganizationScope
from evalhaven.storage.access.keys import insert_key
from evalhaven.storage.database import open_database, sqlite_url
from evalhaven.storage.schema import upgrade_database

TARGET_US = 50.0
_REQUESTS = 20_000
_ROUNDS = 5
# What a browser or an SDK sends beside its key.
_HEADERS = [(b"host", b"127.0.0.1:8765"), *((f"x-header-{n}".encode(), b"value") for n in range(12))]


@dataclass(frozen=True, slots=True)
class KeyCost:
    """Microseconds that the door adds to a request, in the median round."""

    caller: str
    us: float


def measure_keys() -> list[KeyCost]:
    """Return what a request costs whose sender has no key yet, a key of a project, and an admin key."""
    with scratch() as directory:
        return anyio.run(_measure, directory)


async def _measure(directory: Path) -> list[KeyCost]:
    url = sqlite_url(directory / "evalhaven.db")
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
    return costs


async def _cost(door: Door, headers: list[tuple[bytes, bytes]]) -> float:
    rounds: list[float] = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in range(_REQUESTS):
            scope: dict[str, Any] = {"type": "http", "headers": [*_HEADERS, *headers], "state": {}}
            await door.admit(scope, Permission.READ)
        rounds.append(1e6 * (time.perf_counter() - started) / _REQUESTS)
    return sorted(rounds)[_ROUNDS // 2]


def print_keys(costs: Sequence[KeyCost], console: Console) -> None:
    """Print the table."""
    table = Table("Who sends a request", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("µs a request", "At most", "Met"):
        table.add_column(column, justify="right")
    for each in costs:
        table.add_row(each.caller, f"{each.us:.1f}", f"{TARGET_US:.0f}", "yes" if each.us < TARGET_US else "NO")
    console.print(table)


def main() -> None:
    """Measure and print."""
    print_keys(measure_keys(), Console())


if __name__ == "__main__":
    main()
