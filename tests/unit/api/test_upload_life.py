"""Facts about uploads over time: how they end, what is left of them, and what two requests at once come to."""

import anyio
import httpx2
import pytest

from evalhaven.api.services import Services
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.runs.ending.purge import Purger, sweep_blobs
from evalhaven.runs.patience import Patience
from tests.unit.api.conftest import calling
from tests.unit.domain.still_clock import StillClock
from tests.unit.storage.stored import OTHER_PROJECT, add_project, blob_path

BODY = {"bytes": 6, "filename": "f", "mime_type": "text/plain", "purpose": "evals"}
PARTS = (b"abc", b"def")


async def send_parts(client: httpx2.AsyncClient) -> tuple[str, list[str]]:
    """Create an upload and send its parts; return its id and theirs."""
    upload_id = (await client.post("/v1/uploads", json=BODY)).json()["id"]
    part_ids: list[str] = []
    for content in PARTS:
        answer = await client.post(f"/v1/uploads/{upload_id}/parts", files={"data": ("part", content)})
        part_ids.append(answer.json()["id"])
    return upload_id, part_ids


async def complete(client: httpx2.AsyncClient, upload_id: str, part_ids: list[str]) -> httpx2.Response:
    """Complete an upload."""
    return await client.post(f"/v1/uploads/{upload_id}/complete", json={"part_ids": part_ids})


async def purge(services: Services) -> None:
    """Purge everything that has ended."""
    await Purger(services.database, services.blobs, services.clock, Patience()).purge_once()


def wait(services: Services, seconds: int) -> None:
    """Let time pass."""
    assert isinstance(services.clock, StillClock)
    services.clock.time += seconds


def blob_names(services: Services) -> set[str]:
    """Return the names of all blobs."""
    return {name for _, names in services.blobs.names(100) for name in names}


def marked(services: Services) -> set[str]:
    """Return the names of the blobs that may have no row."""
    return {name for _, names in services.blobs.unnamed(100) for name in names}


async def test_parts_are_removed_once_they_are_a_file(services: Services, client: httpx2.AsyncClient) -> None:
    upload_id, part_ids = await send_parts(client)
    assert blob_names(services) == set(part_ids)
    assert marked(services) == set()
    completed = (await complete(client, upload_id, part_ids)).json()
    await purge(services)

    file_id = completed["file"]["id"]
    assert blob_names(services) == {file_id}
    assert marked(services) == set()
    assert (await client.get(f"/v1/files/{file_id}/content")).content == b"abcdef"
    assert (await complete(client, upload_id, part_ids)).json() == completed


async def test_a_canceled_upload_leaves_nothing(services: Services, client: httpx2.AsyncClient) -> None:
    upload_id, _ = await send_parts(client)
    await client.post(f"/v1/uploads/{upload_id}/cancel")
    await purge(services)

    assert blob_names(services) == set()
    assert (await client.post(f"/v1/uploads/{upload_id}/cancel")).json()["status"] == "cancelled"


