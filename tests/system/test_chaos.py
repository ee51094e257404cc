"""Whatever dies, stands still or is cut off among servers, workers and database: every item is stored once."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.databases import PostgresServer
from tests.sizes import SEED, SIZES
from tests.system.chaos import Chaos, faults_of
from tests.system.client import wait_until
from tests.system.faulty import faulty_upstream
from tests.system.watch import watch_of


@pytest.fixture
def chance() -> random.Random:
    return random.Random(SEED)


@pytest.fixture
def chaos(tmp_path: Path, chance: random.Random) -> Iterator[Chaos]:
    with (
        PostgresServer(is_durable=True).running() as postgres,
        faulty_upstream(latency_ms=50, keep_calls=1) as upstream,
        Chaos(tmp_path, postgres, upstream, chance).running() as chaos,
    ):
        yield chaos


@pytest.mark.proof
@pytest.mark.timeout(120 * SIZES.chaos_rounds)
def test_every_item_is_stored_once_whatever_happens(
    chaos: Chaos, chance: random.Random, say: Callable[[str], None]
) -> None:
    checked = set[str]()
    for number, fault in enumerate(faults_of(chaos, chance, SIZES.chaos_rounds), 1):
        chaos.start_run(SIZES.chaos_items)
        chaos.wait_for_items(chance.randrange(SIZES.chaos_items // 2))
        chaos.faults[fault]()
        chaos.wait_for_end()
        chaos.wait_for_workers()
        for run_id in chaos.runs.keys() - checked:
            _assert_complete(chaos, run_id)
            checked.add(run_id)
        late = chaos.late_calls()
        assert not late, f"{fault}: calls without a lease: {late[:10]}"
        say(f"round {number}: {fault}")
    wait_until(
        lambda: not chaos.query("SELECT 1 FROM evalhaven_queue.procrastinate_jobs"), "no job is left", pause_s=0.1
    )
    assert "Traceback" not in "".join(each.log for each in (*chaos.servers, *chaos.workers))


def _assert_complete(chaos: Chaos, run_id: str) -> None:
    with watch_of(chaos.servers[0]) as watch:
        key = watch.run_key(run_id)
        query = "SELECT status, passed, failed, errored, items_planned FROM runs WHERE key = ?"
        status, passed, failed, errored, planned = watch.rows(query, key)[0]
        assert (status, errored, passed + failed) == ("completed", 0, planned), run_id
        recount = watch.recount(key)
        assert recount.positions == set(range(planned))
        assert recount.statuses == (passed, failed, errored)
        assert watch.rows("SELECT type FROM events WHERE object_id = ?", run_id) == [("eval.run.succeeded",)]
