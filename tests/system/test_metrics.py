"""`/metrics` of real servers: it is true for all of their processes, and stays true when one of them dies."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import URL

from tests.server import Server, free_port
from tests.system.client import Client, item_rows, wait_until
from tests.system.commands import call_command
from tests.system.inside import executor_of, has_ended
from tests.worker import Worker

_ITEMS = 40
_MODEL = "answers"
_MESSAGES = {"type": "template", "template": [{"role": "user", "content": "{{ item.answer }}"}]}


def samples_at(url: str, token: str | None = None) -> Mapping[str, float]:
    """Return the samples at an address, each as its name and the values of its labels in the order of their names."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    answer = httpx2.get(f"{url}/metrics", headers=headers, timeout=30)
    assert answer.status_code == 200
    return {
        " ".join([sample.name, *(sample.labels[name] for name in sorted(sample.labels))]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def run_items(client: Client) -> None:
    """Execute a run that asks a model about some items."""
    rows = b"".join(json.dumps({"item": item}).encode() + b"\n" for item in item_rows(_ITEMS))
    eval_id, file_id = client.create_eval(), client.upload(rows)
    source = {"type": "completions", "source": {"type": "file_id", "id": file_id}, "input_messages": _MESSAGES}
    answer = client.post(f"/v1/evals/{eval_id}/runs", json={"data_source": {**source, "model": _MODEL}})
    run = client.wait_for_end(eval_id, answer.json()["id"])
    assert (run["status"], run["result_counts"]["total"]) == ("completed", _ITEMS)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("metrics")
    with Server(directory, EVALHAVEN_SAMPLING_PROCESSES="2", EVALHAVEN_GATEWAY="on").running() as server:
        yield server


def test_all_processes_are_counted_together_and_a_death_takes_nothing_back(server: Server) -> None:
    items = ("evalhaven_items_total failed", "evalhaven_items_total passed")
    with Client(server.url) as client:
        call = {"model": _MODEL, "messages": [{"role": "user", "content": "Hi."}], "store": True}
        assert client.post("/v1/chat/completions", json=call).status_code == 200
        run_items(client)
        wait_until(
            lambda: samples_at(server.url).get(f"evalhaven_calls_total rules {_MODEL} ok run", 0) == _ITEMS,
            "the sampling processes have reported their calls",
        )
        samples = samples_at(server.url)
        assert sum(samples.get(name, 0) for name in items) == _ITEMS
        assert samples["evalhaven_runs_ended_total completed"] == 1
        assert samples[f"evalhaven_calls_total rules {_MODEL} ok gateway"] == 1
        assert samples[f"evalhaven_call_seconds_count rules {_MODEL} run"] == _ITEMS
        assert samples[f"evalhaven_tokens_total prompt {_MODEL}"] > 0
        assert {samples[f"evalhaven_processes_up {name}"] for name in ("executor", "recorder")} == {1}
        assert {"server", "executor", "sampler"} <= {
            name.split()[2] for name in samples if name.startswith("evalhaven_transaction_seconds_count")
        }

        executor = executor_of(server)
        executor.kill()
        wait_until(lambda: has_ended(executor), "the executor is dead")
        server.wait_until_ready()
        assert sum(samples_at(server.url).get(name, 0) for name in items) == _ITEMS
        run_items(client)
        wait_until(
            lambda: sum(samples_at(server.url).get(name, 0) for name in items) == 2 * _ITEMS,
            "the next executor counts on",
        )


def test_a_worker_shows_its_own_metrics_on_a_port_of_their_own(tmp_path: Path, postgresql_database_url: URL) -> None:
    port, url = free_port(), postgresql_database_url.set(drivername="postgresql").render_as_string(hide_password=False)
    with Server(tmp_path, url, "--no-worker").running() as server:
        worker = Worker(
            server,
            tmp_path / "worker.log",
            *("--metrics-port", str(port), "--processes", "2"),
            EVALHAVEN_METRICS_TOKEN="scrape-me",
        )
        address = f"http://127.0.0.1:{port}"
        with worker.running(), Client(server.url) as client:
            run_items(client)
            name = f"evalhaven_calls_total rules {_MODEL} ok run"
            wait_until(lambda: samples_at(address, "scrape-me").get(name, 0) == _ITEMS, "the worker shows its calls")
            assert samples_at(address, "scrape-me")["evalhaven_processes_up worker"] == 2
            assert httpx2.get(f"{address}/metrics").status_code == 401
            assert httpx2.get(f"{address}/", headers={"authorization": "Bearer scrape-me"}).status_code == 404
            # One of its processes may have done all of the work before the other one has told that it lives.
            wait_until(lambda: samples_at(server.url)["evalhaven_workers live"] == 2, "both processes are known")
            assert samples_at(server.url)["evalhaven_runs_active queued"] == 0


def test_metrics_are_shown_to_other_machines_with_a_token_only(tmp_path: Path) -> None:
    said = call_command(
        *("worker", "--data-dir", str(tmp_path / "data"), "--metrics-port", "9100", "--metrics-host", "192.0.2.1"),
        EVALHAVEN_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
    )

    assert said.returncode == 1
    assert "EVALHAVEN_METRICS_TOKEN" in said.stderr
