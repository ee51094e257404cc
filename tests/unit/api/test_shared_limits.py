"""Facts about requests a minute that two servers count in one PostgreSQL database."""

import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial

import anyio
import httpx2
import pytest
from sqlalchemy import func, select, text, update

from evalhaven.access.limits import IDLE_AFTER_S, Limits
from evalhaven.access.permissions import OF_ROLES, Role
from evalhaven.api.access import allowances
from evalhaven.api.access.door import Door
from evalhaven.api.access.making import make_key
from evalhaven.api.services import Services
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.storage import database as database_module
from evalhaven.storage.access.keys import insert_key
from evalhaven.storage.access.limits import save_key_limit, save_limits
from evalhaven.storage.access.request_counts import WHOLE_PROJECT, request_counts, take_request
from evalhaven.storage.database import Database
from tests.databases import ON_POSTGRESQL_ONLY
from tests.unit.api.conftest import calling
from tests.unit.domain.still_clock import StillClock
from tests.unit.storage.stored import OTHER_PROJECT, opened

pytestmark = ON_POSTGRESQL_ONLY
Servers = Sequence[httpx2.AsyncClient]


@pytest.fixture
async def other_database(database: Database) -> AsyncGenerator[Database]:
    """Open the test's database once more, as a second server does."""
    async with opened(database.url) as other:
        yield other


@pytest.fixture
async def servers(services: Services, other_database: Database) -> AsyncGenerator[Servers]:
    """Return clients of two servers that share a database."""
    other = replace(services, database=other_database, door=Door(other_database, StillClock()))
    async with AsyncExitStack() as opened_clients:
        yield [await opened_clients.enter_async_context(calling(each)) for each in (services, other)]


async def _key(database: Database, limit: int | None = None) -> dict[str, str]:
    """Store a key with a limit; return the headers that send it."""
    key, secret = make_key(IdFactory(StillClock()), "a key", OF_ROLES[Role.EDITOR], 100)
    async with database.write() as tx:
        await insert_key(tx, DEFAULT_PROJECT, key)
        await save_key_limit(tx, DEFAULT_PROJECT, key.id, limit)
    return {"authorization": f"Bearer {secret}"}


async def _limit_project(database: Database, requests: int) -> None:
    async with database.write() as tx:
        await save_limits(tx, DEFAULT_PROJECT, Limits(requests_per_minute=requests))


async def _rows(database: Database) -> int:
    async with database.read() as tx:
        return (await tx.execute(select(func.count()).select_from(request_counts))).scalar_one()


async def test_two_servers_together_grant_exactly_what_a_project_and_its_keys_may(
    database: Database, servers: Servers
) -> None:
    await _limit_project(database, 12)
    slow, fast = await _key(database, 4), await _key(database)
    made: Counter[tuple[str, int]] = Counter()

    async def ask(server: httpx2.AsyncClient, name: str, headers: dict[str, str]) -> None:
        made[name, (await server.get("/v1/evals", headers=headers)).status_code] += 1

    began_at = time.monotonic()
    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(ask, servers[number % 2], "slow", slow)
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(ask, servers[number % 2], "fast", fast)
    minutes = (time.monotonic() - began_at) / 60

    assert {status for _, status in made} == {200, 429}
    assert 4 <= made["slow", 200] <= 4 + 4 * minutes
    assert 12 <= made["slow", 200] + made["fast", 200] <= 12 + 12 * minutes


async def test_both_servers_tell_what_is_left_and_how_long_to_wait(database: Database, servers: Servers) -> None:
    headers = await _key(database, 2)
    answers = [await servers[number % 2].get("/v1/evals", headers=headers) for number in range(4)]

    assert [each.status_code for each in answers] == [200, 200, 429, 429]
    assert [each.headers["x-ratelimit-remaining-requests"] for each in answers] == ["1", "0", "0", "0"]
    assert {each.headers["x-ratelimit-limit-requests"] for each in answers} == {"2"}
    assert [20 <= int(each.headers["retry-after"]) <= 30 for each in answers[2:]] == [True, True]
    assert answers[2].json()["error"]["message"].startswith("Rate limit reached: this key may make 2 requests")


