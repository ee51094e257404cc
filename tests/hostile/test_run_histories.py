"""Random histories of runs: whatever happens in whatever order, no status is illegal and all counts add up.

The histories come from a seeded generator, not from hypothesis' RuleBasedStateMachine. What a kill hits depends on
time, so the machine's shrinking, which plays shorter histories and expects the same failure, would mostly report that
the test is flaky, and each of its attempts costs server starts. Here every kind of step is sure to come, those that
are to hit a run midway wait until it is, the model is compared after each, and a failure tells the history.
"""

import random
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.databases import TemporaryDatabase
from tests.hostile.histories import TIMEOUT_S, History
from tests.server import Server
from tests.sizes import SEED, SIZES


@pytest.fixture
def server(tmp_path: Path, temporary_database: TemporaryDatabase) -> Iterator[Server]:
    with temporary_database() as url, Server(tmp_path, url).running() as running:
        yield running


@pytest.mark.proof
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(SIZES.histories))
def test_no_history_leads_to_an_illegal_status_or_a_wrong_count(server: Server, number: int) -> None:
    chance = random.Random(f"{SEED}-{number}")
    with httpx2.Client(base_url=server.url, timeout=TIMEOUT_S, trust_env=False) as client:
        history = History(server, client, chance)
        try:
            history.take_steps(SIZES.history_steps)
            _end(history)
        except Exception as error:
            error.add_note("\n".join(("the history:", *history.told)))
            raise
    for sign in ("Traceback", "run_failed_unexpectedly", "request_failed_unexpectedly"):
        assert sign not in server.log


def _end(history: History) -> None:
    """Every run that nobody ended comes to its end; then all is deleted, and stays so."""
    history.wait_for_all()
    history.kill_server()
    history.look()
    for eval_id in sorted(history.evals):
        assert history.client.delete(f"/v1/evals/{eval_id}").status_code == 200
        history.gone.append(f"/v1/evals/{eval_id}")
    history.gone += [f"/v1/evals/{run.eval_id}/runs/{run_id}" for run_id, run in history.runs.items()]
    history.evals, history.runs = set(), {}
    history.server.restart()
    history.look()
    for path in history.gone:
        assert history.client.get(path).status_code == 404, path