async def test_an_upload_expires_after_an_hour_and_leaves_nothing(
    services: Services, client: httpx2.AsyncClient
) -> None:
    upload_id, part_ids = await send_parts(client)
    wait(services, 3599)
    assert (await complete(client, upload_id, part_ids[:1])).json()["error"]["code"] == "upload_size_mismatch"
    wait(services, 1)
    for answer in (
        await complete(client, upload_id, part_ids),
        await client.post(f"/v1/uploads/{upload_id}/parts", files={"data": ("part", b"a")}),
        await client.post(f"/v1/uploads/{upload_id}/cancel"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "upload_ended")
        assert "is expired" in answer.json()["error"]["message"]
    wait(services, 1000)
    await purge(services)
    assert blob_names(services) == set()


@pytest.mark.parametrize("is_completed", [True, False])
async def test_what_ended_is_forgotten_after_a_day(
    services: Services, client: httpx2.AsyncClient, *, is_completed: bool
) -> None:
    upload_id, part_ids = await send_parts(client)
    if is_completed:
        await complete(client, upload_id, part_ids)
    else:
        await client.post(f"/v1/uploads/{upload_id}/cancel")
    await purge(services)
    wait(services, 86_401)
    await purge(services)

    answer = await complete(client, upload_id, part_ids)
    assert (answer.status_code, answer.json()["error"]["param"]) == (404, "upload_id")


async def test_a_purge_leaves_pending_uploads_alone(services: Services, client: httpx2.AsyncClient) -> None:
    upload_id, part_ids = await send_parts(client)
    wait(services, 3599)
    await purge(services)
    await sweep_blobs(services.database, services.blobs)

    assert (await complete(client, upload_id, part_ids)).status_code == 200


async def test_only_parts_without_a_row_are_swept(services: Services, client: httpx2.AsyncClient) -> None:
    """A kill between the two leaves the mark, with the row or without it."""
    upload_id, part_ids = await send_parts(client)
    for name in (part_ids[0], "part_unstored", "file-unstored"):
        with services.blobs.writer() as writer:
            writer.write(PARTS[0])
            writer.commit(DEFAULT_PROJECT, name)
    await sweep_blobs(services.database, services.blobs)

    assert blob_names(services) == set(part_ids)
    assert (await complete(client, upload_id, part_ids)).status_code == 200


async def test_requests_to_complete_that_come_at_once_make_one_file(
    services: Services, client: httpx2.AsyncClient
) -> None:
    upload_id, part_ids = await send_parts(client)
    answers: list[httpx2.Response] = []

    async def send() -> None:
        answers.append(await complete(client, upload_id, part_ids))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(send)
    await purge(services)

    assert {answer.status_code for answer in answers} == {200}
    [file_id] = {answer.json()["file"]["id"] for answer in answers}
    assert blob_names(services) == {file_id}
    assert [each["id"] for each in (await client.get("/v1/files")).json()["data"]] == [file_id]


async def test_completing_and_canceling_at_once_has_one_outcome(services: Services, client: httpx2.AsyncClient) -> None:
    for _ in range(5):
        upload_id, part_ids = await send_parts(client)
        ends: list[httpx2.Response] = []

        async def end(step: str, body: object, upload_id: str = upload_id, ends: list[httpx2.Response] = ends) -> None:
            ends.append(await client.post(f"/v1/uploads/{upload_id}/{step}", json=body))
            await purge(services)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end, "complete", {"part_ids": part_ids})
            tasks.start_soon(end, "cancel", None)

        assert sorted(answer.status_code for answer in ends) == [200, 400]
        assert {answer.json()["error"]["code"] for answer in ends if answer.is_error} == {"upload_ended"}
    await purge(services)
    listed = {each["id"] for each in (await client.get("/v1/files")).json()["data"]}
    assert blob_names(services) == listed
    assert marked(services) == set()


async def test_a_part_that_was_cut_is_never_used(services: Services, client: httpx2.AsyncClient) -> None:
    upload_id, part_ids = await send_parts(client)
    blob_path(services.blobs, part_ids[1]).write_bytes(b"d")
    answer = await complete(client, upload_id, part_ids)

    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "stored_file_damaged")
    assert part_ids[1] in answer.json()["error"]["message"]
    assert blob_names(services) == set(part_ids)
    blob_path(services.blobs, part_ids[1]).write_bytes(b"def")
    assert (await complete(client, upload_id, part_ids)).status_code == 200


async def test_an_upload_is_known_in_its_own_project_only(services: Services, client: httpx2.AsyncClient) -> None:
    await add_project(services.database)
    upload_id, part_ids = await send_parts(client)
    async with calling(services, OTHER_PROJECT) as other:
        for answer in (
            await complete(other, upload_id, part_ids),
            await other.post(f"/v1/uploads/{upload_id}/parts", files={"data": ("part", b"a")}),
            await other.post(f"/v1/uploads/{upload_id}/cancel"),
        ):
            assert answer.status_code == 404
        own_id = (await other.post("/v1/uploads", json=BODY)).json()["id"]
        error = (await complete(other, own_id, part_ids)).json()["error"]
    assert error["code"] == "part_not_found"


async def test_an_upload_is_no_larger_than_files_may_be(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/v1/uploads", json={**BODY, "bytes": 1024 * 1024 + 1})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (400, "bytes", "file_too_large")
    assert "1048576 (1 MB)" in error["message"]
    assert "EVALHAVEN_MAX_FILE_MB" in error["message"]


async def test_an_upload_has_10_000_parts_at_most(services: Services, client: httpx2.AsyncClient) -> None:
    upload_id = (await client.post("/v1/uploads", json=BODY)).json()["id"]
    async with services.database.write() as tx:
        statement = (
            "INSERT INTO upload_parts (project_id, upload_key, public_id, created_at, size_bytes) "
            "SELECT 1, key, 'part_' || n, 100, 0 FROM uploads, "
        )
        numbers = "(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 10000) SELECT n FROM c) x"
        await tx.exec_driver_sql(statement + numbers)
    answer = await client.post(f"/v1/uploads/{upload_id}/parts", files={"data": ("part", b"")})

    assert answer.json()["error"]["code"] == "upload_full"
