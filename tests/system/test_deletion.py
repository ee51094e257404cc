"""What is deleted is hidden at once and removed bit by bit; what is canceled is kept."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.figures import Say
from tests.server import Server
from tests.sizes import IS_SOAK, SIZES
from tests.system.client import Client, age_leftovers, item_rows, wait_until, write_rows
from tests.system.inside import executor_of, stop_outside_transactions
from tests.system.watch import Watch, watch_of

_ANSWERED_WITHIN_S = 0.2
_FULL_TIMEOUT_S = 1800
_LONG_RUN = 20_000  # items of a run that nobody waits for
_RUN = 200  # items of one that ends


@pytest.fixture
def stopped_server(shared_server: Server) -> Server:
    return shared_server


@pytest.fixture
def watch(server: Server) -> Iterator[Watch]:
    with watch_of(server) as watch:
        yield watch


@pytest.fixture
def file_id(client: Client, server: Server, tmp_path: Path) -> str:
    """Return a file whose slow run takes minutes."""
    assert server.process.poll() is None
    return client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(_LONG_RUN)))


def _blobs(server: Server) -> set[str]:
    directory = server.data_dir / "blobs" / "1"
    return {entry.name for entry in directory.iterdir()} if directory.exists() else set()


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(_FULL_TIMEOUT_S)
def test_a_large_run_is_hidden_at_once_and_purged_in_batches_also_after_a_kill(
    server: Server, client: Client, watch: Watch, say: Say, tmp_path: Path
) -> None:
    file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(SIZES.delete_items)))
    eval_id = client.create_eval()
    run = client.wait_for_end(eval_id, client.start_run(eval_id, file_id), _FULL_TIMEOUT_S)
    assert run["result_counts"]["total"] == SIZES.delete_items
    kept = client.wait_for_end(eval_id, client.start_run(eval_id, client.upload(b'{"item":{}}')))
    run_key = watch.run_key(run["id"])
    path = f"/v1/evals/{eval_id}/runs/{run['id']}"
    item = client.get(f"{path}/output_items", params={"limit": 1}).json()["data"][0]
    # The first report after a start loads numpy, and the purge would be over by then.
    assert client.get(f"/api/runs/{run['id']}/report").status_code == 200

    # What is hidden is so before anything is purged.
    executor = stop_outside_transactions(server, watch)
    started = time.monotonic()
    deleted = client.delete(path)
    answered_s = time.monotonic() - started
    assert deleted.json() == {"object": "eval.run.deleted", "deleted": True, "run_id": run["id"]}
    for hidden in (path, f"{path}/output_items", f"{path}/output_items/{item['id']}"):
        assert client.get(hidden).status_code == 404, hidden
    assert client.get(f"/api/runs/{run['id']}/report").status_code == 404
    assert client.post(path).status_code == client.delete(path).status_code == 404
    assert [each["id"] for each in client.get(f"/v1/evals/{eval_id}/runs").json()["data"]] == [kept["id"]]

    executor.resume()
    wait_until(lambda: watch.count_items(run_key) < SIZES.delete_items, "the purge begins")
    slowest_s = 0.0
    for _ in range(5 if IS_SOAK else 0):  # fewer items are soon gone
        started = time.monotonic()
        client.create_eval()
        slowest_s = max(slowest_s, time.monotonic() - started)
    server.kill()
    left = watch.count_items(run_key)
    assert 0 < left < SIZES.delete_items
    started = time.monotonic()
    server.restart()
    is_purged = "SELECT purged_at IS NOT NULL FROM runs WHERE key = ?"
    wait_until(lambda: watch.value(is_purged, run_key), "the run is purged", _FULL_TIMEOUT_S, pause_s=0.05)
    took_s = time.monotonic() - started
    assert watch.count_items(run_key) == 0
    assert watch.value("SELECT count(*) FROM chunks WHERE run_key = ?", run_key) == 0
    # Its id stays a valid cursor.
    older = client.get(f"/v1/evals/{eval_id}/runs", params={"after": run["id"], "order": "asc"})
    assert [each["id"] for each in older.json()["data"]] == [kept["id"]]
    say(
        f"{SIZES.delete_items:,} items: deletion answered in {answered_s * 1000:.0f} ms; killed with {left:,} left, "
        f"these purged in {took_s:.1f} s from the restart"
        + (f"; slowest request meanwhile {slowest_s * 1000:.0f} ms" if IS_SOAK else "")
    )
    if IS_SOAK:
        assert answered_s < _ANSWERED_WITHIN_S


def _without_flow(run: dict[str, Any]) -> dict[str, Any]:
    """Return a run without the state of its calls: the executor writes that once more when it drops them."""
    return {**run, "evalhaven": {key: value for key, value in run["evalhaven"].items() if key != "limiter"}}


@pytest.mark.parametrize("suffix", ["", "/cancel"])
def test_a_canceled_run_keeps_exactly_what_its_answer_counted(
    server: Server, client: Client, watch: Watch, file_id: str, suffix: str
) -> None:
    eval_id = client.create_eval()
    run_id = client.start_slow_run(eval_id, file_id)
    client.wait_for_items(eval_id, run_id)
    canceled = client.post(f"/v1/evals/{eval_id}/runs/{run_id}{suffix}").json()
    assert canceled["status"] == "canceled"
    assert 0 < canceled["result_counts"]["total"] < _LONG_RUN
    # Longer than a batch and the executor's interval of looking at the runs, then a new executor's first look.
    time.sleep(1.5)
    server.restart()
    executor_of(server)
    time.sleep(0.5)
    assert _without_flow(client.get_run(eval_id, run_id)) == _without_flow(canceled)
    recount = watch.recount(watch.run_key(run_id))
    counts = canceled["result_counts"]
    assert len(recount.positions) == counts["total"]
    assert recount.statuses == (counts["passed"], counts["failed"], counts["errored"])
    assert watch.rows("SELECT type FROM events WHERE object_id = ?", run_id) == [("eval.run.canceled",)]
    assert _without_flow(client.post(f"/v1/evals/{eval_id}/runs/{run_id}").json()) == _without_flow(canceled)


def test_an_eval_is_deleted_with_the_run_that_is_under_way(
    server: Server, client: Client, watch: Watch, file_id: str
) -> None:
    eval_id = client.create_eval()
    run_id = client.start_slow_run(eval_id, file_id)
    client.wait_for_items(eval_id, run_id)
    assert client.delete(f"/v1/evals/{eval_id}").json()["deleted"] is True
    path = f"/v1/evals/{eval_id}"
    for hidden in (path, f"{path}/runs", f"{path}/runs/{run_id}", f"{path}/runs/{run_id}/output_items"):
        assert client.get(hidden).status_code == 404, hidden
    assert eval_id not in [each["id"] for each in client.get("/v1/evals").json()["data"]]
    is_purged = "SELECT purged_at IS NOT NULL FROM evals WHERE public_id = ?"
    wait_until(lambda: watch.value(is_purged, eval_id), "the eval is purged")
    assert watch.count_items(watch.run_key(run_id)) == 0
    assert watch.rows("SELECT type FROM events WHERE object_id = ?", run_id) == [("eval.run.canceled",)]
    assert "Traceback" not in server.log


@pytest.mark.parametrize("end", ["deleted", "expired"])
def test_a_file_that_goes_while_a_run_reads_it_stays_until_the_run_ended(
    server: Server, client: Client, watch: Watch, tmp_path: Path, end: str
) -> None:
    file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(_RUN)))
    eval_id = client.create_eval()
    run_id = client.start_slow_run(eval_id, file_id)
    client.wait_for_items(eval_id, run_id)
    executor = stop_outside_transactions(server, watch)
    if end == "deleted":
        assert client.delete(f"/v1/files/{file_id}").json() == {"id": file_id, "object": "file", "deleted": True}
    else:
        watch.change("UPDATE files SET expires_at = 1 WHERE public_id = ?", file_id)
    assert client.get_run(eval_id, run_id)["status"] == "in_progress"
    for hidden in (f"/v1/files/{file_id}", f"/v1/files/{file_id}/content"):
        assert client.get(hidden).status_code == 404
    assert file_id not in [each["id"] for each in client.get("/v1/files").json()["data"]]
    refused = client.post(
        f"/v1/evals/{eval_id}/runs",
        json={"data_source": {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}},
    )
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "file_not_found")

    # The next executor begins by looking for what is to be purged.
    executor.kill()
    run = client.wait_for_end(eval_id, run_id)
    assert (run["status"], run["result_counts"]["total"]) == ("completed", _RUN)
    wait_until(lambda: file_id not in _blobs(server), "the content is purged")
    wait_until(
        lambda: watch.value("SELECT purged_at IS NOT NULL FROM files WHERE public_id = ?", file_id), "and its record"
    )


def test_content_goes_with_its_file_and_inline_rows_with_their_run(server: Server, client: Client) -> None:
    others = _blobs(server)
    file_id = client.upload(b'{"item":{}}')
    eval_id = client.create_eval()
    source = {"type": "file_content", "content": [{"item": item} for item in item_rows(3)]}
    created = client.post(f"/v1/evals/{eval_id}/runs", json={"data_source": {"type": "jsonl", "source": source}})
    run_id = created.json()["id"]
    client.wait_for_end(eval_id, run_id)
    assert _blobs(server) - others == {file_id, run_id}
    assert client.delete(f"/v1/evals/{eval_id}/runs/{run_id}").status_code == 200
    wait_until(lambda: _blobs(server) - others == {file_id}, "the run's rows are purged")
    assert client.delete(f"/v1/files/{file_id}").status_code == 200
    wait_until(lambda: _blobs(server) <= others, "the file's content is purged")


def test_what_a_kill_left_of_uploads_is_swept_at_the_start(server: Server, client: Client) -> None:
    others = _blobs(server)
    kept = client.upload(b"kept")
    parts = server.data_dir / "blobs" / "parts"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = "POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000000\r\n"
        form = '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
        connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n{form}".encode())
        connection.sendall(2_000_000 * b"x")
        wait_until(lambda: any(part.stat().st_size for part in parts.iterdir()), "the upload arrives")
        server.kill()
    assert len(list(parts.iterdir())) == 1
    # A blob that was committed just before a kill, without its row; and one of unknown origin.
    orphan, stranger = "file-OrphanOrphanOrphanOrph", "file-StrangerStrangerStrang"
    for name in (orphan, stranger):
        (server.data_dir / "blobs" / "1" / name).write_bytes(b"orphan")
    (server.data_dir / "blobs" / "unnamed" / "1" / orphan).touch()
    age_leftovers(server.data_dir)
    server.restart()
    assert not list(parts.iterdir())
    assert not list((server.data_dir / "blobs" / "unnamed" / "1").iterdir())
    assert _blobs(server) - others == {kept, stranger}
    assert f"such_as=1/{stranger}" in server.log
    assert client.get(f"/v1/files/{kept}/content").content == b"kept"


def test_a_run_whose_executor_stands_still_is_deleted_all_the_same(
    server: Server, client: Client, watch: Watch, file_id: str
) -> None:
    eval_id = client.create_eval()
    run_id = client.start_slow_run(eval_id, file_id)
    client.wait_for_items(eval_id, run_id)
    executor = stop_outside_transactions(server, watch)
    run_key = watch.run_key(run_id)
    before = watch.count_items(run_key)
    assert client.delete(f"/v1/evals/{eval_id}/runs/{run_id}").status_code == 200
    assert client.get(f"/v1/evals/{eval_id}/runs/{run_id}").status_code == 404
    executor.resume()
    wait_until(lambda: watch.count_items(run_key) == 0, "its items are purged")
    assert before > 0
    assert "Traceback" not in server.log
