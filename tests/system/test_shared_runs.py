"""Several workers share runs in PostgreSQL: each item is stored and counted once, whatever dies."""

import signal
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.databases import PostgresServer
from tests.server import CommandServer, Server
from tests.system.client import Client, JsonObject, item_rows, wait_until, write_rows
from tests.system.faulty import FaultyUpstream, faulty_upstream
from tests.system.watch import watch_of
from tests.worker import Worker

_ITEMS = 3000
_LEASE_S = 3
_ENDPOINT = """
[endpoints.quick]
scripted = true
models = ["quick"]
max_concurrency = 20
start_concurrency = 20
rules = [{ answer = "Yes.", latency_ms = 30 }]
"""


_MOST = 8
_MANY = 40
_CHUNKS_OF = "SELECT count(DISTINCT worker_id) FROM evalhaven_queue.procrastinate_jobs WHERE status = 'doing'"
_CALLED = """
[endpoints.called]
base_url = "{url}"
models = ["quick"]
max_concurrency = {most}
start_concurrency = {most}
"""


class Topology:
    """A server without a worker of its own, and workers."""

    def __init__(
        self,
        directory: Path,
        url: str,
        stack: ExitStack,
        endpoint: str = _ENDPOINT,
        lease_s: int = _LEASE_S,
        *arguments: str,
    ) -> None:
        config = directory / "evalhaven.toml"
        config.write_text(endpoint)
        self.url = url
        self._directory = directory
        self._stack = stack
        self.server = Server(
            directory, url, *arguments, EVALHAVEN_CONFIG=str(config), EVALHAVEN_WORKER_LEASE_S=str(lease_s)
        )
        self.workers: list[Worker] = []

    def add_worker(self, *arguments: str) -> Worker:
        worker = Worker(self.server, self._directory / f"worker-{len(self.workers)}.log", *arguments)
        self.workers.append(worker)
        self._stack.enter_context(worker.running())
        return worker

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def wait_for_workers(self, count: int) -> None:
        wait_until(
            lambda: self.query("SELECT count(*) FROM evalhaven_queue.workers") == [(count,)], "workers are there"
        )

    @property
    def log(self) -> str:
        return self.server.log + "".join(worker.log for worker in self.workers)


@pytest.fixture
def topology(tmp_path: Path, postgres: PostgresServer) -> Iterator[Topology]:
    with postgres.temporary_database() as url, ExitStack() as stack:
        topology = Topology(tmp_path, url, stack, _ENDPOINT, _LEASE_S, "--no-worker")
        stack.enter_context(topology.server.running())
        yield topology


@pytest.fixture
def client(topology: Topology) -> Iterator[Client]:
    with Client(topology.server.url) as client:
        yield client


def start_run(client: Client, tmp_path: Path, count: int = _ITEMS, asked: str = "answer") -> tuple[str, str]:
    eval_id = client.create_eval()
    file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(count)))
    messages = {"type": "template", "template": [{"role": "user", "content": f"{{{{ item.{asked} }}}}"}]}
    source = {"type": "completions", "source": {"type": "file_id", "id": file_id}, "input_messages": messages}
    answer = client.post(f"/v1/evals/{eval_id}/runs", json={"data_source": {**source, "model": "quick"}})
    assert answer.is_success, answer.text
    return eval_id, answer.json()["id"]


def assert_complete(topology: Topology, run: JsonObject, count: int = _ITEMS) -> None:
    counts = run["result_counts"]
    assert (run["status"], counts["total"], counts["errored"]) == ("completed", count, 0), run
    with watch_of(topology.server) as watch:
        recount = watch.recount(watch.run_key(run["id"]))
        assert watch.rows("SELECT type FROM events WHERE object_id = ?", run["id"]) == [("eval.run.succeeded",)]
    assert recount.positions == set(range(count))
    assert (counts["passed"], counts["failed"], counts["errored"]) == recount.statuses
    wait_until(lambda: topology.query("SELECT 1 FROM evalhaven_queue.procrastinate_jobs") == [], "no job is left")
    assert "Traceback" not in topology.log


def test_workers_share_a_run_and_one_that_is_killed_is_replaced_by_the_others(
    topology: Topology, client: Client, tmp_path: Path
) -> None:
    first, _second = topology.add_worker(), topology.add_worker()
    topology.wait_for_workers(2)
    ids = start_run(client, tmp_path)
    wait_until(lambda: topology.query(_CHUNKS_OF) == [(2,)], "both execute chunks")
    client.wait_for_items(*ids, 500)
    first.kill()
    assert_complete(topology, client.wait_for_end(*ids))

    # Graders asked directly are answered by whoever is left.
    grader = {"type": "string_check", "name": "g", "operation": "eq", "input": "{{ sample.output_text }}"}
    asked = {"grader": {**grader, "reference": "yes"}, "model_sample": "yes"}
    answer = client.post("/v1/fine_tuning/alpha/graders/run", json=asked)
    assert (answer.status_code, answer.json()["reward"]) == (200, 1.0)


