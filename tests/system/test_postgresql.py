"""PostgreSQL goes away, or its disk is full: runs pause and continue by themselves, and count every item once."""

import os
import pwd
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.databases import PASSWORD, PostgresServer
from tests.figures import Say
from tests.server import Server
from tests.sizes import SEED, SIZES
from tests.system.client import Client, JsonObject, item_rows, wait_until, write_rows
from tests.system.disks import fill, pause_a_run, small_disk, stored_while_paused
from tests.system.watch import watch_of

_DISK_MB = 64
_DISK_ITEMS = 60_000
_DISK_PATIENCE_S = 300.0  # each commit waits for a disk that other tests use, too
_FORCES = (signal.SIGQUIT, signal.SIGINT, signal.SIGTERM)


@pytest.fixture(scope="module")
def durable_postgres() -> Iterator[PostgresServer]:
    """Run a PostgreSQL server of this module's own, which keeps what it committed."""
    # A smart shutdown would wait for the connection pools, which nothing closes.
    with PostgresServer(is_durable=True).running() as server:
        yield server


@pytest.fixture
def stopped_server(tmp_path: Path, durable_postgres: PostgresServer) -> Iterator[Server]:
    server = Server(tmp_path, durable_postgres.new_database())
    yield server
    server.stop()


def _assert_complete(server: Server, run: JsonObject, count: int) -> None:
    """Check that a run stored each of its items once, and counted what it stored."""
    counts = run["result_counts"]
    assert (run["status"], counts["total"]) == ("completed", count), run
    with watch_of(server) as watch:
        recount = watch.recount(watch.run_key(run["id"]))
        events = watch.rows("SELECT type FROM events WHERE object_id = ?", run["id"])
    assert recount.positions == set(range(count))
    assert (counts["passed"], counts["failed"], counts["errored"]) == recount.statuses
    assert recount.statuses[0] == sum(item["answer"] == "yes" and "note" in item for item in item_rows(count))
    assert events == [("eval.run.succeeded",)]


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_goes_on_by_itself_whenever_postgresql_is_restarted(
    server: Server, client: Client, durable_postgres: PostgresServer, tmp_path: Path, say: Say
) -> None:
    chance = random.Random(SEED)
    eval_id = client.create_eval()
    file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(SIZES.kill_items)))
    run_id = client.start_run(eval_id, file_id)
    stored = 0
    for number in range(SIZES.postgresql_restarts):
        stored = client.wait_for_items(eval_id, run_id, stored + 200)["result_counts"]["total"]
        assert stored < SIZES.kill_items, "the run ended before PostgreSQL was restarted as often as it should be"
        # As after a crash, `pg_ctl stop`, and an interrupted `pg_ctl restart -m smart`.
        durable_postgres.stop(_FORCES[number % 2])
        path = f"/v1/evals/{eval_id}/runs/{run_id}"
        refused = client.get(path)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_unavailable")
        assert refused.headers["x-should-retry"] == "true"
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        time.sleep(chance.uniform(0.0, 1.0))
        durable_postgres.start()
        # Connections that died with the old server are replaced unseen.
        found = client.get(path)
        assert found.status_code == 200
        assert stored <= found.json()["result_counts"]["total"]
    run = client.wait_for_end(eval_id, run_id, _DISK_PATIENCE_S)
    _assert_complete(server, run, SIZES.kill_items)
    assert "Traceback" not in server.log
    assert PASSWORD not in server.log
    pauses = [line for line in server.log.splitlines() if "effect='runs pause'" in line]
    assert server.log.count("effect='runs go on'") == len(pauses)
    # One each, or two where somebody connected while PostgreSQL died: that connection's end is noticed when it is used.
    assert len(pauses) <= 2 * SIZES.postgresql_restarts, pauses
    say(f"seed {SEED}: {SIZES.kill_items:,} items, PostgreSQL restarted {SIZES.postgresql_restarts} times")


def test_a_server_waits_for_a_postgresql_that_starts_later(
    stopped_server: Server, client: Client, durable_postgres: PostgresServer
) -> None:
    durable_postgres.stop()
    try:
        stopped_server.start(wait_until_ready=False)
        wait_until(lambda: "waiting_for_database" in stopped_server.log, "the server says that it waits")
    finally:
        durable_postgres.start()
    stopped_server.wait_until_ready()
    assert client.get("/v1/evals").json()["data"] == []
    assert PASSWORD not in stopped_server.log


@pytest.fixture
def small_tablespace(durable_postgres: PostgresServer) -> Iterator[tuple[Path, str]]:
    """Mount a small disk and make a database on it; return both."""
    directory = durable_postgres.directory / "small"
    directory.mkdir()
    with small_disk(directory, _DISK_MB) as disk:
        place = disk / "tablespace"
        place.mkdir()
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(place, user.pw_uid, user.pw_gid)
        with psycopg.connect(durable_postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{place}'".encode())
            connection.execute("CREATE DATABASE on_a_small_disk TABLESPACE small TEMPLATE template0")
        yield disk, durable_postgres.url("on_a_small_disk")
        durable_postgres.drop_database(durable_postgres.url("on_a_small_disk"))
        with psycopg.connect(durable_postgres.url("postgres"), autocommit=True) as connection:
            connection.execute("DROP TABLESPACE small")
    directory.rmdir()


@pytest.mark.slow
def test_a_run_pauses_while_the_disk_of_postgresql_is_full_and_goes_on_by_itself(
    small_tablespace: tuple[Path, str], tmp_path: Path
) -> None:
    disk, url = small_tablespace
    with Server(tmp_path, url).running() as server, Client(server.url) as client:
        paused = pause_a_run(server, client, disk, tmp_path, _DISK_ITEMS)
        stored = stored_while_paused(client, paused, _DISK_ITEMS)
        fill(disk)
        time.sleep(2.5)
        assert client.get_run(paused.eval_id, paused.run_id)["result_counts"]["total"] == stored

        paused.ballast.unlink()
        run = client.wait_for_end(paused.eval_id, paused.run_id)
        _assert_complete(server, run, _DISK_ITEMS)
        assert 1 <= server.log.count("effect='runs pause'") == server.log.count("effect='runs go on'") <= 2
        assert "Traceback" not in server.log
