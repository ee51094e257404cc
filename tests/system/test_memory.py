"""Files and bodies stream: no process holds one in memory."""

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import ON_SQLITE_ONLY
from tests.figures import Say
from tests.server import Server
from tests.sizes import IS_SOAK, SIZES
from tests.system.client import Client, item_rows, wait_until, write_rows
from tests.system.inside import executor_of, peak_memory_mb

_ROW_CHARS = 20_000
_INLINE_BYTES = 60_000_000 if IS_SOAK else 20_000_000
_PART_BYTES = 20_000_000 // 256 * 256
_MOST_MB = 200
_MOST_WITH_INLINE_MB = 250  # the mapped body counts as resident
_FULL_TIMEOUT_S = 1800


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(_FULL_TIMEOUT_S)
def test_a_run_over_a_large_file_keeps_both_processes_small(
    server: Server, client: Client, say: Say, tmp_path: Path
) -> None:
    executor = executor_of(server)
    idle = peak_memory_mb(server.process.pid), peak_memory_mb(executor.pid)
    count = SIZES.file_bytes // _ROW_CHARS
    path = write_rows(tmp_path / "rows.jsonl", item_rows(count, _ROW_CHARS))
    started = time.monotonic()
    file_id = client.upload_path(path)
    uploaded = time.monotonic()
    eval_id = client.create_eval()
    run = client.wait_for_end(eval_id, client.start_run(eval_id, file_id), _FULL_TIMEOUT_S)
    ended = time.monotonic()
    assert run["status"] == "completed", run["error"]
    assert run["result_counts"]["total"] == count
    with client.stream("GET", f"/v1/files/{file_id}/content") as content, path.open("rb") as file:
        downloaded = hashlib.sha256()
        for block in content.iter_raw():
            downloaded.update(block)
        assert downloaded.digest() == hashlib.file_digest(file, "sha256").digest()
    # A page is bounded by bytes, too: 100 of these rows are 2 MB.
    page = client.get(f"/v1/evals/{eval_id}/runs/{run['id']}/output_items", params={"limit": 100}).json()
    assert len(page["data"]) == min(100, count)
    for format_name in ("jsonl", "csv", "parquet"):
        _export(client, run["id"], format_name)
    path.unlink()

    peaks = peak_memory_mb(server.process.pid), peak_memory_mb(executor.pid)
    say(f"{SIZES.file_bytes / 1e6:,.0f} MB: upload {uploaded - started:.1f} s, run {ended - uploaded:.1f} s")
    say(f"peak MB: server {peaks[0]:.0f} (idle {idle[0]:.0f}), executor {peaks[1]:.0f} (idle {idle[1]:.0f})")
    assert executor.is_running()
    assert max(peaks) < _MOST_MB


def _export(client: Client, run_id: str, format_name: str) -> None:
    """Read an export of a run to its end, and keep nothing of it."""
    with client.stream("GET", f"/api/runs/{run_id}/export", params={"format": format_name}) as export:
        assert export.status_code == 200
        assert sum(map(len, export.iter_raw())) > _ROW_CHARS


