"""`evalhaven watch` on a run that calls a scripted model, which is slow, fails now and then, and has a price."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server import Server
from tests.system.client import Client
from tests.system.commands import call_command

ITEMS = 90
BAD, BUSY = 6, 3
CONFIG = """
[endpoints.fake]
scripted = true
models = ["fake"]
max_concurrency = 3
retry_for_s = 2

[[endpoints.fake.rules]]
when = "bad"
answer = "That is bad."
status = 400

[[endpoints.fake.rules]]
when = "busy"
answer = "Always busy."
status = 503

[[endpoints.fake.rules]]
answer = "yes"
latency_ms = 150
usage = { input = 1000, output = 100 }

[[endpoints.fake.prices]]
model = "fake"
input = 1.0
output = 10.0
"""


@pytest.fixture
def sampling_server(tmp_path: Path) -> Iterator[Server]:
    config = tmp_path / "evalhaven.toml"
    config.write_text(CONFIG)
    with Server(tmp_path, EVALHAVEN_CONFIG=str(config)).running() as running:
        yield running


def test_watching_shows_tokens_cost_retries_limiter_and_errors_of_a_run_that_samples(sampling_server: Server) -> None:
    says = ["bad" if n % 15 == 0 else "busy" if n % 30 == 1 else "fine" for n in range(ITEMS)]
    content = [{"item": {"say": say}} for say in says]
    messages = {"type": "template", "template": [{"role": "user", "content": "{{ item.say }}"}]}
    source = {"type": "file_content", "content": content}
    body = {
        "data_source": {"type": "completions", "model": "fake", "source": source, "input_messages": messages},
        "evalhaven": {"budget": {"cost": 5.0}},
    }
    check = {"type": "string_check", "name": "yes", "operation": "eq", "input": "{{ sample.output_text }}"}
    with Client(sampling_server.url) as client:
        eval_id = client.create_eval([{**check, "reference": "yes"}], {"type": "object"})
        run_id = client.post(f"/v1/evals/{eval_id}/runs", json=body).json()["id"]
        watched = call_command(
            "watch", run_id, "--data-dir", str(sampling_server.data_dir), "--json", "--interval", "0.2"
        )

    assert (watched.returncode, watched.stderr) == (0, "")
    lines = [json.loads(line) for line in watched.stdout.splitlines()]
    busy = [line["limiter"] for line in lines if (line["limiter"] or {}).get("in_flight")]
    assert busy
    assert {limiter["max_concurrency"] for limiter in busy} == {3}
    assert max(limiter["in_flight"] for limiter in busy) <= 3
    last = lines[-1]
    good = ITEMS - BAD - BUSY
    assert (last["passed"], last["failed"], last["errored"]) == (good, 0, BAD + BUSY)
    assert last["errors"] == {"invalid_value": BAD, "server_error": BUSY}
    assert (last["tokens"]["prompt_tokens"], last["tokens"]["completion_tokens"]) == (good * 1000, good * 100)
    assert last["cost"] == pytest.approx(good * 0.002)
    assert last["budget"] == {"cost": 5.0, "tokens": None}
    assert last["latency"]["p50_ms"] >= 140
    assert last["retries_by_kind"].keys() == {"server_error"}
    assert last["retries"] >= BUSY
    assert last["limiter"]["endpoint"] == "fake"
