"""Several sampling processes of one executor, on SQLite: each item is stored and counted once, whatever dies."""

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.server import Server
from tests.sizes import IS_SOAK
from tests.system.client import Client, JsonObject, item_rows, wait_until, write_rows
from tests.system.faulty import FaultyUpstream, faulty_upstream
from tests.system.inside import executor_of, has_ended, samplers_of
from tests.system.months import PRICES, assert_runs_end_together_with_the_month
from tests.system.watch import watch_of

_ITEMS = 40_000 if IS_SOAK else 4000
_MOST = 8
_BEGUN_S = 0.1  # of computing: more than it takes to open a run
_CONFIG = """
[endpoints.called]
base_url = "{url}"
models = ["called"]
max_concurrency = {most}
start_concurrency = {most}
{prices}
[endpoints.wide]
base_url = "{url}"
models = ["wide"]
max_concurrency = 100
start_concurrency = 100

[endpoints.quick]
scripted = true
models = ["quick"]
max_concurrency = 40
start_concurrency = 40
rules = [{{ answer = "Yes.", latency_ms = 30 }}]

[endpoints.app]
protocol = "item"
command = ["{python}", "-S", "app.py"]
max_concurrency = 4

[endpoints.refusing]
scripted = true
models = ["refusing"]
rules = [{{ status = 401, latency_ms = 10 }}]
"""
# The first calls do not end by themselves.
_PROGRAM = """import json, os, pathlib, sys, time
answer = json.load(sys.stdin)["item"]["answer"]
with open("pids", "a") as pids:
    pids.write(f"{os.getpid()}\\n")
if not pathlib.Path("killed").exists():
    time.sleep(600)
print(answer)
"""


@pytest.fixture(scope="module")
def upstream() -> Iterator[FaultyUpstream]:
    with faulty_upstream(latency_ms=30) as upstream:
        yield upstream


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory, upstream: FaultyUpstream) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("sampling")
    config = directory / "evalhaven.toml"
    (directory / "app.py").write_text(_PROGRAM)
    config.write_text(_CONFIG.format(url=upstream.url, most=_MOST, prices=PRICES, python=sys.executable))
    with Server(directory, EVALHAVEN_CONFIG=str(config), EVALHAVEN_SAMPLING_PROCESSES="2").running() as server:
        yield server


@pytest.fixture
def server(shared_server: Server, upstream: FaultyUpstream) -> Server:
    """Return the server, whatever the test before has killed."""
    shared_server.wait_until_ready()
    wait_until(lambda: len(samplers_of(shared_server.data_dir)) == 2, "both sampling processes are there")
    upstream.reset()
    return shared_server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as client:
        yield client


def start_run(
    client: Client, tmp_path: Path, count: int = _ITEMS, model: str = "quick", **options: object
) -> tuple[str, str]:
    eval_id = client.create_eval()
    answer = client.post(f"/v1/evals/{eval_id}/runs", json=body_of(client, tmp_path, count, model, **options))
    assert answer.is_success, answer.text
    return eval_id, answer.json()["id"]


def body_of(client: Client, tmp_path: Path, count: int, model: str, **options: object) -> JsonObject:
    file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(count)))
    messages = {"type": "template", "template": [{"role": "user", "content": "{{ item.answer }}"}]}
    source = {"type": "completions", "source": {"type": "file_id", "id": file_id}, "input_messages": messages}
    return {"data_source": {**source, "model": model}, "evalhaven": options}


def assert_recounted(server: Server, run: JsonObject) -> None:
    counts = run["result_counts"]
    with watch_of(server) as watch:
        recount = watch.recount(watch.run_key(run["id"]))
    assert (counts["passed"], counts["failed"], counts["errored"]) == recount.statuses
    assert counts["total"] == len(recount.positions)
    assert "Traceback" not in server.log


def assert_complete(server: Server, run: JsonObject, count: int = _ITEMS) -> None:
    counts = run["result_counts"]
    assert (run["status"], counts["total"], counts["errored"]) == ("completed", count, 0), run
    assert_recounted(server, run)


def are_sampling(client: Client, ids: tuple[str, str], samplers: list[psutil.Process], count: int) -> None:
    """Wait until some items are stored and each sampling process has done more than begin."""
    before = {process: sum(process.cpu_times()[:2]) for process in samplers}
    client.wait_for_items(*ids, count)
    wait_until(lambda: all(sum(each.cpu_times()[:2]) > before[each] + _BEGUN_S for each in samplers), "both are busy")


def test_a_sampling_process_that_is_killed_costs_no_item_and_is_started_again(
    server: Server, client: Client, tmp_path: Path
) -> None:
    executor, samplers = executor_of(server), samplers_of(server.data_dir)
    ids = start_run(client, tmp_path)
    are_sampling(client, ids, samplers, 200)
    samplers[0].kill()
    wait_until(lambda: len(set(samplers_of(server.data_dir)) - {samplers[0]}) == 2, "another one is there")
    samplers[1].kill()
    run = client.wait_for_end(*ids)

    assert_complete(server, run)
    assert not has_ended(executor)
    died = [event for event in client.get(f"/api/runs/{run['id']}/events").json()["data"] if event["type"] == "resumed"]
    assert died
    assert all(event["died"] for event in died)


