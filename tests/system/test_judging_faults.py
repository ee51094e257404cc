"""Runs whose judges' endpoint fails, and judged runs that are killed: nothing is lost or counted twice."""

from pathlib import Path
from typing import Any

import pytest

from tests.databases import TemporaryDatabase
from tests.figures import Say
from tests.server import Server
from tests.sizes import SEED, SIZES
from tests.system.client import Client, JsonObject, write_rows
from tests.system.faulty import FaultyUpstream, asking_server, faulty_upstream
from tests.system.killing import end_after_kills
from tests.system.watch import watch_of

_IN_FLIGHT = 50
# Finished but not stored: for each chunk in progress, a batch that is being stored and one that is filling.
_UNSTORED = 3 * 2 * 256
TARGET, JUDGE = "evaluated", "judge"


def criterion(name: str) -> JsonObject:
    """Return a judge whose verdict on each item is known; it tells its question from those of others."""
    verdict = '{"steps":[],"result":{{ item.score }}}'
    asked = name + " on {{ item.n }}: {{ sample.output_text }}\nANSWER: " + verdict
    return {"type": "score_model", "name": name, "model": JUDGE, "input": [{"role": "user", "content": asked}]}


def start_judged(client: Client, directory: Path, count: int, *names: str) -> tuple[str, str]:
    """Start a run that asks a model and its judges about so many items; every fifth is judged badly."""
    items = ({"n": n, "score": 0.25 if n % 5 == 0 else 0.75} for n in range(count))
    file_id = client.upload_path(write_rows(directory / "rows.jsonl", items))
    eval_id = client.create_eval([criterion(name) for name in names], {"type": "object", "required": ["n"]})
    source = {
        "type": "completions",
        "model": TARGET,
        "source": {"type": "file_id", "id": file_id},
        "input_messages": {
            "type": "template",
            "template": [{"role": "user", "content": "Question {{ item.n }}\nANSWER: a{{ item.n }}"}],
        },
    }
    answer = client.post(f"/v1/evals/{eval_id}/runs", json={"data_source": source})
    assert answer.status_code == 201, answer.text
    return eval_id, answer.json()["id"]


def assert_judged(server: Server, client: Client, run: JsonObject, count: int, judges: int) -> None:
    """Check that each judge judged each item once, and that counts and tokens match the rows."""
    counts = run["result_counts"]
    failed = len(range(0, count, 5))
    assert (run["status"], counts["total"], counts["errored"], counts["failed"]) == ("completed", count, 0, failed), run
    for each in run["per_testing_criteria_results"]:
        assert (each["passed"], each["failed"], each["errored"]) == (count - failed, failed, 0)
    with watch_of(server) as watch:
        key = watch.run_key(run["id"])
        assert watch.recount(key).positions == set(range(count))
        sampled_tokens = watch.value("SELECT sum(tokens) FROM output_items WHERE run_key = ?", key)
    [target] = run["evalhaven"]["usage_split"]["target"]
    [judge] = run["evalhaven"]["usage_split"]["judge"]
    assert (target["model_name"], target["invocation_count"], target["total_tokens"]) == (TARGET, count, sampled_tokens)
    items = items_of(client, run)
    results = [result for item in items for result in item["results"]]
    assert (judge["model_name"], judge["invocation_count"]) == (JUDGE, count * judges)
    assert judge["total_tokens"] == sum(result["sample"]["usage"]["total_tokens"] for result in results)
    assert all(f"on {item['datasource_item_id']}: a{item['datasource_item_id']}\n" in _asked(item) for item in items)


def items_of(client: Client, run: JsonObject) -> list[JsonObject]:
    """Return all output items of a run."""
    items: list[JsonObject] = []
    page: JsonObject = {"has_more": True}
    while page["has_more"]:
        params = {"limit": 1000, **({"after": items[-1]["id"]} if items else {})}
        answer = client.get(f"/v1/evals/{run['eval_id']}/runs/{run['id']}/output_items", params=params)
        page = answer.raise_for_status().json()
        items += page["data"]
    return items


def _asked(item: JsonObject) -> str:
    return item["results"][0]["sample"]["input"][0]["content"]


def answered_to(upstream: FaultyUpstream, *names: str) -> dict[str, int]:
    """Return how many times each question of these judges was answered."""
    return {prompt: times for prompt, times in upstream.answered().items() if prompt.startswith(names)}


def test_a_judges_429s_and_broken_answers_cost_time_and_no_grade(
    tmp_path: Path, temporary_database: TemporaryDatabase
) -> None:
    count = 200
    faults: dict[str, Any] = {"p429": 0.1, "retry_after_s": 0.05, "p500": 0.05, "p_reset": 0.03, "p_cut": 0.03}
    with (
        faulty_upstream(latency_ms=5, seed=SEED % 1000, **faults, p_invalid=0.03) as upstream,
        asking_server(tmp_path, temporary_database, upstream, _IN_FLIGHT) as server,
        Client(server.url) as client,
    ):
        eval_id, run_id = start_judged(client, tmp_path, count, "first", "second")
        run = client.wait_for_end(eval_id, run_id, timeout_s=240)

        assert_judged(server, client, run, count, judges=2)
        assert {"429", "500"} <= upstream.stats()["by_status"].keys()
        assert run["evalhaven"]["retries"] >= upstream.stats()["by_status"]["429"]
        assert len(answered_to(upstream, "first", "second")) == 2 * count
        assert "Traceback" not in server.log


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_killed_judged_run_counts_every_judgement_once(
    tmp_path: Path, temporary_database: TemporaryDatabase, say: Say
) -> None:
    count, kills = SIZES.judged_kill_items, SIZES.judged_kills
    with (
        faulty_upstream(latency_ms=20, hold_after=2 * count - _IN_FLIGHT) as upstream,
        asking_server(tmp_path, temporary_database, upstream, _IN_FLIGHT) as server,
        Client(server.url) as client,
    ):
        ids = start_judged(client, tmp_path, count, "only")
        run = end_after_kills(server, client, upstream, ids, count, kills)
        answered = answered_to(upstream, "only")
        paid_twice = sum(answered.values()) - count

        assert_judged(server, client, run, count, judges=1)
        assert len(answered) == count
        assert paid_twice <= kills * (3 * _IN_FLIGHT + _UNSTORED)
        say(f"seed {SEED}: {count:,} items, {kills} kills, {paid_twice:,} judgements paid twice")
