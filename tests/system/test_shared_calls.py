"""What several workers know of each other's calls to models: limits, outages and budgets are those of all together."""

import signal
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.databases import PostgresServer
from tests.figures import Say
from tests.sizes import SIZES
from tests.system.client import Client, item_rows, wait_until, write_rows
from tests.system.faulty import FaultyUpstream, faulty_upstream
from tests.system.months import PRICES, assert_runs_end_together_with_the_month
from tests.system.test_shared_runs import Topology, assert_complete, start_run
from tests.worker import Worker

_LEASE_S = 6
_ITEMS = 2000
_MOST = 20
_CALLED = """
[endpoints.called]
base_url = "{url}"
models = ["quick"]
max_concurrency = {most}
start_concurrency = {most}
"""
_OUTAGES = "SELECT endpoint FROM evalhaven_queue.outages"
_HELD = """SELECT count(*), CAST(sum(slots) AS bigint) FROM evalhaven_queue.limit_shares
    WHERE name LIKE 'model %' AND slots > 0 AND held_until > now()"""


@contextmanager
def calling_workers(
    directory: Path, postgres: PostgresServer, upstream: FaultyUpstream, count: int, most: int
) -> Generator[tuple[Topology, list[Worker]]]:
    """Run workers that call the upstream, and a server without a worker of its own."""
    with postgres.temporary_database() as url, ExitStack() as stack:
        endpoint = _CALLED.format(url=upstream.url, most=most) + PRICES
        topology = Topology(directory, url, stack, endpoint, _LEASE_S, "--no-worker")
        stack.enter_context(topology.server.running())
        workers = [topology.add_worker() for _ in range(count)]
        topology.wait_for_workers(count)
        yield topology, workers


@pytest.mark.proof
def test_a_limit_of_a_model_holds_for_four_workers_when_one_is_killed_and_one_stands_still(
    tmp_path: Path, postgres: PostgresServer, say: Say
) -> None:
    most = SIZES.shared_limit
    with (
        faulty_upstream(latency_ms=200) as upstream,
        calling_workers(tmp_path, postgres, upstream, 4, most) as (topology, workers),
        Client(topology.server.url) as client,
    ):

        def all_is_held_by(count: int) -> bool:
            return topology.query(_HELD) == [(count, most)]

        def is_used() -> bool:
            return upstream.stats()["in_flight"] >= most * 0.8

        eval_id, run_id = start_run(client, tmp_path, SIZES.shared_limit_items)
        wait_until(lambda: all_is_held_by(4), "four workers have all slots")
        wait_until(is_used, "they use them")
        workers[0].kill()
        killed_s = wait_until(lambda: all_is_held_by(3), "those of the dead one are the others'")
        killed_s += wait_until(is_used, "they use them, too")
        workers[1].send_signal(signal.SIGSTOP)
        wait_until(lambda: all_is_held_by(2), "those of the silent one are the others'")
        wait_until(is_used, "they use them, too")
        workers[1].send_signal(signal.SIGCONT)
        wait_until(lambda: all_is_held_by(3), "it has a part again")
        # What it had before it stood still would be too much now.
        seen = upstream.stats()["answered"]
        wait_until(lambda: upstream.stats()["answered"] > seen + 3 * most, "calls go on")
        assert client.get_run(eval_id, run_id)["status"] == "in_progress", "nothing was left to limit"
        client.post(f"/v1/evals/{eval_id}/runs/{run_id}")
        assert 0.8 * most <= upstream.stats()["most_in_flight"] <= most
        assert "Traceback" not in topology.log
        say(f"{most} calls at once: {killed_s:.1f} s after a worker was killed the others used its part")


def test_outages_and_budgets_are_those_of_all_workers(tmp_path: Path, postgres: PostgresServer) -> None:
    with (
        faulty_upstream(latency_ms=30) as upstream,
        calling_workers(tmp_path, postgres, upstream, 2, _MOST) as (topology, _workers),
        Client(topology.server.url) as client,
    ):
        ids = start_run(client, tmp_path, _ITEMS)
        wait_until(lambda: topology.query(_HELD) == [(2, _MOST)], "both call")
        client.wait_for_items(*ids, 200)
        upstream.change(p500=1.0)
        wait_until(
            lambda: topology.query("SELECT endpoint FROM evalhaven_queue.outages") == [("called",)], "it is told"
        )
        wait_until_quiet(upstream)
        refused, began = upstream.stats()["by_status"]["500"], time.monotonic()
        time.sleep(5)
        tried, lasted_s = upstream.stats()["by_status"]["500"] - refused, time.monotonic() - began
        # One call for both tries after 1, 2, 4 and then every 5 seconds; each for itself would make twice as many.
        assert tried <= 2 + lasted_s / 4
        upstream.change(p500=0.0)
        client.wait_for_items(*ids, 700)

        upstream.change(gone_s=4.0)
        wait_until(lambda: client.get_run(*ids)["evalhaven"]["limiter"]["unreachable"], "it is seen from outside")
        run = client.wait_for_end(*ids)
        assert_complete(topology, run, _ITEMS)
        assert run["evalhaven"]["limiter"]["unreachable"] is None
        events = client.get(f"/api/runs/{ids[1]}/events").json()["data"]
        told = [event["type"] for event in events if event["type"] in ("unreachable", "reachable")]
        assert told == ["unreachable", "reachable"]
        assert topology.query(_OUTAGES) == []

        # All calls of the run cost about the same.
        used = sum(usage["total_tokens"] for usage in run["per_model_usage"])
        budget = used // _ITEMS * 300
        answered = upstream.stats()["answered"]
        file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(_ITEMS)))
        messages = {"type": "template", "template": [{"role": "user", "content": "{{ item.answer }}"}]}
        source = {"type": "completions", "source": {"type": "file_id", "id": file_id}, "input_messages": messages}
        body = {"data_source": {**source, "model": "quick"}, "evalhaven": {"budget": {"tokens": budget}}}
        spent = client.wait_for_end(ids[0], client.post(f"/v1/evals/{ids[0]}/runs", json=body).json()["id"])
        assert (spent["status"], spent["error"]["code"]) == ("failed", "budget_exceeded")
        assert 250 <= upstream.stats()["answered"] - answered <= 350 + _MOST

        file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(400)))
        few = {**source, "source": {"type": "file_id", "id": file_id}, "model": "quick"}
        assert_runs_end_together_with_the_month(client, upstream, ids[0], {"data_source": few}, _MOST)
        assert "Traceback" not in topology.log


def wait_until_quiet(upstream: FaultyUpstream) -> None:
    """Wait until nobody but the one who tries calls."""
    seen: list[int] = []

    def is_quiet() -> bool:
        seen.append(upstream.stats()["requests"])
        return len(seen) > 2 and seen[-1] - seen[-3] <= 1

    wait_until(is_quiet, "calls wait", pause_s=0.5)
