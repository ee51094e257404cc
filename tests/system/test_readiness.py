"""`/readyz` tells whether work can be done now, and recovers by itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import ON_SQLITE_ONLY
from tests.server import Server
from tests.system.client import Client, wait_until
from tests.system.commands import run_command
from tests.system.disks import fill, small_disk
from tests.system.inside import executor_of, executors_of


def told(client: Client) -> dict[str, Any]:
    """Return what /readyz says, which must match its status."""
    answer = client.get("/readyz")
    body: dict[str, Any] = answer.json()
    assert answer.status_code == (503 if body["reasons"] else 200)
    return body


@ON_SQLITE_ONLY
def test_an_executor_that_stands_still_is_noticed_and_so_is_its_return(server: Server, client: Client) -> None:
    executor = executor_of(server)
    executor.suspend()
    try:
        wait_until(lambda: told(client)["executor"] == "not_responding", "it is told that the executor is silent")
        assert "has been silent for" in told(client)["reasons"][0]
        assert client.get("/healthz").status_code == 200
    finally:
        executor.resume()
    server.wait_until_ready()


@ON_SQLITE_ONLY
def test_an_executor_that_dies_again_and_again_is_reported(server: Server, client: Client) -> None:
    for _ in range(3):
        server.wait_until_ready()
        executor_of(server).kill()
        wait_until(lambda: told(client)["reasons"], "its death is told")
    wait_until(lambda: told(client)["executor"] == "crash_looping", "it is told that it dies again and again")
    assert "died 3 times in a row, last with status -9" in told(client)["reasons"][0]


@pytest.fixture
def disk(stopped_server: Server) -> Iterator[Path]:
    """Mount a small disk where the server will keep its data."""
    stopped_server.data_dir.mkdir()
    with small_disk(stopped_server.data_dir, 24) as disk:
        yield disk
        stopped_server.stop()


@ON_SQLITE_ONLY
def test_a_disk_that_is_full_at_the_start_is_reported_until_there_is_room(
    stopped_server: Server, client: Client, disk: Path
) -> None:
    server = stopped_server
    server.start()
    # Whenever they are killed, server and executor leave the database's log as it is.
    server.kill()
    wait_until(lambda: not executors_of(server.data_dir), "the executor is gone")
    assert {"evalhaven.db-shm", "evalhaven.db-wal"} <= {path.name for path in disk.iterdir()}
    ballast = fill(disk)
    server.start(wait_until_ready=False)
    wait_until(server.answers, "the server answers")
    wait_until(lambda: told(client)["executor"] == "ok", "the executor is up")
    body = told(client)
    assert (body["status"], body["disk"]) == ("unavailable", "unavailable")
    assert f"The disk of {server.data_dir} is full: 0.0 MB are free." in body["reasons"]
    ballast.unlink()
    server.wait_until_ready()

    # After a clean shutdown the database has to create its log again and cannot: the start says that this is all.
    server.stop()
    ballast = fill(disk)
    refused = run_command("serve", "--port", str(server.port), "--data-dir", str(server.data_dir))
    assert refused.returncode == 1
    message = " ".join(refused.stderr.split())
    assert "disk I/O error" in message
    assert f"The disk of {server.data_dir} is full: 0.0 MB are free." in message
    assert "backup" not in message
