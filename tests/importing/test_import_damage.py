"""`evalhaven import archive`: archives that are incomplete or damaged, and what replaces the lost parts."""

import gzip
import json
from pathlib import Path

import anyio
import httpx2
import pytest

from evalhaven.importers.archived import ArchiveSource
from evalhaven.importers.transfer import Transfer, TransferError
from tests.importing.moving import a_file, an_item, run_import, small_holdings, write_archive
from tests.server import Server

FILE_ROWS = b'{"item": {"a": "x", "b": "x"}}\n'
FILE_ID = a_file()["id"]


def test_a_recovered_file_keeps_its_record_and_gives_way_to_the_real_one(tmp_path: Path) -> None:
    holdings = small_holdings()
    nothing = write_archive(tmp_path / "nothing", holdings)
    holdings.files = [(a_file(note="kept"), None)]
    cut = write_archive(tmp_path / "cut", holdings)
    holdings.files = [(a_file(), FILE_ROWS)]
    whole = write_archive(tmp_path / "whole", holdings)
    address = f"/v1/files/{FILE_ID}"
    with Server(tmp_path).running() as server, httpx2.Client(base_url=server.url, timeout=30) as http:
        assert run_import("archive", cut, "--url", server.url).status == 0
        recovered, rows = http.get(address).json(), http.get(f"{address}/content").content
        checked = run_import("archive", whole, "--url", server.url, "--check")
        assert http.get(f"{address}/content").content == rows
        replaced = run_import("archive", whole, "--url", server.url)
        real, content = http.get(address).json(), http.get(f"{address}/content").content
        later = [run_import("archive", each, "--url", server.url) for each in (whole, cut, nothing)]
        assert http.get(f"{address}/content").content == content
        assert http.get(address).json() == real

    assert {key: recovered[key] for key in ("filename", "created_at", "note")} == {
        "filename": "tickets.jsonl",
        "created_at": a_file()["created_at"],
        "note": "kept",
    }
    assert recovered["bytes"] == len(rows)
    assert recovered["evalhaven"]["recovered"]["rows"] == 3
    assert checked.counts["files"] == replaced.counts["files"] == (1, 0, 0)
    assert "recovered" not in real["evalhaven"]
    assert content == FILE_ROWS
    assert [outcome.counts["files"] for outcome in later] == [(0, 1, 0), (0, 0, 0), (0, 0, 0)]


@pytest.mark.parametrize("damage", [b"", FILE_ROWS.replace(b"x", b"y"), None])
def test_damaged_content_is_named_and_the_rest_comes_over(tmp_path: Path, damage: bytes | None) -> None:
    holdings = small_holdings()
    holdings.files = [(a_file(), FILE_ROWS)]
    archive = write_archive(tmp_path / "archive", holdings)
    content = archive / "files" / f"{FILE_ID}.content"
    if damage is None:
        content.unlink()
    else:
        content.write_bytes(damage)
    outcome = run_import("archive", archive, "--data-dir", tmp_path / "data")

    assert outcome.status == 3
    assert f"files/{FILE_ID}.content" in outcome.out
    assert outcome.counts["output items"] == (3, 0, 0)
    # Its rows are rebuilt, like those of a missing file.
    assert f"files {FILE_ID}: its rows were rebuilt from output items" in outcome.out
    assert "Traceback" not in outcome.err


def test_a_list_that_lacks_objects_is_reported(tmp_path: Path) -> None:
    holdings = small_holdings()
    ((run_id, items),) = holdings.items.items()
    archive = write_archive(tmp_path / "archive", holdings)
    page = json.dumps({"object": "list", "data": items[:2], "has_more": False})
    (archive / "output_items" / f"{run_id}.jsonl.gz").write_bytes(gzip.compress(page.encode() + b"\n"))

    source = ArchiveSource.open(archive)
    assert len(list(source.output_items(run_id))) == len(list(source.output_items(run_id))) == 2
    assert source.damage.count == 1
    assert "holds 2 objects, its manifest says 3" in source.damage.messages[0]


