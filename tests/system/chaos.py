"""Two servers, four workers and a PostgreSQL of their own, and what chance does to them."""

import contextlib
import random
import re
import signal
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import psutil
import psycopg

from tests.databases import PostgresServer
from tests.server import Server
from tests.stalling_proxy import StallingProxy
from tests.system.client import Client, item_rows, write_rows
from tests.system.faulty import FaultyUpstream
from tests.worker import Worker

SERVERS, WORKERS = 2, 4
LEASE_S = 6
_GIVEN_UP_S = 1.5 * LEASE_S  # a beat may be under way for a moment
_STUCK_S = 60.0
_LOOK_S = 0.25
_MOST_CALLS = 60
_CONFIG = """
[endpoints.called]
base_url = "{url}"
api_key_env = "CHAOS_KEY"
models = ["quick"]
max_concurrency = {most}
start_concurrency = {most}
retry_for_s = 600
"""
# When each worker was heard, whatever becomes of its row.
_AUDIT = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.heard (worker bigint NOT NULL, at timestamptz NOT NULL);
CREATE TABLE chaos.known (worker bigint NOT NULL, process int NOT NULL);
CREATE FUNCTION chaos.hear() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO chaos.heard VALUES (NEW.id, NEW.last_heartbeat); RETURN NULL; END $$;
CREATE FUNCTION chaos.know() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO chaos.known VALUES (NEW.id, NEW.process); RETURN NULL; END $$;
CREATE TRIGGER hear AFTER INSERT OR UPDATE ON evalhaven_queue.procrastinate_workers
    FOR EACH ROW EXECUTE FUNCTION chaos.hear();
