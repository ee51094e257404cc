"""Runs that are tried again after an outage or graded again, and killed meanwhile; and the rate of regrading."""

import random
import time
from pathlib import Path

import pytest

from tests.databases import TemporaryDatabase
from tests.figures import Say
from tests.server import Server
from tests.sizes import SEED, SIZES
from tests.system.client import Client, JsonObject, item_rows, wait_until, write_rows
from tests.system.faulty import asking_server, faulty_upstream
from tests.system.test_sampling_faults import CRITERIA, assert_whole, start_sampled
from tests.system.watch import watch_of

_GONE_S = 4.0
_IN_FLIGHT = 50


def errors_and_items(server: Server, run_id: str) -> tuple[int, int]:
    """Return how many errored items and how many items a run has in the database."""
    with watch_of(server) as watch:
        key = watch.run_key(run_id)
        statuses = watch.recount(key).statuses
    return statuses[2], sum(statuses)


def kill_on_the_way(
    server: Server, client: Client, run: JsonObject, begin: tuple[int, int], end: tuple[int, int]
) -> None:
    """Kill and start the server while a run goes from one count of errors and items to another."""
    chance = random.Random(SEED)
    for number in range(SIZES.rerun_kills):
        share = (number + chance.random()) / (SIZES.rerun_kills + 1)
        errors, items = (round(first + share * (last - first)) for first, last in zip(begin, end, strict=True))

        def has_come_so_far(errors: int = errors, items: int = items) -> bool:
            stored = errors_and_items(server, run["id"])
            return stored[0] <= errors and stored[1] >= items

        wait_until(has_come_so_far, f"at most {errors} errors and {items} items")
        server.kill()
        server.restart()
        assert client.get_run(run["eval_id"], run["id"])["status"] in ("queued", "in_progress", "completed")


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_is_made_whole_after_an_outage_and_graded_again_whatever_is_killed(
    tmp_path: Path, temporary_database: TemporaryDatabase, say: Say
) -> None:
    count = SIZES.outage_items
    with (
        faulty_upstream(latency_ms=60, hold_after=count - _IN_FLIGHT) as upstream,
        asking_server(tmp_path, temporary_database, upstream, _IN_FLIGHT, timeout_s=2, retry_for_s=0.5) as server,
        Client(server.url) as client,
    ):
        eval_id, run_id = start_sampled(client, tmp_path, count)
        client.wait_for_items(eval_id, run_id, count // 3)
        # A fast run does not have the last answers yet, and gets no more.
        upstream.change(gone_s=_GONE_S, hold_after=0)
        failed = client.wait_for_end(eval_id, run_id)
        left = errors_and_items(server, run_id)
        # Whether the run gave up or went on to its end depends on when the upstream was back.
        assert failed["status"] in ("failed", "completed")
        assert 0 < left[0] == failed["result_counts"]["errored"]
        assert count // 3 <= left[1] <= count
        time.sleep(_GONE_S)

        answer = client.post(f"/api/runs/{run_id}/retry")
        assert (answer.status_code, answer.json()["status"]) == (200, "queued"), answer.text
        kill_on_the_way(server, client, failed, left, (0, count))
        run = client.wait_for_end(eval_id, run_id)
        assert_whole(server, run, count)
        assert (run["error"], run["evalhaven"]["times_retried"], run["evalhaven"]["errors"]) == (None, 1, {})
        asked = upstream.stats()["requests"]

        regraded = client.post(f"/api/runs/{run_id}/regrade", json={"testing_criteria": CRITERIA}).json()
        kill_on_the_way(server, client, regraded, (0, 0), (0, count))
        after = client.wait_for_end(eval_id, regraded["id"])
        assert (after["status"], after["result_counts"]) == ("completed", run["result_counts"])
        with watch_of(server) as watch:
            first, second = (watch.recount(watch.run_key(each)) for each in (run_id, regraded["id"]))
        assert first == second
        assert after["per_model_usage"] == []
        assert upstream.stats()["requests"] == asked
        assert "Traceback" not in server.log
        say(f"seed {SEED}: {count:,} items, {left[0]:,} errored and {count - left[1]:,} missing after the outage")


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_grading_again_takes_about_as_long_as_grading_did(
    server: Server, client: Client, tmp_path: Path, say: Say
) -> None:
    count = SIZES.regraded_items
    file_id = client.upload_path(write_rows(tmp_path / "rows.jsonl", item_rows(count, padding=200)))
    eval_id = client.create_eval()
    took_s: list[float] = []
    run_id = ""
    for number in range(4):
        if number % 2 == 0:
            run_id = client.start_run(eval_id, file_id)
        else:
            run_id = client.post(f"/api/runs/{run_id}/regrade", json={}).json()["id"]
        began = time.monotonic()
        run = client.wait_for_end(eval_id, run_id, timeout_s=400)
        took_s.append(time.monotonic() - began)
        assert (run["status"], run["result_counts"]["total"]) == ("completed", count)
    graded_s, regraded_s = min(took_s[0::2]), min(took_s[1::2])
    say(f"{count:,} items: jsonl {count / graded_s:,.0f}/s, graded again {count / regraded_s:,.0f}/s")
    # Machines pause, and small runs consist mostly of their start: only a large difference is a mistake.
    assert regraded_s < 3 * graded_s + 2