@pytest.mark.parametrize("cut", [b"", b"half", b"flipped"])
def test_of_a_damaged_list_what_is_whole_comes_and_the_rest_later(tmp_path: Path, cut: bytes) -> None:
    holdings = small_holdings(9)
    ((run_id, items),) = holdings.items.items()
    archive = write_archive(tmp_path / "archive", holdings)
    unit = archive / "output_items" / f"{run_id}.jsonl.gz"
    lines = [json.dumps({"object": "list", "data": items[n : n + 3]}).encode() + b"\n" for n in (0, 3, 6)]
    whole = b"".join(map(gzip.compress, lines))
    manifest = archive / "manifest.json"
    length = f'"bytes": {unit.stat().st_size}'
    assert length in manifest.read_text()
    first, second = len(gzip.compress(lines[0])), len(gzip.compress(lines[1]))
    flipped = bytearray(whole)
    # In the checksum of the second page: all of its text can be read, but must not be trusted.
    flipped[first + second - 8] ^= 1
    damaged = {b"": b"", b"half": whole[: first + second // 2], b"flipped": bytes(flipped)}[cut]
    unit.write_bytes(damaged)
    with Server(tmp_path).running() as server:
        outcome = run_import("archive", archive, "--url", server.url)
        unit.write_bytes(whole)
        again = run_import("archive", archive, "--url", server.url)

    came = 3 if cut else 0
    assert outcome.status == 3, outcome
    assert outcome.counts["output items"] == (came, 0, 0)
    assert f"output_items/{run_id}.jsonl.gz" in outcome.out
    assert again.counts["output items"] == (9 - came, came, 0)
    assert again.status == 0, again


def test_items_of_an_export_that_was_cut_short_come_over(tmp_path: Path) -> None:
    holdings = small_holdings()
    ((run_id, items),) = holdings.items.items()
    holdings.items = {}
    archive = write_archive(tmp_path / "archive", holdings, finished_at=None)
    part = archive / "output_items" / f"{run_id}.jsonl.gz.part"
    part.parent.mkdir()
    pages = [gzip.compress(json.dumps({"object": "list", "data": [item]}).encode() + b"\n") for item in items]
    part.write_bytes(b"".join(pages)[:-4])
    outcome = run_import("archive", archive, "--data-dir", tmp_path / "data")

    assert outcome.status == 3
    assert outcome.counts["output items"] == (2, 0, 0)
    assert f"run {run_id} counts 3 output items, and 2 of them came over" in outcome.out
    part.write_bytes(b"".join(pages))
    assert len(list(ArchiveSource.open(archive).output_items(run_id))) == 3


def test_a_part_with_less_than_the_unit_is_left_alone(tmp_path: Path) -> None:
    holdings = small_holdings()
    ((run_id, items),) = holdings.items.items()
    archive = write_archive(tmp_path / "archive", holdings)
    part = archive / "output_items" / f"{run_id}.jsonl.gz.part"
    page = json.dumps({"object": "list", "data": [*items, an_item(holdings.runs[items[0]["eval_id"]][0], 9)]})
    part.write_bytes(gzip.compress(page.encode() + b"\n"))
    manifest = archive / "manifest.json"

    assert len(list(ArchiveSource.open(archive).output_items(run_id))) == 3
    manifest.write_text(manifest.read_text().replace('"objects": 3', '"objects": 3, "final": false'))
    assert len(list(ArchiveSource.open(archive).output_items(run_id))) == 4


def test_a_server_that_cannot_say_whether_it_has_a_file_ends_the_import(tmp_path: Path) -> None:
    source = ArchiveSource.open(write_archive(tmp_path / "archive", small_holdings()))

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.method == "GET":
            return httpx2.Response(500, json={"error": {"message": "The disk is on fire."}})
        return httpx2.Response(200, json={"created": 1, "unchanged": 0, "refused": []})

    async def send() -> None:
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(answer), base_url="http://server") as client:
            await Transfer(client, source, is_check=False, on_progress=lambda _: None).send_all()

    with pytest.raises(TransferError, match="The disk is on fire"):
        anyio.run(send)
