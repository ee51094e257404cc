"""Facts about runs for workers: a run has its plan in the queue from the transaction that stores it on."""

from dataclasses import replace
from typing import Any

import httpx2
from sqlalchemy import text

from evalhaven.api.services import Services
from evalhaven.storage.queue.jobs import submit_plan
from tests.databases import ON_POSTGRESQL_ONLY
from tests.unit.api.conftest import calling
from tests.unit.storage.stored import make_eval, store_eval

pytestmark = ON_POSTGRESQL_ONLY


async def create_run(services: Services, source: dict[str, Any]) -> httpx2.Response:
    parent = await store_eval(services.database, make_eval())
    queueing = replace(services, runs=replace(services.runs, submit_plan=submit_plan))
    async with calling(queueing) as client:
        body = {"data_source": {"type": "jsonl", "source": source}}
        return await client.post(f"/v1/evals/{parent.id}/runs", json=body)


async def jobs(services: Services) -> list[tuple[Any, ...]]:
    statement = """SELECT queueing_lock, task_name, CAST(status AS text),
        (SELECT CAST(key AS text) FROM runs) FROM procrastinate_jobs"""
    async with services.database.write() as tx:
        return [tuple(row) for row in (await tx.execute(text(statement))).all()]


async def test_a_run_that_is_stored_is_to_be_planned(services: Services) -> None:
    answer = await create_run(services, {"type": "file_content", "content": [{"item": {"a": 1}}]})

    assert answer.status_code == 201, answer.text
    ((lock, *rest, run_key),) = await jobs(services)
    assert (lock, rest) == (run_key, ["plan", "todo"])


async def test_a_run_that_is_refused_leaves_no_plan_behind(services: Services) -> None:
    answer = await create_run(services, {"type": "file_id", "id": "file-none"})

    assert answer.status_code == 400
    assert await jobs(services) == []
