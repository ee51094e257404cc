"""Facts about two projects that hold the same imported account, as the API answers each of them."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import pytest

from evalhaven.api.services import Services
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.runs.ending.purge import Purger, sweep_blobs
from evalhaven.runs.patience import Patience
from evalhaven.storage.runs import get_run_by_id
from tests.unit.api.conftest import calling
from tests.unit.storage.stored import OTHER_PROJECT, add_project

EVAL: dict[str, Any] = {
    "object": "eval",
    "id": "eval_1",
    "name": "e",
    "created_at": 100,
    "metadata": {},
    "data_source_config": {"type": "custom", "schema": {}},
    "testing_criteria": [],
}
RUN: dict[str, Any] = {
    "object": "eval.run",
    "id": "evalrun_1",
    "eval_id": "eval_1",
    "name": "r",
    "created_at": 100,
    "status": "completed",
    "metadata": {},
    "data_source": {"type": "jsonl", "source": {"type": "file_id", "id": "file-1"}},
}
ITEM: dict[str, Any] = {"id": "outputitem_1", "datasource_item_id": 0, "created_at": 100, "status": "pass"}
FILE: dict[str, Any] = {"object": "file", "id": "file-1", "created_at": 100, "filename": "f", "purpose": "evals"}


@pytest.fixture
async def projects(services: Services) -> AsyncGenerator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """Return a client of each of two projects."""
    await add_project(services.database)
    async with calling(services) as first, calling(services, OTHER_PROJECT) as other:
        yield first, other


async def take_in(client: httpx2.AsyncClient, whose: str) -> list[int]:
    """Import the account into a project, with texts of its own; return what was new of each batch."""
    origin = {"origin": "https://example.com"}
    path = "/api/import/evals/eval_1/runs"
    answers = [
        await client.post("/api/import/evals", params=origin, content=json.dumps({**EVAL, "name": whose})),
        await client.post(path, params=origin, content=json.dumps({**RUN, "name": whose})),
        await client.post(
            f"{path}/evalrun_1/output_items",
            params=origin,
            content=json.dumps({**ITEM, "datasource_item": {"whose": whose}}),
        ),
        await client.post(
            "/api/import/files",
            params=origin,
            data={"document": json.dumps(FILE)},
            files={"file": ("f", f'{{"item":{{"whose":"{whose}"}}}}\n'.encode())},
        ),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.json()["refused"] == []
    return [answer.json()["created"] for answer in answers]


async def show(client: httpx2.AsyncClient) -> list[Any]:
    """Return what tells whose the objects are."""
    items = (await client.get("/v1/evals/eval_1/runs/evalrun_1/output_items")).json()["data"]
    return [
        [each["name"] for each in (await client.get("/v1/evals")).json()["data"]],
        (await client.get("/v1/evals/eval_1")).json()["name"],
        (await client.get("/v1/evals/eval_1/runs/evalrun_1")).json()["name"],
        [each["datasource_item"]["whose"] for each in items],
        (await client.get("/v1/files/file-1/content")).json()["item"]["whose"],
    ]


async def test_two_projects_take_in_the_same_account(
    services: Services, projects: tuple[httpx2.AsyncClient, httpx2.AsyncClient]
) -> None:
    first, other = projects
    assert await take_in(first, "mine") == [1, 1, 1, 1]
    assert await take_in(other, "theirs") == [1, 1, 1, 1]
    assert await take_in(first, "mine again") == [0, 0, 0, 0]

    assert await show(first) == [["mine"], "mine", "mine", ["mine"], "mine"]
    assert await show(other) == [["theirs"], "theirs", "theirs", ["theirs"], "theirs"]
    for path in ("/v1/evals/eval_1", "/v1/files/file-1"):
        assert (await first.delete(path)).status_code == 200
    await Purger(services.database, services.blobs, services.clock, Patience()).purge_once()
    await sweep_blobs(services.database, services.blobs)

    assert (await first.get("/v1/evals/eval_1")).status_code == 404
    assert (await first.get("/v1/files/file-1/content")).status_code == 404
    assert await show(other) == [["theirs"], "theirs", "theirs", ["theirs"], "theirs"]


async def test_runs_of_each_project_read_the_file_of_their_own(
    services: Services, projects: tuple[httpx2.AsyncClient, httpx2.AsyncClient]
) -> None:
    first, other = projects
    await take_in(first, "mine")
    await take_in(other, "somebody else's")
    source = {"type": "jsonl", "source": {"type": "file_id", "id": "file-1"}}
    for client, scope, size in ((first, DEFAULT_PROJECT, 26), (other, OTHER_PROJECT, 37)):
        assert len((await client.get("/v1/files/file-1/content")).content) == size
        created = await client.post("/v1/evals/eval_1/runs", json={"data_source": source})
        assert created.status_code == 201, created.text
        async with services.database.read() as tx:
            assert (await get_run_by_id(tx, scope, created.json()["id"])).source_bytes == size
        foreign = other if client is first else first
        path = f"/v1/evals/eval_1/runs/{created.json()['id']}"
        assert (await client.get(path)).status_code == 200
        assert (await foreign.get(path)).status_code == 404


async def test_each_project_has_idempotency_keys_and_inline_rows_of_its_own(
    services: Services, projects: tuple[httpx2.AsyncClient, httpx2.AsyncClient]
) -> None:
    first, other = projects
    await take_in(first, "mine")
    await take_in(other, "theirs")
    rows = [{"item": {"n": 1}}]
    body = {"data_source": {"type": "jsonl", "source": {"type": "file_content", "content": rows}}}
    ids = [
        (await client.post("/v1/evals/eval_1/runs", json=body, headers={"idempotency-key": "k"})).json()["id"]
        for client in (first, first, other, other)
    ]
    shown = (await other.get(f"/v1/evals/eval_1/runs/{ids[2]}")).json()

    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert shown["data_source"]["source"]["content"] == rows
    assert {scope.project_id: set(names) for scope, names in services.blobs.names(9)} == {
        1: {"file-1", ids[0]},
        2: {"file-1", ids[2]},
    }


async def test_archiving_a_project_cancels_its_runs_and_no_others(
    projects: tuple[httpx2.AsyncClient, httpx2.AsyncClient],
) -> None:
    body = {"data_source": {"type": "jsonl", "source": {"type": "file_content", "content": [{"item": {"n": 1}}]}}}
    for client in projects:
        await take_in(client, "somebody's")
        assert (await client.post("/v1/evals/eval_1/runs", json=body)).json()["status"] == "queued"

    archived = await projects[0].post(f"/v1/organization/projects/proj_{OTHER_PROJECT.project_id}/archive")

    assert archived.json()["status"] == "archived"
    listed = [(await client.get("/v1/evals/eval_1/runs")).json()["data"] for client in projects]
    assert [{run["status"] for run in runs} for runs in listed] == [{"completed", "queued"}, {"completed", "canceled"}]
