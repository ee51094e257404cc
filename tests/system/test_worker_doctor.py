"""`evalhaven doctor` and `/api/workers` about workers: who is there, and what waits for whom."""

import httpx2
import psycopg

from tests.databases import ON_SQLITE_ONLY
from tests.server import Server
from tests.system.client import Client, wait_until
from tests.system.commands import call_command
from tests.system.test_shared_runs import Topology, client, start_run, topology

__all__ = ["client", "topology"]


def test_doctor_says_who_is_there_and_that_runs_wait(topology: Topology, client: Client) -> None:
    server = topology.server
    data_dir = ("--data-dir", str(server.data_dir))
    doctor = call_command("doctor", *data_dir)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert "- Workers: none is there, and runs would wait. Start one with `evalhaven worker`" in doctor.stdout

    start_run(client, server.data_dir.parent, 20_000)
    doctor = call_command("doctor", *data_dir)
    assert doctor.returncode == 1
    assert "! 1 run waits, for " in doctor.stdout
    assert "and no worker is there. Start one with `evalhaven worker`" in doctor.stdout
    ready = httpx2.get(f"{server.url}/readyz")
    assert (ready.status_code, ready.json()["executor"]) == (200, "elsewhere")
    assert "and no worker is there." in ready.json()["notes"][0]

    worker = topology.add_worker()
    topology.wait_for_workers(1)
    wait_until(lambda: client.get("/api/workers").json()["data"][0]["runs"] != [], "it has taken part of the run")
    (shown,) = client.get("/api/workers").json()["data"]
    child = next(process.pid for process in worker.processes if "executor" in process.cmdline())
    assert (shown["process"], shown["state"], shown["name"]) == (child, "live", f"{shown['host']}:{child}")
    doctor = call_command("doctor", *data_dir)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    assert f"- Workers: 1 at work ({shown['name']})." in doctor.stdout

    # Without a server the database is asked.
    server.stop()
    doctor = call_command("doctor", *data_dir, EVALHAVEN_DATABASE_URL=topology.url, EVALHAVEN_WORKER_LEASE_S="3")
    assert f"- Workers: 1 at work ({shown['name']})." in doctor.stdout
    worker.kill()
    wait_until(
        lambda: (
            "has been silent for"
            in call_command(
                "doctor", *data_dir, EVALHAVEN_DATABASE_URL=topology.url, EVALHAVEN_WORKER_LEASE_S="3"
            ).stdout
        ),
        "its silence is noticed",
    )


def test_a_worker_of_an_older_release_leaves_a_run_of_the_next_one_and_executes_the_others(
    topology: Topology, client: Client
) -> None:
    directory = topology.server.data_dir.parent
    newer = start_run(client, directory, 20)
    # As a server of the next release stores a run that uses something new.
    with psycopg.connect(topology.url, autocommit=True) as connection:
        connection.execute("UPDATE runs SET format = format + 1")
    topology.add_worker()
    topology.wait_for_workers(1)
    other = start_run(client, directory, 20)
    assert client.wait_for_end(*other)["status"] == "completed"
    (queue,) = client.get("/api/workers").json()["runs"]
    assert (queue["run_id"], queue["status"], queue["waits_for"]) == (newer[1], "queued", "newer_worker")
    doctor = call_command("doctor", "--data-dir", str(topology.server.data_dir))
    assert doctor.returncode == 1
    assert f"do not know what a run under way uses ({newer[1]})" in doctor.stdout

    with psycopg.connect(topology.url, autocommit=True) as connection:
        connection.execute("UPDATE runs SET format = format - 1 WHERE status = 'queued'")
    assert client.wait_for_end(*newer)["status"] == "completed"


@ON_SQLITE_ONLY
def test_the_executor_of_a_server_with_sqlite_is_shown_as_its_only_worker(stopped_server: Server) -> None:
    with stopped_server.running():
        found = httpx2.get(f"{stopped_server.url}/api/workers").json()
        doctor = call_command("doctor", "--data-dir", str(stopped_server.data_dir))

    (worker,) = found["data"]
    assert (found["shared"], worker["state"], worker["runs"], worker["release"]) == (
        False,
        "live",
        None,
        found["release"],
    )
    assert f"- Workers: the server's own executor ({worker['name']}) executes all runs." in doctor.stdout
