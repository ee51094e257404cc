"""A run that kills its executor again and again is ended, and can be continued from what it left."""

import json
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.databases import ON_SQLITE_ONLY, TemporaryDatabase
from tests.server import Server
from tests.system.client import Client, item_rows, wait_until, write_rows
from tests.system.inside import executor_of, executors_of, samplers_of

_ITEMS = 40
_ANSWERED = 10
_JUDGE = {
    "type": "score_model",
    "name": "judge",
    "model": "judge",
    "input": [{"role": "user", "content": "Item {{ item.n }}: {{ item.answer }}"}],
    "range": [0, 1],
}


class Killer:
    """A model's endpoint that kills its caller at any item beyond the first ones, until it is made harmless."""

    def __init__(self) -> None:
        self.is_deadly = True
        self.deaths = 0
        self.data_dir = Path()
        self.find_victims = executors_of
        self.url = ""

    @contextmanager
    def serving(self) -> Generator["Killer"]:
        killer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                number = int(body.partition("Item ")[2].partition(":")[0])
                if killer.is_deadly and number >= _ANSWERED:
                    killer.kill()
                    return
                content = json.dumps({"steps": [], "result": 1.0})
                choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
                usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
                answer = json.dumps({"model": "judge", "choices": [choice], "usage": usage}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def kill(self) -> None:
        """Kill who evaluates the item, as a grader that uses up all memory would."""
        for process in self.find_victims(self.data_dir):
            process.kill()
            self.deaths += 1


@pytest.fixture
def killer() -> Iterator[Killer]:
    with Killer().serving() as killer:
        yield killer


@pytest.fixture
def judged_server(killer: Killer, tmp_path: Path, temporary_database: TemporaryDatabase) -> Iterator[Server]:
    """Return a server whose judges are at the killer."""
    with temporary_database() as url:
        server = Server(tmp_path, url, EVALHAVEN_UPSTREAM_BASE_URL=killer.url, EVALHAVEN_UPSTREAM_MAX_CONCURRENCY="1")
        killer.data_dir = server.data_dir
        with server.running():
            yield server


def test_a_run_that_kills_the_executor_each_time_fails_and_is_taken_up_by_a_retry(
    judged_server: Server, killer: Killer, tmp_path: Path
) -> None:
    with Client(judged_server.url) as client:
        eval_id = client.create_eval([_JUDGE])
        file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(_ITEMS)))
        failed = client.wait_for_end(eval_id, client.start_run(eval_id, file_id))

        assert (failed["status"], failed["error"]["code"]) == ("failed", "run_kills_executor")
        assert failed["result_counts"]["passed"] == failed["result_counts"]["total"] <= _ANSWERED
        assert judged_server.log.count("executor_died_in_run") >= 3
        # The next one lives, and does other work.
        killer.is_deadly = False
        wait_until(lambda: executors_of(judged_server.data_dir), "an executor is there again")
        assert client.post(f"/api/runs/{failed['id']}/retry").status_code == 200
        mended = client.wait_for_end(eval_id, failed["id"])
        assert (mended["status"], mended["result_counts"]["passed"]) == ("completed", _ITEMS)


@ON_SQLITE_ONLY
def test_a_run_that_kills_its_sampling_processes_each_time_fails_and_the_executor_lives_on(
    killer: Killer, tmp_path: Path, temporary_database: TemporaryDatabase
) -> None:
    settings = {"EVALHAVEN_UPSTREAM_MAX_CONCURRENCY": "1", "EVALHAVEN_SAMPLING_PROCESSES": "2"}
    with temporary_database() as url:
        server = Server(tmp_path, url, EVALHAVEN_UPSTREAM_BASE_URL=killer.url, **settings)
        killer.data_dir, killer.find_victims = server.data_dir, samplers_of
        with server.running(), Client(server.url) as client:
            executor = executor_of(server)
            eval_id = client.create_eval([_JUDGE])
            file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(_ITEMS)))
            failed = client.wait_for_end(eval_id, client.start_run(eval_id, file_id))

            assert (failed["status"], failed["error"]["code"]) == ("failed", "run_kills_executor")
            assert failed["result_counts"]["passed"] == failed["result_counts"]["total"] <= _ANSWERED
            assert executors_of(server.data_dir) == [executor]
            killer.is_deadly = False
            assert client.post(f"/api/runs/{failed['id']}/retry").status_code == 200
            mended = client.wait_for_end(eval_id, failed["id"])
            assert (mended["status"], mended["result_counts"]["passed"]) == ("completed", _ITEMS)


@ON_SQLITE_ONLY
def test_servers_stopped_in_good_order_are_no_deaths(server: Server, client: Client, tmp_path: Path) -> None:
    eval_id = client.create_eval()
    file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(400)))
    run_id = client.start_slow_run(eval_id, file_id)
    for stop in (server.stop, lambda: executor_of(server).terminate()) * 2:
        client.wait_for_items(eval_id, run_id)
        executor = executor_of(server)
        stop()
        if server.is_up:
            wait_until(lambda gone=executor: not gone.is_running(), "the executor ended")
        else:
            server.start()
    executor_of(server)
    client.wait_for_items(eval_id, run_id)
    assert "executor_died_in_run" not in server.log
    assert client.get_run(eval_id, run_id)["status"] == "in_progress"
