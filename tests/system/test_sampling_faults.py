"""Runs over an upstream that fails in every way, and runs that are killed while calls are in flight."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import TemporaryDatabase
from tests.figures import Say
from tests.server import Server
from tests.sizes import SEED, SIZES
from tests.system.client import Client, JsonObject, wait_until, write_rows
from tests.system.faulty import MODEL, asking_server, faulty_upstream
from tests.system.killing import end_after_kills
from tests.system.watch import watch_of

_IN_FLIGHT = 100
# Finished but not stored: for each chunk in progress, a batch that is being stored and one that is filling.
_UNSTORED = 3 * 2 * 256
CRITERIA: list[JsonObject] = [
    {
        "type": "string_check",
        "name": "said",
        "operation": "eq",
        "input": "{{ sample.output_text }}",
        "reference": "{{ item.expected }}",
    }
]
_SCHEMA = {"type": "object", "required": ["n"]}


def asked_items(count: int) -> Iterator[JsonObject]:
    """Yield items; every fifth expects an answer other than the one it gets."""
    for n in range(count):
        yield {"n": n, "answer": f"a{n}", "expected": "no" if n % 5 == 0 else f"a{n}"}


def prompt_of(n: int) -> str:
    return f"Question {n}\nANSWER: a{n}"


def start_sampled(client: Client, directory: Path, count: int, **options: Any) -> tuple[str, str]:
    """Start a run over so many items; return the ids of eval and run."""
    file_id = client.upload_path(write_rows(directory / "rows.jsonl", asked_items(count)))
    eval_id = client.create_eval(CRITERIA, _SCHEMA)
    source = {
        "type": "completions",
        "model": MODEL,
        "source": {"type": "file_id", "id": file_id},
        "input_messages": {
            "type": "template",
            "template": [{"role": "user", "content": "Question {{ item.n }}\nANSWER: {{ item.answer }}"}],
        },
    }
    answer = client.post(f"/v1/evals/{eval_id}/runs", json={"data_source": source, "evalhaven": options})
    assert answer.status_code == 201, answer.text
    return eval_id, answer.json()["id"]


def assert_whole(server: Server, run: JsonObject, count: int) -> None:
    """Check that each item was stored once with its own answer, and that counts and tokens match the rows."""
    counts = run["result_counts"]
    assert (run["status"], counts["total"], counts["errored"]) == ("completed", count, 0), run
    with watch_of(server) as watch:
        key = watch.run_key(run["id"])
        recount = watch.recount(key)
        tokens = watch.value("SELECT sum(tokens) FROM output_items WHERE run_key = ?", key)
    assert recount.positions == set(range(count))
    assert (counts["passed"], counts["failed"], counts["errored"]) == recount.statuses
    # A fifth expects what it does not get; an item with another item's answer would not pass either.
    assert counts["failed"] == len(range(0, count, 5))
    [usage] = run["per_model_usage"]
    assert (usage["invocation_count"], usage["total_tokens"]) == (count, tokens)


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_fault_of_an_upstream_costs_time_and_no_item(
    tmp_path: Path, temporary_database: TemporaryDatabase, say: Say
) -> None:
    count = SIZES.faulty_items
    faults = {
        "p429": 0.1,
        "retry_after_s": 1.0,
        "p500": 0.05,
        "p_reset": 0.02,
        "p_cut": 0.02,
        "p_invalid": 0.02,
        "p_stall": 0.002,
        "stall_s": 30.0,
    }
    with (
        faulty_upstream(latency_ms=20, seed=SEED % 1000, **faults) as upstream,
        asking_server(tmp_path, temporary_database, upstream, _IN_FLIGHT, timeout_s=5) as server,
        Client(server.url) as client,
    ):
        eval_id, run_id = start_sampled(client, tmp_path, count)
        client.wait_for_items(eval_id, run_id, count // 3)
        upstream.change(gone_s=SIZES.upstream_gone_s)
        run = client.wait_for_end(eval_id, run_id, timeout_s=800)
        stats = upstream.stats()

        assert_whole(server, run, count)
        assert set(upstream.answered()) == {prompt_of(n) for n in range(count)}
        # Answers that came too late or were lost on the way are asked for again; no others are.
        lost = sum(stats["by_status"].get(fault, 0) for fault in ("client_left", "reset", "cut", "invalid"))
        assert stats["answered"] - count <= lost + _IN_FLIGHT
        assert {"429", "500", "reset", "cut", "invalid"} <= stats["by_status"].keys()
        assert run["evalhaven"]["retries"] >= stats["by_status"]["429"] + stats["by_status"]["500"]
        assert stats["most_in_flight"] <= _IN_FLIGHT + len(run["evalhaven"]["limiter"]["retries"])
        assert "Traceback" not in server.log
        say(
            f"seed {SEED}: {count:,} items, upstream {stats['by_status']}, gone for {SIZES.upstream_gone_s:.0f} s, "
            f"retries {run['evalhaven']['limiter']['retries']}"
        )


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_run_pays_twice_only_for_what_was_under_way_or_not_stored(
    tmp_path: Path, temporary_database: TemporaryDatabase, say: Say
) -> None:
    count, kills = SIZES.sampled_kill_items, SIZES.sampled_kills
    with (
        faulty_upstream(latency_ms=50, hold_after=count - _IN_FLIGHT) as upstream,
        asking_server(tmp_path, temporary_database, upstream, _IN_FLIGHT) as server,
        Client(server.url) as client,
    ):
        ids = start_sampled(client, tmp_path, count)
        run = end_after_kills(server, client, upstream, ids, count, kills)
        answered = upstream.answered()
        paid_twice = sum(answered.values()) - count

        assert_whole(server, run, count)
        assert set(answered) == {prompt_of(n) for n in range(count)}
        assert paid_twice <= kills * (_IN_FLIGHT + _UNSTORED)
        say(f"seed {SEED}: {count:,} items, {kills} kills, {paid_twice:,} calls paid twice")


def test_a_canceled_run_ends_its_calls_within_two_seconds(
    tmp_path: Path, temporary_database: TemporaryDatabase
) -> None:
    with (
        faulty_upstream(latency_ms=60_000) as upstream,
        asking_server(tmp_path, temporary_database, upstream, _IN_FLIGHT, timeout_s=100) as server,
        Client(server.url) as client,
    ):
        eval_id, run_id = start_sampled(client, tmp_path, 3000)
        wait_until(lambda: upstream.stats()["in_flight"] == _IN_FLIGHT, "all calls are under way")
        assert client.post(f"/v1/evals/{eval_id}/runs/{run_id}").json()["status"] == "canceled"
        took_s = wait_until(lambda: upstream.stats()["in_flight"] == 0, "the calls are dropped")

        assert took_s < 2
        assert upstream.stats()["requests"] <= _IN_FLIGHT + 4, "and no others begin"
        assert client.get_run(eval_id, run_id)["result_counts"]["total"] == 0


def test_an_upstream_that_begins_to_refuse_the_key_ends_the_run_and_costs_no_finished_item(
    tmp_path: Path, temporary_database: TemporaryDatabase
) -> None:
    with (
        faulty_upstream(latency_ms=5, refuse=401, refuse_after=600) as upstream,
        asking_server(tmp_path, temporary_database, upstream, 20) as server,
        Client(server.url) as client,
    ):
        eval_id, run_id = start_sampled(client, tmp_path, 5000)
        run = client.wait_for_end(eval_id, run_id)
        counts = run["result_counts"]

        assert (run["status"], run["error"]["code"]) == ("failed", "invalid_api_key")
        assert counts["passed"] + counts["failed"] == 600
        assert 50 <= counts["errored"] <= 150
        assert run["evalhaven"]["errors"] == {"invalid_api_key": counts["errored"]}


def test_the_upstream_is_never_asked_by_more_calls_than_the_run_allows(
    tmp_path: Path, temporary_database: TemporaryDatabase
) -> None:
    with (
        faulty_upstream(latency_ms=10) as upstream,
        asking_server(tmp_path, temporary_database, upstream, _IN_FLIGHT) as server,
        Client(server.url) as client,
    ):
        eval_id, run_id = start_sampled(client, tmp_path, 500, max_concurrency=7)
        run = client.wait_for_end(eval_id, run_id)

        assert_whole(server, run, 500)
        assert upstream.stats()["most_in_flight"] == 7
