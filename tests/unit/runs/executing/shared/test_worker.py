"""Facts about a worker as a whole: what it says when others have given it up, and how it leaves."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
from sqlalchemy import text

from evalhaven.runs.ending.purge import Purger
from evalhaven.runs.engine import Engine
from evalhaven.runs.executing.shared.fence import Fence
from evalhaven.runs.executing.shared.worker import SharedExecutor
from evalhaven.storage.queue.workers import WorkerFacts
from tests.databases import ON_POSTGRESQL_ONLY

pytestmark = ON_POSTGRESQL_ONLY


@asynccontextmanager
async def working(engine: Engine, fence: Fence) -> AsyncGenerator[SharedExecutor]:
    """Let a worker work, once it is registered."""
    purger = Purger(engine.database, engine.blobs, engine.clock, engine.patience)
    worker = SharedExecutor(engine, purger, WorkerFacts("seat", "here", 1, "0"), fence)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(worker.execute_forever)
        await until(lambda: fence.is_open)
        yield worker
        tasks.cancel_scope.cancel()


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(60):
        while not holds():  # noqa: ASYNC110 - it is told of nothing
            await anyio.sleep(0.01)


async def registered(engine: Engine) -> list[int]:
    async with engine.database.read() as tx:
        return list((await tx.execute(text("SELECT id FROM evalhaven_queue.workers"))).scalars())


async def test_one_that_was_given_up_says_so_until_it_is_registered_anew(engine: Engine) -> None:
    fence = Fence(30)
    async with working(engine, fence) as worker:
        (before,) = await registered(engine)
        assert worker.problem == ""
        fence.shut()  # as after a lease without a beat
        await until(lambda: worker.problem != "")
        assert worker.problem.startswith("This worker could not tell in time that it lives")
        await until(lambda: fence.is_open and worker.problem == "")
        (after,) = await registered(engine)
        assert after != before
        await worker.drain(10)


async def test_one_that_is_told_to_end_leaves_nothing_behind_and_begins_nothing_anew(engine: Engine) -> None:
    fence = Fence(30)
    async with working(engine, fence) as worker:
        await worker.drain(10)
        assert await registered(engine) == []
        assert not fence.is_open
        await anyio.sleep(1.5)  # longer than its pause before it would register again
        assert await registered(engine) == []
