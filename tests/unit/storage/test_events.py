"""Facts about the outbox: every subscriber is told of every event, at its own pace."""

from dataclasses import replace

import anyio
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.scopes import EngineScope, ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.domain.webhooks import Attempt, Delivery
from evalhaven.storage.database import Database
from evalhaven.storage.deliveries import list_deliveries, save_attempt
from evalhaven.storage.events import (
    KEPT_S,
    delete_subscriber,
    forget_events,
    insert_subscriber,
    record_event,
)
from evalhaven.storage.run_writes import save_reopened, save_status
from evalhaven.storage.runs import get_run_by_key
from evalhaven.storage.tables import deliveries, delivery_attempts, events
from tests.unit.storage.stored import OTHER_PROJECT as OTHER
from tests.unit.storage.stored import add_project, make_run, store_eval, store_run

ENGINE = EngineScope()


async def subscribe(database: Database, name: str, scope: ProjectScope = SCOPE) -> int:
    """Store a subscriber."""
    async with database.write() as tx:
        return await insert_subscriber(tx, scope, name, 100)


async def record(database: Database, *object_ids: str, scope: ProjectScope = SCOPE, at: int = 100) -> None:
    """Record events of these objects."""
    async with database.write() as tx:
        for object_id in object_ids:
            await record_event(tx, scope, "eval.run.succeeded", object_id, at)


async def due_of(database: Database, subscriber: int, now: int = 100) -> list[Delivery]:
    """Return the deliveries to a subscriber that are due now."""
    async with database.read() as tx:
        found = await list_deliveries(tx, SCOPE, subscriber, 100) + await list_deliveries(tx, OTHER, subscriber, 100)
    due = [each for each in found if each.due_at is not None and each.due_at <= now]
    return sorted(due, key=lambda each: each.event.key)


async def save_delivered(tx: AsyncConnection, scope: ProjectScope, delivery: Delivery, at: int) -> None:
    """Record that an event was delivered."""
    await save_attempt(tx, scope, delivery, Attempt(at, 5, 200, "", ""), None)


async def save_failure(
    tx: AsyncConnection, scope: ProjectScope, delivery: Delivery, problem: str, due_at: int | None
) -> None:
    """Record that an attempt failed."""
    await save_attempt(tx, scope, delivery, Attempt(100, 5, None, "", problem), due_at)


async def told_of(database: Database, subscriber: int) -> list[str]:
    """Return the objects whose events were delivered to a subscriber."""
    async with database.read() as tx:
        found = await list_deliveries(tx, SCOPE, subscriber, 100)
    return [each.event.object_id for each in reversed(found) if each.delivered_at is not None]


async def count_rows(database: Database) -> list[int]:
    """Return how many events, deliveries and attempts are stored."""
    async with database.read() as tx:
        return [
            (await tx.execute(select(func.count()).select_from(each))).scalar_one()
            for each in (events, deliveries, delivery_attempts)
        ]


async def test_each_subscriber_has_its_own_progress(database: Database) -> None:
    fast, slow = await subscribe(database, "fast"), await subscribe(database, "slow")
    await record(database, "run-1", "run-2", "run-3")
    async with database.write() as tx:
        for delivery in await list_deliveries(tx, SCOPE, fast, 100):
            await save_delivered(tx, SCOPE, delivery, 101)
    [first, *_] = await due_of(database, slow)
    async with database.write() as tx:
        await save_delivered(tx, SCOPE, first, 150)

    assert await due_of(database, fast) == []
    assert await told_of(database, fast) == ["run-1", "run-2", "run-3"]
    assert [each.event.object_id for each in await due_of(database, slow)] == ["run-2", "run-3"]
    assert await told_of(database, slow) == ["run-1"]


async def test_an_event_that_does_not_arrive_holds_up_no_other(database: Database) -> None:
    subscriber = await subscribe(database, "s")
    await record(database, "run-1", "run-2")
    first, second = await due_of(database, subscriber)
    async with database.write() as tx:
        await save_failure(tx, SCOPE, first, "connection refused \0", due_at=160)
        await save_delivered(tx, SCOPE, second, 101)

    assert await due_of(database, subscriber, now=159) == []
    [again] = await due_of(database, subscriber, now=160)
    assert again == replace(first, attempts=1, due_at=160, problem="connection refused \0")
    async with database.write() as tx:
        await save_failure(tx, SCOPE, again, "still refused", due_at=None)
    assert await due_of(database, subscriber, now=10_000) == []
    async with database.read() as tx:
        log = await list_deliveries(tx, SCOPE, subscriber, 100)
        older = await list_deliveries(tx, SCOPE, subscriber, 100, before=second.event.key)
    assert [(each.event.object_id, each.attempts, each.delivered_at, each.problem) for each in log] == [
        ("run-2", 1, 101, ""),
        ("run-1", 2, None, "still refused"),
    ]
    assert older == log[1:]


