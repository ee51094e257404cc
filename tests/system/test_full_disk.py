"""A full disk: runs pause, reads go on, and what waited continues by itself once there is room."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evalhaven.sandbox.environment import Tier
from tests.databases import ON_SQLITE_ONLY
from tests.python_graders import python_check, require_tier
from tests.server import Server
from tests.system.calling import Callers, log_status, stored_numbers
from tests.system.client import Client, item_rows, wait_until, write_rows
from tests.system.disks import fill, pause_a_run, small_disk, stored_while_paused
from tests.system.watch import watch_of

_DISK_MB = 48
_ITEMS = 60_000


@pytest.fixture
def disk(stopped_server: Server) -> Iterator[Path]:
    """Mount a small disk where the server will keep its data."""
    stopped_server.data_dir.mkdir()
    with small_disk(stopped_server.data_dir, _DISK_MB) as disk:
        yield disk
        stopped_server.stop()


def test_a_grader_that_fills_the_disk_of_the_server_ends_with_its_run(tmp_path: Path) -> None:
    # pytest's directories are closed to the users that hosts become, except those that a namespace admits.
    require_tier(Tier.FULL)
    source = """
def grade(sample, item):
    with open("large", "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
"""
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, _DISK_MB):
        temporary = disk / "temporary"
        temporary.mkdir()
        server = Server(disk, TMPDIR=str(temporary))
        server.log_path = tmp_path / "server.log"
        with server.running(), Client(server.url) as client:
            eval_id = client.create_eval([python_check(source)], {"type": "object"})
            file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(3)))
            run = client.wait_for_end(eval_id, client.start_run(eval_id, file_id))

    assert (run["status"], run["result_counts"]["total"]) == ("completed", 3)
    assert run["result_counts"]["passed"] == 0


@ON_SQLITE_ONLY
@pytest.mark.slow
def test_a_run_pauses_while_the_disk_is_full_and_goes_on_by_itself(
    stopped_server: Server, client: Client, disk: Path, tmp_path: Path
) -> None:
    server = stopped_server
    server.start()
    paused = pause_a_run(server, client, disk, tmp_path, _ITEMS)
    stored = stored_while_paused(client, paused, _ITEMS)
    fill(disk)
    upload = client.post("/v1/files", data={"purpose": "evals"}, files={"file": ("f", 3_000_000 * b"x")})
    assert upload.status_code == 503
    assert upload.json()["error"]["code"] == "storage_unavailable"
    assert upload.headers["retry-after"]
    assert [each["id"] for each in client.get("/v1/files").json()["data"]] == [paused.file_id]
    time.sleep(2.5)
    assert client.get_run(paused.eval_id, paused.run_id)["result_counts"]["total"] == stored

    paused.ballast.unlink()
    run = client.wait_for_end(paused.eval_id, paused.run_id)
    assert (run["status"], run["result_counts"]["total"]) == ("completed", _ITEMS)
    with watch_of(server) as watch:
        recount = watch.recount(watch.run_key(paused.run_id))
    assert recount.positions == set(range(_ITEMS))
    counts = run["result_counts"]
    assert (counts["passed"], counts["failed"], counts["errored"]) == recount.statuses
    # One line when runs stop and one when they go on, not one for each attempt; a small batch may still have fitted.
    assert 1 <= server.log.count("effect='runs pause'") <= 2
    assert server.log.count("effect='runs go on'") == server.log.count("effect='runs pause'")
    assert "Traceback" not in server.log


@ON_SQLITE_ONLY
@pytest.mark.slow
def test_a_server_killed_while_the_disk_is_full_starts_and_finishes_the_run_later(
    stopped_server: Server, client: Client, disk: Path, tmp_path: Path
) -> None:
    server = stopped_server
    server.start()
    paused = pause_a_run(server, client, disk, tmp_path, _ITEMS)
    server.kill()
    server.restart(wait_until_ready=False)
    wait_until(server.answers, "the server answers")
    told = client.get("/readyz")
    assert (told.status_code, told.json()["disk"]) == (503, "unavailable")
    assert any("is full: 0.0 MB are free" in reason for reason in told.json()["reasons"])
    assert client.get_run(paused.eval_id, paused.run_id)["status"] == "in_progress"
    wait_until(lambda: server.log.count("effect='runs pause'") == 2, "the run pauses again")
    paused.ballast.unlink()
    server.wait_until_ready()
    run = client.wait_for_end(paused.eval_id, paused.run_id)
    assert (run["status"], run["result_counts"]["total"]) == ("completed", _ITEMS)


@ON_SQLITE_ONLY
@pytest.mark.slow
@pytest.mark.parametrize("has_gateway", [True])
def test_logged_calls_wait_while_the_disk_is_full_and_all_are_stored_later(stopped_server: Server, disk: Path) -> None:
    server = stopped_server
    server.start()
    callers = Callers(server)
    with callers.calling():
        wait_until(lambda: len(callers.answered) >= 100, "calls are answered")
        ballast = fill(disk)
        wait_until(lambda: "log_store_unavailable" in server.log, "calls cannot be stored")
        told = log_status(server)
        answered = len(callers.answered)
        wait_until(lambda: len(callers.answered) >= answered + 100, "calls are answered all the same")
        ballast.unlink()
        wait_until(lambda: "log_store_available" in server.log, "calls are stored again")
    wait_until(lambda: not log_status(server)["pending"], "all calls are stored")

    assert told["pending"] > 0
    assert sorted(stored_numbers(server)) == sorted(callers.answered)
    assert not any(log_status(server)["lost"].values())
    assert not callers.refused
    assert "Traceback" not in server.log
