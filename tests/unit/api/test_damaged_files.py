"""Facts about stored files that are shorter or longer than they were, as the API answers them."""

import json
from typing import Any

import httpx2
import pytest

from evalhaven.api.services import Services
from evalhaven.storage.blobs import json_array_blocks
from tests.unit.storage.stored import blob_path, make_file, make_run, store_eval, store_file, store_run

ROWS = b"".join(b'{"item":{"n":%d}}\n' % n for n in range(10))
DAMAGES = [
    (ROWS[:90], "has 90 bytes"),
    (ROWS[:-1], "has 169 bytes"),
    (ROWS + b"\n", "has 171 bytes"),
    (None, "is gone"),
]


def damage(services: Services, name: str, left: bytes | None) -> None:
    """Put what is left of a stored file in its place."""
    if left is not None:
        blob_path(services.blobs, name).write_bytes(left)


@pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-9"}])
@pytest.mark.parametrize(("left", "found"), DAMAGES)
async def test_the_content_of_a_damaged_file_is_refused_with_its_id_and_both_sizes(
    services: Services, client: httpx2.AsyncClient, left: bytes | None, found: str, headers: dict[str, str]
) -> None:
    file = await store_file(services.database, make_file(size_bytes=len(ROWS)))
    damage(services, file.id, left)
    answer = await client.get(f"/v1/files/{file.id}/content", headers=headers)

    assert answer.status_code == 500
    error = answer.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("server_error", "file_id", "stored_file_damaged")
    for part in (file.id, found, "170 bytes when it was accepted"):
        assert part in error["message"]
    # Its record can be read all the same, and says how long it was.
    assert (await client.get(f"/v1/files/{file.id}")).json()["bytes"] == len(ROWS)


async def test_a_whole_file_is_answered(services: Services, client: httpx2.AsyncClient) -> None:
    file = await store_file(services.database, make_file(size_bytes=len(ROWS)))
    blob_path(services.blobs, file.id).write_bytes(ROWS)

    assert (await client.get(f"/v1/files/{file.id}/content")).content == ROWS


@pytest.mark.parametrize(("left", "found"), DAMAGES)
async def test_a_run_with_damaged_inline_rows_is_shown_without_them_and_says_so(
    services: Services, client: httpx2.AsyncClient, left: bytes | None, found: str
) -> None:
    parent = await store_eval(services.database)
    run = await store_run(services.database, make_run(parent, source_bytes=len(ROWS)))
    damage(services, run.id, left)
    path = f"/v1/evals/{parent.id}/runs"
    answers: list[dict[str, Any]] = [json.loads((await client.get(f"{path}/{run.id}")).content)]
    answers += json.loads((await client.get(path)).content)["data"]

    for answer in answers:
        assert answer["data_source"]["source"]["content"] == []
        [warning] = answer["evalhaven"]["warnings"]
        assert warning["pointer"] == "/data_source/source/content"
        for part in (run.id, found, "170 bytes"):
            assert part in warning["message"]
    assert json.loads((await client.get(f"/api/runs/{run.id}?rows=false")).content)["evalhaven"]["warnings"] == []


async def test_rows_cut_while_they_are_sent_never_look_whole(services: Services) -> None:
    rows = ROWS * 20_000
    path = blob_path(services.blobs, "evalrun_1")
    path.write_bytes(rows)
    with path.open("rb") as source:
        blocks = json_array_blocks(source)
        next(blocks)
        with path.open("r+b") as file:
            file.truncate(1 << 20)
        with pytest.raises(EOFError):
            list(blocks)