async def test_what_arrived_is_not_tried_again_whatever_a_second_attempt_came_to(database: Database) -> None:
    subscriber = await subscribe(database, "s")
    await record(database, "run-1")
    [delivery] = await due_of(database, subscriber)
    async with database.write() as tx:
        await save_delivered(tx, SCOPE, delivery, 101)
        await save_failure(tx, SCOPE, delivery, "refused", due_at=160)

    assert await due_of(database, subscriber, now=1000) == []
    assert await told_of(database, subscriber) == ["run-1"]


async def test_a_subscriber_is_told_of_what_happens_after_it_came_and_nothing_after_it_went(database: Database) -> None:
    await record(database, "before")
    subscriber, other = await subscribe(database, "s"), await subscribe(database, "other")
    await record(database, "meanwhile")
    assert [each.event.object_id for each in await due_of(database, subscriber)] == ["meanwhile"]
    async with database.write() as tx:
        await delete_subscriber(tx, SCOPE, subscriber)
    await record(database, "after")

    assert await due_of(database, subscriber) == []
    assert [each.event.object_id for each in await due_of(database, other)] == ["meanwhile", "after"]


async def test_a_subscriber_has_a_name_that_is_its_own_within_its_project(database: Database) -> None:
    await add_project(database)
    await subscribe(database, "s")
    await subscribe(database, "s", OTHER)
    with pytest.raises(IntegrityError):
        await subscribe(database, "s")


async def test_subscribers_are_told_of_their_own_project_only(database: Database) -> None:
    await add_project(database)
    mine, theirs = await subscribe(database, "mine"), await subscribe(database, "theirs", OTHER)
    await record(database, "run-1")
    await record(database, "run-2", scope=OTHER)
    [my_delivery] = await due_of(database, mine)
    [their_delivery] = await due_of(database, theirs)
    assert (my_delivery.scope, my_delivery.event.object_id) == (SCOPE, "run-1")
    assert (their_delivery.scope, their_delivery.event.object_id) == (OTHER, "run-2")
    async with database.write() as tx:
        await save_delivered(tx, OTHER, my_delivery, 101)
        await save_failure(tx, OTHER, my_delivery, "x", None)
        await delete_subscriber(tx, OTHER, mine)
        assert await list_deliveries(tx, OTHER, mine, 100) == []

    assert await due_of(database, mine) == [my_delivery]


async def test_a_run_that_ends_again_after_a_retry_is_told_of_again(database: Database) -> None:
    subscriber = await subscribe(database, "s")
    run = await store_run(database, make_run(await store_eval(database), status=RunStatus.FAILED))
    async with database.write() as tx:
        await save_reopened(tx, SCOPE, run.reopened(), 200)
        reopened = await get_run_by_key(tx, SCOPE, run.key)
        started = reopened.to(RunStatus.IN_PROGRESS, 210)
        await save_status(tx, SCOPE, started, 210)
        await save_status(tx, SCOPE, started.to(RunStatus.COMPLETED, 220), 220)

    told = [(each.event.type, each.event.object_id) for each in await due_of(database, subscriber, now=300)]
    assert told == [("eval.run.failed", run.id), ("eval.run.succeeded", run.id)]


async def test_a_change_that_is_rolled_back_tells_nobody(database: Database) -> None:
    subscriber = await subscribe(database, "s")

    async def change_and_fail() -> None:
        async with database.write() as tx:
            await record_event(tx, SCOPE, "eval.run.succeeded", "run-1", 100)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_and_fail()

    assert await due_of(database, subscriber) == []
    assert await count_rows(database) == [0, 0, 0]


async def test_events_are_forgotten_when_they_are_old_and_nobody_waits_for_them(database: Database) -> None:
    await record(database, "untold")
    subscriber = await subscribe(database, "s")
    await record(database, "told", "awaited")
    await record(database, "new", at=101)
    told, _, _ = await due_of(database, subscriber, now=101)
    async with database.write() as tx:
        await save_delivered(tx, SCOPE, told, 101)
        await forget_events(tx, ENGINE, 100 + KEPT_S)
    assert await count_rows(database) == [4, 3, 1]
    async with database.write() as tx:
        await forget_events(tx, ENGINE, 101 + KEPT_S)

    assert await count_rows(database) == [2, 2, 0]
    assert [each.event.object_id for each in await due_of(database, subscriber, now=101)] == ["awaited", "new"]


async def test_a_run_ends_although_a_subscriber_goes_at_the_same_time(postgresql_database: Database) -> None:
    gone, stays = await subscribe(postgresql_database, "gone"), await subscribe(postgresql_database, "stays")
    async with anyio.create_task_group() as tasks, postgresql_database.write() as tx:
        await delete_subscriber(tx, SCOPE, gone)
        tasks.start_soon(record, postgresql_database, "run-1")
        await anyio.sleep(0.3)

    assert [each.event.object_id for each in await due_of(postgresql_database, stays)] == ["run-1"]
