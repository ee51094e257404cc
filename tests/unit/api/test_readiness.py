"""Facts about `/readyz`: whether work can be done now."""

import os
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import anyio
import httpx2
import pytest
from sqlalchemy import select

from evalhaven.api import readiness
from evalhaven.api.readiness import ProcessState, Readiness
from evalhaven.api.services import Services
from evalhaven.domain.scopes import EngineScope
from evalhaven.reports.worker_overviews import Watcher
from evalhaven.storage.database import Database
from evalhaven.storage.queue.workers import WorkerFacts, enter_worker
from evalhaven.storage.tables import projects
from tests.databases import ON_POSTGRESQL_ONLY
from tests.unit.api.conftest import calling
from tests.unit.domain.still_clock import StillClock
from tests.unit.storage.stored import blob_path, store_active_run

_REFUSAL = {
    "sqlite": ["CREATE TRIGGER refuse BEFORE UPDATE ON projects BEGIN SELECT RAISE(ABORT, 'no room'); END"],
    "postgresql": [
        "CREATE FUNCTION refuse() RETURNS trigger AS 'BEGIN RAISE EXCEPTION ''no room''; END' LANGUAGE plpgsql",
        "CREATE TRIGGER refuse BEFORE UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
}
_PERMISSION = {"sqlite": "DROP TRIGGER refuse", "postgresql": "DROP TRIGGER refuse ON projects"}


class Executor:
    """The state of an executor that a test sets."""

    def __init__(self) -> None:
        self.state = ProcessState("ok")


@pytest.fixture
def executor() -> Executor:
    return Executor()


@pytest.fixture
def made(services: Services, executor: Executor) -> Readiness:
    """Return the readiness whose limits a test may change."""
    return Readiness(services.database, services.blobs, StillClock(), lambda: executor.state)


@pytest.fixture
async def served(services: Services, made: Readiness) -> AsyncGenerator[httpx2.AsyncClient]:
    """Return a client of the API whose readiness is served, as by a server."""
    async with anyio.create_task_group() as tasks, calling(replace(services, readiness=made)) as client:
        tasks.start_soon(made.serve)
        yield client
        tasks.cancel_scope.cancel()


async def ask(client: httpx2.AsyncClient) -> tuple[int, dict[str, Any]]:
    answer = await client.get("/readyz")
    return answer.status_code, answer.json()


async def tried_at(database: Database) -> int | None:
    async with database.read() as tx:
        return (await tx.execute(select(projects.c.tried_at))).scalar_one()


async def test_a_server_at_work_is_ready(served: httpx2.AsyncClient, services: Services) -> None:
    status, body = await ask(served)

    assert status == 200
    assert [body[key] for key in ("status", "database", "disk", "executor", "reasons")] == ["ok"] * 4 + [[]]
    assert await tried_at(services.database) is not None


async def test_many_probes_cost_one_write(
    served: httpx2.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = 0
    write = Database.write

    def counted(database: Database) -> Any:
        nonlocal writes
        writes += 1
        return write(database)

    monkeypatch.setattr(Database, "write", counted)
    for _ in range(20):
        assert (await ask(served))[0] == 200
    assert writes == 1


@pytest.mark.parametrize("name", ["starting", "down", "not_responding", "crash_looping", "paused"])
async def test_an_executor_that_does_no_work_is_reported_with_the_reason(
    served: httpx2.AsyncClient, executor: Executor, name: Any
) -> None:
    executor.state = ProcessState(name, "It rests.")
    status, body = await ask(served)

    assert (status, body["status"], body["executor"], body["database"]) == (503, "unavailable", name, "ok")
    assert body["reasons"] == ["It rests."]
    assert (await served.get("/healthz")).status_code == 200
    executor.state = ProcessState("ok")
    assert (await ask(served))[0] == 200


async def test_a_database_that_refuses_writes_is_reported_until_it_takes_them(
    served: httpx2.AsyncClient, services: Services, database_kind: str, made: Readiness
) -> None:
    made.limits = replace(made.limits, failed_again_s=0.0)
    async with services.database.write() as tx:
        for statement in _REFUSAL[database_kind]:
            await tx.exec_driver_sql(statement)
    status, body = await ask(served)

    assert (status, body["database"], body["executor"]) == (503, "unavailable", "ok")
    assert "cannot be written" in body["reasons"][0]
    assert "no room" in body["reasons"][0]
    async with services.database.write() as tx:
        await tx.exec_driver_sql(_PERMISSION[database_kind])
    assert (await ask(served))[0] == 200


async def test_a_lock_is_waited_for_and_reported_only_when_it_lasts(
    served: httpx2.AsyncClient, services: Services, made: Readiness
) -> None:
    made.limits = replace(made.limits, waited_for_s=0.05)
    async with services.database.write() as tx:
        await tx.execute(projects.update().values(tried_at=1))
        assert (await ask(served))[0] == 200
        made.limits = replace(made.limits, longest_write_s=0.0)
        status, body = await ask(served)
        assert (status, body["database"]) == (503, "unavailable")
        assert "has not taken a write for" in body["reasons"][0]
    made.limits = replace(made.limits, waited_for_s=30.0)
    assert (await ask(served))[0] == 200


async def test_a_database_that_does_not_answer_keeps_no_probe_waiting(
    served: httpx2.AsyncClient, made: Readiness, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = anyio.Event()
    check = readiness.check_projects

    async def check_late(*arguments: Any) -> None:
        await answers.wait()
        await check(*arguments)

    monkeypatch.setattr(readiness, "check_projects", check_late)
    made.limits = replace(made.limits, waited_for_s=0.05)
    assert (await ask(served))[0] == 200
    made.limits = replace(made.limits, longest_read_s=0.0)
    status, body = await ask(served)
    assert (status, body["database"]) == (503, "unavailable")
    assert "has not answered a read for" in body["reasons"][0]
    made.limits = replace(made.limits, waited_for_s=30.0)
    answers.set()
    assert (await ask(served))[0] == 200


async def test_a_disk_without_room_is_reported(served: httpx2.AsyncClient, made: Readiness) -> None:
    made.limits = replace(made.limits, needed_bytes=1 << 62)
    status, body = await ask(served)

    assert (status, body["disk"], body["database"]) == (503, "unavailable", "ok")
    assert "is full" in body["reasons"][0]
    assert f"{os.sep}" in body["reasons"][0]


async def test_files_whose_directory_is_gone_are_reported(served: httpx2.AsyncClient, services: Services) -> None:
    (blob_path(services.blobs, "x").parent.parent / "parts").rmdir()
    status, body = await ask(served)

    assert (status, body["disk"]) == (503, "unavailable")
    assert "cannot be used: No such file or directory" in body["reasons"][0]


@ON_POSTGRESQL_ONLY
async def test_a_server_without_a_worker_of_its_own_says_that_runs_wait_and_stays_ready(services: Services) -> None:
    state, watcher = ProcessState("elsewhere"), Watcher("0", 30.0)
    made = Readiness(services.database, services.blobs, StillClock(), lambda: state, lambda: watcher)
    async with anyio.create_task_group() as tasks, calling(replace(services, readiness=made)) as client:
        tasks.start_soon(made.serve)
        status, body = await ask(client)
        assert (status, body["status"], body["executor"], body["notes"]) == (200, "ok", "elsewhere", [])
        await store_active_run(services.database)
        status, body = await ask(client)
        assert (status, body["status"], body["reasons"]) == (200, "ok", [])
        assert [note.partition(",")[0] for note in body["notes"]] == ["1 run waits"]
        async with services.database.write() as tx:
            await tx.exec_driver_sql("INSERT INTO procrastinate_workers DEFAULT VALUES")
            await enter_worker(tx, EngineScope(), 1, WorkerFacts("", "here", 1, "0"))
        assert (await ask(client))[1]["notes"] == []
        tasks.cancel_scope.cancel()