def test_sampling_processes_end_with_their_executor_and_the_next_one_goes_on(
    server: Server, client: Client, tmp_path: Path
) -> None:
    executor, samplers = executor_of(server), samplers_of(server.data_dir)
    ids = start_run(client, tmp_path)
    client.wait_for_items(*ids, 200)
    executor.kill()
    wait_until(lambda: all(has_ended(each) for each in samplers), "no orphan is left")
    assert_complete(server, client.wait_for_end(*ids))
    assert not {each.pid for each in samplers} & {each.pid for each in samplers_of(server.data_dir)}


def test_applications_end_with_the_sampling_processes_that_started_them(
    server: Server, client: Client, tmp_path: Path
) -> None:
    directory = Path(server.environment["EVALHAVEN_CONFIG"]).parent
    ids = start_run(client, tmp_path, 12, "app")
    wait_until((directory / "pids").exists, "an application is at work")
    executor = executor_of(server)
    wait_until(lambda: len((directory / "pids").read_text().split()) == 4, "as many as may run at once")
    started = [psutil.Process(int(each)) for each in (directory / "pids").read_text().split()]
    (directory / "killed").touch()
    executor.kill()
    wait_until(lambda: all(has_ended(each) for each in started), "no orphan is left")
    assert_complete(server, client.wait_for_end(*ids), 12)
    assert len((directory / "pids").read_text().split()) == 4 + 12


def test_a_canceled_run_is_dropped_by_all_sampling_processes(
    server: Server, client: Client, tmp_path: Path, upstream: FaultyUpstream
) -> None:
    eval_id, run_id = start_run(client, tmp_path, model="called")
    client.wait_for_items(eval_id, run_id, 40)
    canceled = client.post(f"/v1/evals/{eval_id}/runs/{run_id}").json()
    assert canceled["status"] == "canceled"
    wait_until(lambda: upstream.stats()["in_flight"] == 0, "nothing is under way")
    asked = upstream.stats()["requests"]
    # The other run would wait behind what is left of the first.
    assert_complete(server, client.wait_for_end(*start_run(client, tmp_path, 600)), 600)
    assert upstream.stats()["requests"] == asked
    after = client.get_run(eval_id, run_id)
    assert after["result_counts"] == canceled["result_counts"]
    assert_recounted(server, after)


def test_limits_of_models_and_runs_hold_for_all_sampling_processes_together(
    server: Server, client: Client, tmp_path: Path, upstream: FaultyUpstream
) -> None:
    samplers = samplers_of(server.data_dir)
    ids = start_run(client, tmp_path, 2000, "called")
    are_sampling(client, ids, samplers, 600)
    samplers[0].kill()
    assert_complete(server, client.wait_for_end(*ids), 2000)
    assert 2 < upstream.stats()["most_in_flight"] <= _MOST
    limiter = client.get_run(*ids)["evalhaven"]["limiter"]
    assert (limiter["max_concurrency"], limiter["in_flight"], limiter["answered"]) == (_MOST, 0, True)


def test_a_run_s_own_limit_and_its_budget_hold_for_all_sampling_processes_together(
    server: Server, client: Client, tmp_path: Path, upstream: FaultyUpstream
) -> None:
    complete = client.wait_for_end(*start_run(client, tmp_path, 1200, "wide", max_concurrency=5))
    assert_complete(server, complete, 1200)
    assert 2 < upstream.stats()["most_in_flight"] <= 5
    usage = complete["per_model_usage"][0]
    upstream.reset()
    tokens = usage["total_tokens"] // usage["invocation_count"]
    options = {"max_concurrency": 5, "budget": {"tokens": 300 * tokens}}
    run = client.wait_for_end(*start_run(client, tmp_path, 3000, "wide", **options))
    assert (run["status"], run["error"]["code"]) == ("failed", "budget_exceeded")
    # Beyond the budget are the calls that were under way when it was spent; the endpoint counts those dropped, too.
    assert 300 <= upstream.stats()["answered"] <= 320
    assert 280 * tokens <= run["per_model_usage"][0]["total_tokens"] <= 310 * tokens
    assert_recounted(server, run)


def test_what_is_left_of_a_month_bounds_the_runs_of_all_sampling_processes_together(
    server: Server, client: Client, tmp_path: Path, upstream: FaultyUpstream
) -> None:
    eval_id = client.create_eval()
    body = body_of(client, tmp_path, 400, "called")
    assert_runs_end_together_with_the_month(client, upstream, eval_id, body, _MOST)
    assert "Traceback" not in server.log


def test_a_run_whose_calls_all_fail_is_ended_by_what_one_sampling_process_sees(
    server: Server, client: Client, tmp_path: Path
) -> None:
    run = client.wait_for_end(*start_run(client, tmp_path, 1200, "refusing"))
    assert run["status"] == "failed", run
    assert run["result_counts"]["errored"] == run["result_counts"]["total"] < 1200
    assert_recounted(server, run)


def test_a_sampling_process_that_stands_still_keeps_nobody_else_from_working(
    server: Server, client: Client, tmp_path: Path
) -> None:
    samplers = samplers_of(server.data_dir)
    ids = start_run(client, tmp_path, 40_000)
    are_sampling(client, ids, samplers, 200)
    samplers[0].send_signal(signal.SIGSTOP)
    try:
        stored = client.get_run(*ids)["result_counts"]["total"]
        client.wait_for_items(*ids, stored + 500)
    finally:
        samplers[0].send_signal(signal.SIGCONT)
    stored = client.get_run(*ids)["result_counts"]["total"]
    client.wait_for_items(*ids, stored + 500)
    client.post(f"/v1/evals/{ids[0]}/runs/{ids[1]}")
    assert_recounted(server, client.wait_for_end(*ids))
    assert samplers_of(server.data_dir) == samplers