def test_the_processes_of_one_worker_share_a_run_and_one_that_is_killed_is_started_again(
    topology: Topology, client: Client, tmp_path: Path
) -> None:
    worker = topology.add_worker("--processes", "2")
    topology.wait_for_workers(2)
    ids = start_run(client, tmp_path)
    doing = "SELECT count(DISTINCT worker_id) FROM evalhaven_queue.procrastinate_jobs WHERE status = 'doing'"
    wait_until(lambda: topology.query(doing) == [(2,)], "both execute chunks")
    victim = list(worker.processes)[1]
    victim.kill()
    # Who takes its seat knows that it is dead: nothing waits for its lease.
    seats = "SELECT count(DISTINCT seat), bool_or(process = {}) FROM evalhaven_queue.workers"
    wait_until(lambda: topology.query(seats.format(victim.pid)) == [(2, False)], "its successor sits there")
    assert_complete(topology, client.wait_for_end(*ids))
    assert worker.stop() == 0
    assert topology.query("SELECT 1 FROM evalhaven_queue.workers") == []


def test_a_server_on_postgresql_has_as_many_workers_as_the_setting_says(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    with postgres.temporary_database() as url:
        server = Server(tmp_path, url, EVALHAVEN_SAMPLING_PROCESSES="2")
        with server.running(), psycopg.connect(url, autocommit=True) as connection:

            def seats() -> list[tuple[Any, ...]]:
                return connection.execute("SELECT seat FROM evalhaven_queue.workers ORDER BY seat").fetchall()

            wait_until(lambda: len(seats()) == 2, "both have registered")
            first, second = seats()
            assert second == (f"{first[0]}-2",)
            server.stop()
            assert seats() == [], "an orderly stop leaves all seats"


def test_a_run_goes_on_after_a_worker_stood_still_and_after_all_were_killed(
    topology: Topology, client: Client, tmp_path: Path
) -> None:
    first, second = topology.add_worker(), topology.add_worker()
    topology.wait_for_workers(2)
    ids = start_run(client, tmp_path)
    client.wait_for_items(*ids, 100)
    first.send_signal(signal.SIGSTOP)
    # The other sweeps up what the first had.
    is_swept = "SELECT deaths FROM runs WHERE deaths > 0"
    wait_until(
        lambda: "executor_died_in_run" in topology.log or topology.query(is_swept), "the silent one is found out"
    )
    first.send_signal(signal.SIGCONT)
    wait_until(lambda: "worker_silent_too_long" in first.log, "it knows, too")
    for worker in (first, second):
        worker.kill()
    stored = client.get_run(*ids)["result_counts"]["total"]
    topology.add_worker()
    run = client.wait_for_end(*ids)
    assert stored < _ITEMS, "nothing was left for the last worker"
    assert_complete(topology, run)


def test_a_run_waits_for_workers_and_a_canceled_one_is_dropped_by_all(
    topology: Topology, client: Client, tmp_path: Path
) -> None:
    first = start_run(client, tmp_path, 600)
    waiting = "SELECT task_name, CAST(status AS text) FROM evalhaven_queue.procrastinate_jobs"
    assert topology.query(waiting) == [("plan", "todo")]
    for _ in range(2):
        topology.add_worker()
    topology.wait_for_workers(2)
    eval_id, run_id = start_run(client, tmp_path, 20_000)
    client.wait_for_items(eval_id, run_id, 100)
    canceled = client.post(f"/v1/evals/{eval_id}/runs/{run_id}").json()
    assert canceled["status"] == "canceled"
    wait_until(lambda: topology.query("SELECT 1 FROM evalhaven_queue.procrastinate_jobs") == [], "no job is left")

    after = client.get_run(eval_id, run_id)
    assert after["result_counts"] == canceled["result_counts"]
    with watch_of(topology.server) as watch:
        assert watch.count_items(watch.run_key(run_id)) == canceled["result_counts"]["total"]
    assert_complete(topology, client.wait_for_end(*first), 600)
    assert_complete(topology, client.wait_for_end(*start_run(client, tmp_path, 600)), 600)


def test_a_limit_of_a_model_holds_for_all_workers_together(tmp_path: Path, postgres: PostgresServer) -> None:
    with (
        faulty_upstream(latency_ms=40) as upstream,
        postgres.temporary_database() as url,
        ExitStack() as stack,
    ):
        topology = Topology(tmp_path, url, stack, _CALLED.format(url=upstream.url, most=_MOST), _LEASE_S, "--no-worker")
        stack.enter_context(topology.server.running())
        workers = [topology.add_worker() for _ in range(2)]
        topology.wait_for_workers(2)
        with Client(topology.server.url) as client:
            ids = start_run(client, tmp_path)
            held = "SELECT count(*) FROM evalhaven_queue.limit_shares WHERE slots > 0 AND held_until > now()"
            wait_until(lambda: topology.query(held) == [(2,)], "both hold slots")
            client.wait_for_items(*ids, 600)
            workers[0].kill()
            assert_complete(topology, client.wait_for_end(*ids))
        assert 2 < upstream.stats()["most_in_flight"] <= _MOST


@contextmanager
def called_topology(
    tmp_path: Path, postgres: PostgresServer, latency_ms: float, *arguments: str, most: int = _MOST
) -> Generator[tuple[Topology, FaultyUpstream]]:
    """Run a server whose model is asked over HTTP, and whose workers count as dead only long after a test."""
    with (
        faulty_upstream(latency_ms=latency_ms) as upstream,
        postgres.temporary_database() as url,
        ExitStack() as stack,
    ):
        topology = Topology(tmp_path, url, stack, _CALLED.format(url=upstream.url, most=most), 300, *arguments)
        stack.enter_context(topology.server.running())
        yield topology, upstream


def test_a_worker_that_is_told_to_end_finishes_what_is_under_way_and_hands_back_the_rest(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    with called_topology(tmp_path, postgres, 200, "--no-worker", most=_MANY) as (topology, upstream):
        first, _second = topology.add_worker(), topology.add_worker()
        topology.wait_for_workers(2)
        with Client(topology.server.url) as client:
            ids = start_run(client, tmp_path, 1200, "n")
            wait_until(lambda: topology.query(_CHUNKS_OF) == [(2,)], "both execute chunks", pause_s=0.1)
            client.wait_for_items(*ids, 100)
            assert first.stop() == 0
            # It has left, and what it had is another's: nobody waits for its lease.
            topology.wait_for_workers(1)
            assert "worker_drained" in first.log
            assert client.get_run(*ids)["status"] == "in_progress"
            assert_complete(topology, client.wait_for_end(*ids), 1200)
            assert topology.query("SELECT deaths FROM runs") == [(0,)]
        stats = upstream.stats()
        assert (stats["requests"], stats["answered_times"]) == (1200, {"1": 1200})


def test_a_second_signal_ends_a_worker_at_once_and_nothing_is_lost(tmp_path: Path, postgres: PostgresServer) -> None:
    with called_topology(tmp_path, postgres, 10, "--no-worker") as (topology, upstream):
        first = topology.add_worker()
        topology.wait_for_workers(1)
        upstream.change(hold_after=60)
        with Client(topology.server.url) as client:
            ids = start_run(client, tmp_path, 200, "n")
            client.wait_for_items(*ids, 60)
            wait_until(lambda: upstream.stats()["in_flight"] == _MOST, "calls are held")
            first.terminate()
            wait_until(lambda: "worker_drains" in first.log, "it finishes what it has")
            assert first.stop() == 0
            assert "worker_drained" not in first.log
            topology.add_worker()
            upstream.change(hold_after=0)
            assert_complete(topology, client.wait_for_end(*ids), 200)
            assert topology.query("SELECT deaths FROM runs") == [(0,)]


def test_a_server_that_ends_drops_what_takes_long_and_others_evaluate_it(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    with called_topology(tmp_path, postgres, 10) as (topology, upstream):
        upstream.change(hold_after=60)
        with Client(topology.server.url) as client:
            ids = start_run(client, tmp_path, 200, "n")
            client.wait_for_items(*ids, 60)
            wait_until(lambda: upstream.stats()["in_flight"] == _MOST, "calls are held")
        assert topology.server.stop() == 0
        assert f"items_dropped={_MOST}" in topology.server.log
        assert topology.query("SELECT 1 FROM evalhaven_queue.workers") == []
        worker = topology.add_worker()
        upstream.change(hold_after=0)
        wait_until(lambda: topology.query("SELECT status FROM runs") == [("completed",)], "the run ends", pause_s=0.1)
        assert worker.stop() == 0
        with watch_of(topology.server) as watch:
            assert watch.recount(watch.run_key(ids[1])).positions == set(range(200))
            assert watch.value("SELECT passed + failed FROM runs") == 200
        assert topology.query("SELECT deaths FROM runs") == [(0,)]


def test_a_server_without_a_worker_needs_a_database_that_others_reach(tmp_path: Path) -> None:
    server = CommandServer(tmp_path, None, "--no-worker")
    with pytest.raises(RuntimeError, match="EVALHAVEN_DATABASE_URL"):
        server.start()