CREATE TRIGGER know AFTER INSERT ON evalhaven_queue.workers FOR EACH ROW EXECUTE FUNCTION chaos.know();
"""


class Chaos:
    """The processes, and the faults that a round chooses from."""

    def __init__(self, directory: Path, postgres: PostgresServer, upstream: FaultyUpstream, chance: random.Random):
        self._directory = directory
        self._postgres = postgres
        self._upstream = upstream
        self._chance = chance
        self._url = ""
        self._proxies: list[StallingProxy] = []
        self._stack = ExitStack()
        self.servers: list[Server] = []
        self.workers: list[Worker] = []
        self.runs: dict[str, str] = {}

    @contextlib.contextmanager
    def running(self) -> Generator["Chaos"]:
        """Start everything, and stop it at the end."""
        with self._stack as stack:
            self._url = stack.enter_context(self._postgres.temporary_database())
            config = self._directory / "evalhaven.toml"
            config.write_text(_CONFIG.format(url=self._upstream.url, most=_MOST_CALLS))
            shared = self._directory / "shared"
            shared.mkdir(mode=0o700)
            environment = {
                "EVALHAVEN_CONFIG": str(config),
                "EVALHAVEN_SHARED_DIR": str(shared),
                "EVALHAVEN_WORKER_LEASE_S": str(LEASE_S),
                "EVALHAVEN_SAMPLING_PROCESSES": "1",
                "CHAOS_KEY": "of-no-worker",
            }
            for number in range(SERVERS):
                directory = self._directory / f"server-{number}"
                directory.mkdir()
                self.servers.append(Server(directory, self._url, "--no-worker", **environment))
                stack.enter_context(self.servers[-1].running())
            self.execute(_AUDIT)
            for number in range(WORKERS):
                proxy = stack.enter_context(StallingProxy(self._postgres.port))
                self._proxies.append(proxy)
                url = self._url.replace(f":{self._postgres.port}/", f":{proxy.port}/")
                log_path = self._directory / f"worker-{number}.log"
                variables = {"EVALHAVEN_DATABASE_URL": url, "CHAOS_KEY": f"worker-{number}"}
                self.workers.append(Worker(self.servers[0], log_path, **variables))
                stack.enter_context(self.workers[-1].running())
            self.wait_for_workers()
            yield self

    @property
    def faults(self) -> dict[str, Callable[[], None]]:
        """What may happen in a round, by name."""
        return {
            "a worker is killed": self._kill_worker,
            "the process that executes a worker's chunks is killed": self._kill_child,
            "all workers are killed": self._kill_all,
            "all processes that execute chunks are killed": self._kill_children,
            "a server is killed while it makes a run": self._kill_server,
            "a worker is killed while it plans": self._kill_planner,
            "PostgreSQL is killed": self._kill_postgres,
            "a worker is frozen for three leases": self._freeze,
            "a worker is cut off from the database": self._cut_off,
            "a worker is told to end": self._drain,
        }

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    def execute(self, statements: str) -> None:
        """Change the database."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statements.encode())

    def start_run(self, count: int) -> None:
        """Start a run of so many items through any server."""
        with Client(self._chance.choice(self.servers).url) as client:
            eval_id = client.create_eval()
            path = write_rows(self._directory / "rows.jsonl", item_rows(count))
            body = _run_of({"type": "file_id", "id": client.upload_path(path)})
            answer = client.post(f"/v1/evals/{eval_id}/runs", json=body)
            assert answer.status_code == 201, answer.text
            self.runs[answer.json()["id"]] = eval_id

    def wait_for_items(self, count: int) -> None:
        """Return once so many items of the newest run are stored, or it has ended."""
        self._watch(lambda: self.query(_NEWEST)[0][0] >= count)

    def wait_for_end(self) -> None:
        """Return once all runs have ended; fail if nothing changes for a minute."""
        self._watch(lambda: not self.query("SELECT 1 FROM runs WHERE status IN ('queued', 'in_progress') LIMIT 1"))

    def wait_for_workers(self) -> None:
        """Return once all workers are registered, and nobody else is."""
        self._watch(lambda: self.query("SELECT count(*) FROM evalhaven_queue.workers") == [(WORKERS,)])

    def late_calls(self) -> list[tuple[str, float]]:
        """Return calls later than a lease and a second after their worker was last heard, and how much later."""
        heard = self._heard()
        late: list[tuple[str, float]] = []
        for key, times in self._calls().items():
            moments, last = iter(heard[key]), float("-inf")
            upcoming = next(moments, float("inf"))
            for at in sorted(times):
                while upcoming <= at:
                    last, upcoming = upcoming, next(moments, float("inf"))
                if at - last > LEASE_S + 1:
                    late.append((key, at - last))
        return late

    def _heard(self) -> dict[str, list[float]]:
        """Return when each worker was heard, in order."""
        processes = {
            int(pid): f"Bearer worker-{number}"
            for number, worker in enumerate(self.workers)
            for pid in re.findall(r"worker_started\s+pid=(\d+)", worker.log)
        }
        heard, last = defaultdict[str, list[float]](list), dict[int, float]()
        query = "SELECT worker, process, extract(epoch FROM at) FROM chaos.heard JOIN chaos.known USING (worker)"
        for worker, process, said_at in self.query(f"{query} ORDER BY at"):
            at = float(said_at)
            # What speaks again after a long silence has been given up: only another registration makes it a worker.
            if at - last.setdefault(worker, at) < _GIVEN_UP_S:
                last[worker] = at
                heard[processes[process]].append(at)
        return heard

    def _calls(self) -> dict[str, list[float]]:
        calls = defaultdict[str, list[float]](list)
        for at, key in self._upstream.calls():
            calls[key].append(at)
        return calls

    def _watch(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds, and fail if nothing is stored, begun or registered for a minute."""
        state: object = None
        changed_at = time.monotonic()
        while True:
            with contextlib.suppress(psycopg.OperationalError):  # PostgreSQL is not up
                if holds():
                    return
                now = self.query(_PROGRESS)
                if now != state:
                    state, changed_at = now, time.monotonic()
            stuck_s = time.monotonic() - changed_at
            assert stuck_s < _STUCK_S, f"nothing has changed for {stuck_s:.0f} s: {state}"
            time.sleep(_LOOK_S)

    def _kill_worker(self) -> None:
        worker = self._chance.choice(self.workers)
        worker.kill()
        time.sleep(self._chance.uniform(0, 1))
        worker.start()

    def _kill_child(self) -> None:
        for child in list(self._chance.choice(self.workers).processes)[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    def _kill_all(self) -> None:
        for worker in self.workers:
            worker.kill()
        for worker in self.workers:
            worker.start()

    def _kill_children(self) -> None:
        for child in [child for worker in self.workers for child in list(worker.processes)[1:]]:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    def _kill_server(self) -> None:
        """Kill a server while it makes a run, and ask the other one for the same run."""
        killed, other = self._chance.sample(self.servers, 2)
        rows = [{"item": item} for item in item_rows(2000)]
        body, headers = _run_of({"type": "file_content", "content": rows}), {"Idempotency-Key": uuid.uuid4().hex}
        with Client(other.url) as client:
            eval_id = client.create_eval()
            path = f"/v1/evals/{eval_id}/runs"

            def ask_killed() -> None:
                with contextlib.suppress(httpx2.TransportError), Client(killed.url) as asking:
                    asking.post(path, json=body, headers=headers)

            asking = threading.Thread(target=ask_killed)
            asking.start()
            time.sleep(self._chance.uniform(0, 0.4))
            killed.kill()
            asking.join()
            deadline = time.monotonic() + _STUCK_S
            # The key may be that of a request that was under way when its server died.
            while (answer := client.post(path, json=body, headers=headers)).status_code == 409:
                assert time.monotonic() < deadline, answer.text
                time.sleep(_LOOK_S)
            assert answer.status_code == 201, answer.text
            self.runs[answer.json()["id"]] = eval_id
            made = client.get(path).json()["data"]
            assert [run["id"] for run in made] == [answer.json()["id"]], "one request has made more than one run"
        killed.start()

    def _kill_planner(self) -> None:
        """Kill a worker that has the plan of a new run."""
        self.start_run(20_000)
        planner = """
            SELECT process
            FROM evalhaven_queue.procrastinate_jobs AS jobs JOIN evalhaven_queue.workers ON worker_id = workers.id
            WHERE task_name = 'plan' AND jobs.status = 'doing'
        """
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for (process,) in self.query(planner):
                with contextlib.suppress(psutil.NoSuchProcess):
                    psutil.Process(process).kill()
                return

    def _kill_postgres(self) -> None:
        self._postgres.kill()
        time.sleep(self._chance.uniform(0, 3))
        self._postgres.start()

    def _freeze(self) -> None:
        worker = self._chance.choice(self.workers)
        worker.send_signal(signal.SIGSTOP)
        time.sleep(3 * LEASE_S)
        worker.send_signal(signal.SIGCONT)

    def _cut_off(self) -> None:
        proxy = self._chance.choice(self._proxies)
        proxy.stall()
        time.sleep(self._chance.uniform(0.5, 3) * LEASE_S)
        if self._chance.random() < 0.5:
            proxy.cut()
        proxy.resume()

    def _drain(self) -> None:
        worker = self._chance.choice(self.workers)
        assert worker.stop() == 0
        worker.start()


def faults_of(chaos: Chaos, chance: random.Random, rounds: int) -> Iterator[str]:
    """Yield the faults of some rounds: all in a random order, then all in another."""
    names: list[str] = []
    for _ in range(rounds):
        names = names or chance.sample(list(chaos.faults), len(chaos.faults))
        yield names.pop()


def _run_of(source: dict[str, Any]) -> dict[str, Any]:
    messages = {"type": "template", "template": [{"role": "user", "content": "{{ item.n }}"}]}
    return {"data_source": {"type": "completions", "source": source, "input_messages": messages, "model": "quick"}}


_NEWEST = """
    SELECT CASE WHEN status IN ('queued', 'in_progress') THEN passed + failed + errored ELSE 1000000 END
    FROM runs ORDER BY key DESC LIMIT 1
"""
_PROGRESS = """
    SELECT sum(passed + failed + errored), array_agg(status ORDER BY key),
           (SELECT array_agg(id ORDER BY id) FROM evalhaven_queue.workers), (SELECT count(*) FROM chunks)
    FROM runs
"""