@ON_SQLITE_ONLY
@pytest.mark.proof
@pytest.mark.timeout(_FULL_TIMEOUT_S)
def test_the_parts_of_a_file_are_put_together_as_a_stream(server: Server, client: Client, say: Say) -> None:
    idle = peak_memory_mb(server.process.pid)
    part = bytes(range(256)) * (_PART_BYTES // 256)
    count = max(SIZES.file_bytes // _PART_BYTES, 2)
    body = {"bytes": count * _PART_BYTES, "filename": "f", "mime_type": "text/plain", "purpose": "evals"}
    path = f"/v1/uploads/{client.post('/v1/uploads', json=body).json()['id']}"
    part_ids = [client.post(f"{path}/parts", files={"data": ("part", part)}).json()["id"] for _ in range(count)]
    checksum = hashlib.md5(usedforsecurity=False)
    for _ in range(count):
        checksum.update(part)
    started = time.monotonic()
    done = client.post(f"{path}/complete", json={"part_ids": part_ids, "md5": checksum.hexdigest()}).json()
    took_s = time.monotonic() - started
    assert done["file"]["bytes"] == count * _PART_BYTES
    peak = peak_memory_mb(server.process.pid)
    say(f"{count * _PART_BYTES / 1e6:,.0f} MB in {count} parts put together in {took_s:.1f} s")
    say(f"peak MB: server {peak:.0f} (idle {idle:.0f})")
    assert peak < _MOST_MB


@ON_SQLITE_ONLY
@pytest.mark.proof
def test_inline_rows_are_received_and_echoed_as_a_stream(server: Server, client: Client, say: Say) -> None:
    eval_id = client.create_eval()
    rows = [json.dumps({"item": item}) for item in item_rows(_INLINE_BYTES // 1000, 1000)]
    body = f'{{"data_source":{{"type":"jsonl","source":{{"type":"file_content","content":[{",".join(rows)}]}}}}}}'
    executor = executor_of(server)
    started = time.monotonic()
    created = client.post(f"/v1/evals/{eval_id}/runs", content=body)
    took_s = time.monotonic() - started
    assert created.status_code == 201
    run = client.wait_for_end(eval_id, created.json()["id"])
    assert run["status"] == "completed", run["error"]
    assert run["result_counts"]["total"] == len(rows)
    for echo in (created.json(), run):
        assert echo["data_source"]["source"]["content"] == [json.loads(row) for row in rows]

    peaks = peak_memory_mb(server.process.pid), peak_memory_mb(executor.pid)
    say(f"inline {len(body) / 1e6:.0f} MB in {took_s:.1f} s; peak MB: server {peaks[0]:.0f}, executor {peaks[1]:.0f}")
    assert peaks[0] < _MOST_WITH_INLINE_MB
    assert peaks[1] < _MOST_MB


@ON_SQLITE_ONLY
def test_an_echo_that_nobody_reads_is_not_held_in_memory(server: Server, client: Client, say: Say) -> None:
    eval_id = client.create_eval()
    rows = [{"item": item} for item in item_rows(_INLINE_BYTES // 1000, 1000)]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    run_id = client.post(f"/v1/evals/{eval_id}/runs", json={"data_source": source}).json()["id"]
    assert client.wait_for_end(eval_id, run_id)["status"] == "completed"
    before = peak_memory_mb(server.process.pid)
    for _ in range(3):
        with client.stream("GET", f"/v1/evals/{eval_id}/runs/{run_id}") as echo:
            next(echo.iter_raw())
            time.sleep(0.2)
    after = peak_memory_mb(server.process.pid)
    say(f"peak MB: {before:.0f}, with three echoes of {_INLINE_BYTES / 1e6:.0f} MB broken off {after:.0f}")
    assert after < _MOST_WITH_INLINE_MB
    assert "Traceback" not in server.log


@ON_SQLITE_ONLY
def test_a_line_over_32_mb_fails_the_run_and_is_named(server: Server, client: Client, say: Say) -> None:
    eval_id = client.create_eval()
    rows = [json.dumps({"item": item}).encode() + b"\n" for item in item_rows(2)]

    def content() -> Iterator[bytes]:
        yield from rows
        yield b'{"item":{"n":3,"answer":"'
        yield from (1_000_000 * b"x" for _ in range(34))
        yield b'"}}\n'

    file_id = client.upload(b"".join(content()))
    run = client.wait_for_end(eval_id, client.start_run(eval_id, file_id))
    assert run["status"] == "failed"
    assert run["error"]["code"] == "invalid_data_source"
    assert "Line 3 is longer than 32 MB" in run["error"]["message"]
    assert run["result_counts"] == {"total": 0, "passed": 0, "failed": 0, "errored": 0}
    executor = executor_of(server)
    wait_until(executor.is_running, "the executor lives")
    say(f"peak MB: executor {peak_memory_mb(executor.pid):.0f}")
    assert peak_memory_mb(executor.pid) < _MOST_MB