async def test_a_request_that_one_limit_refuses_counts_for_none(database: Database, servers: Servers) -> None:
    await _limit_project(database, 5)
    slow, fast = await _key(database, 1), await _key(database)
    statuses = [(await server.get("/v1/evals", headers=slow)).status_code for server in (*servers, *servers)]
    answer = await servers[0].get("/v1/evals", headers=fast)

    assert statuses == [200, 429, 429, 429]
    assert answer.headers["x-ratelimit-remaining-requests"] == "3"


async def test_requests_without_a_limit_are_not_counted(database: Database, servers: Servers) -> None:
    headers = await _key(database)
    answer = await servers[0].get("/v1/evals", headers=headers)

    assert answer.status_code == 200
    assert "x-ratelimit-limit-requests" not in answer.headers
    assert await _rows(database) == 0


async def test_a_pause_brings_requests_back_and_never_more_than_a_minutes(database: Database) -> None:
    async def take(limit: int) -> float:
        taken = await database.count(partial(take_request, scope=DEFAULT_PROJECT, limits={WHOLE_PROJECT: limit}))
        return taken[WHOLE_PROJECT]

    async def pass_time(seconds: float) -> None:
        async with database.write() as tx:
            past = update(request_counts).values(counted_at=request_counts.c.counted_at - seconds, remaining=0.0)
            await tx.execute(past)

    assert await take(60) == 60
    await pass_time(10)
    assert 10 <= await take(60) < 60
    await pass_time(1000)
    assert await take(60) == 60
    await pass_time(-30)  # the clock was set back
    assert await take(60) == 0
    other = await database.count(partial(take_request, scope=OTHER_PROJECT, limits={WHOLE_PROJECT: 3}))
    assert other[WHOLE_PROJECT] == 3


async def test_counts_survive_connections_that_the_database_has_closed(database: Database, servers: Servers) -> None:
    headers = await _key(database, 10)
    answers = [await servers[0].get("/v1/evals", headers=headers)]
    async with database.write() as tx:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        await tx.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))  # noqa: S608 - a constant
    answers.append(await servers[0].get("/v1/evals", headers=headers))

    assert [each.status_code for each in answers] == [200, 200]
    assert answers[1].headers["x-ratelimit-remaining-requests"] == "8"


async def test_a_row_that_somebody_holds_delays_a_request_for_a_moment_only(
    database: Database, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_COUNTING_SESSION", "SET lock_timeout = '50ms'")
    headers = await _key(database, 10)
    async with opened(database.url) as short:
        services = replace(services, database=short, door=Door(short, StillClock()))
        async with calling(services) as client:
            assert (await client.get("/v1/evals", headers=headers)).status_code == 200
            async with database.write() as tx:
                await tx.execute(select(request_counts).with_for_update())
                refused = await client.get("/v1/evals", headers=headers)
            after = await client.get("/v1/evals", headers=headers)

    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert (after.status_code, after.headers["x-ratelimit-remaining-requests"]) == (200, "8")


async def test_what_nobody_counts_on_any_more_is_removed(
    database: Database, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowances, "_PURGED_AGAIN_S", 0)
    for limits in ({WHOLE_PROJECT: 10}, {7: 10}):
        await database.count(partial(take_request, scope=DEFAULT_PROJECT, limits=limits))
    async with database.write() as tx:
        old = update(request_counts).where(request_counts.c.api_key_key == WHOLE_PROJECT)
        await tx.execute(old.values(counted_at=request_counts.c.counted_at - IDLE_AFTER_S - 1))
    await services.door.note_uses()

    assert await _rows(database) == 1
