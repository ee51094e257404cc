"""Facts about the content of files as it is answered from an open blob."""

import re

import httpx2
import pytest

from evalhaven.api.contents import BlobResponse
from evalhaven.api.services import Services
from evalhaven.storage.blobs import BlobReader
from tests.unit.storage.stored import blob_path, make_file, store_file

CONTENT = bytes(range(256)) * 1024  # more than a block


@pytest.fixture
async def address(services: Services) -> str:
    """Return the address of the content of a stored file."""
    file = await store_file(services.database, make_file(size_bytes=len(CONTENT)))
    blob_path(services.blobs, file.id).write_bytes(CONTENT)
    return f"/v1/files/{file.id}/content"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=-7", len(CONTENT) - 7, len(CONTENT)), ("bytes=70000-", 70_000, len(CONTENT))],
)
async def test_a_range_is_answered_alone(
    client: httpx2.AsyncClient, address: str, asked: str, start: int, end: int
) -> None:
    answer = await client.get(address, headers={"range": asked})

    assert (answer.status_code, answer.content) == (206, CONTENT[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(CONTENT)}"
    assert answer.headers["content-length"] == str(end - start)


async def test_several_ranges_are_answered_in_parts(client: httpx2.AsyncClient, address: str) -> None:
    answer = await client.get(address, headers={"range": "bytes=0-3,100-69999"})

    assert answer.status_code == 206
    assert len(answer.content) == int(answer.headers["content-length"])
    boundary = answer.headers["content-type"].partition("boundary=")[2].encode()
    parts = re.split(rb"(?:\r\n)?--" + boundary + rb"(?:--)?(?:\r\n)?", answer.content)
    assert [part.partition(b"\r\n\r\n")[2] for part in parts if part] == [CONTENT[:4], CONTENT[100:70_000]]


async def test_a_range_holds_for_the_file_that_it_was_asked_of(
    services: Services, client: httpx2.AsyncClient, address: str
) -> None:
    whole = await client.get(address)
    asked = {"range": "bytes=0-9", "if-range": whole.headers["etag"]}
    assert (await client.get(address, headers=asked)).status_code == 206
    # Replaced by another import: of the same length, but other bytes.
    path = blob_path(services.blobs, address.split("/")[3])
    path.unlink()
    path.write_bytes(CONTENT[::-1])
    again = await client.get(address, headers=asked)

    assert (again.status_code, again.content) == (200, CONTENT[::-1])
    assert whole.content == CONTENT
    assert whole.headers["last-modified"].endswith(" GMT")


async def test_a_head_is_answered_without_the_content(client: httpx2.AsyncClient, address: str) -> None:
    answer = await client.head(address)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(CONTENT))


@pytest.mark.parametrize("asked", ["", "bytes=1-2", "bytes=1-2,5-6", "bytes=999999-"])
async def test_a_blob_is_closed_with_its_response(
    client: httpx2.AsyncClient, address: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[BlobReader] = []
    original = BlobResponse.__init__

    def remember(self: BlobResponse, blob: BlobReader, size_bytes: int, modified_at: float, filename: str) -> None:
        opened.append(blob)
        original(self, blob, size_bytes, modified_at, filename)

    monkeypatch.setattr(BlobResponse, "__init__", remember)
    await client.get(address, headers={"range": asked} if asked else {})

    [blob] = opened
    with pytest.raises(ValueError, match="closed file"):
        blob.read(1)
