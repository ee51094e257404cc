"""Calculator processes end with the executor that started them, even if it is killed; the run goes on unharmed."""

import contextlib
import json
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from tests.server import Server
from tests.system.client import wait_until
from tests.system.inside import executor_of, has_ended

# Of computing, which a busy machine does not make longer; to the end of its item it would be many times as much.
_MOST_AFTER_KILL_S = 1.0
_MOST_AFTER_CANCELING_S = 2.0
CRITERION: dict[str, Any] = {
    "type": "text_similarity",
    "name": "alike",
    "input": "{{ item.a }}",
    "reference": "{{ item.b }}",
    "evaluation_metric": "fuzzy_match",
    "pass_threshold": 0.5,
}


def start_long_run(http: httpx2.Client) -> dict[str, Any]:
    """Start a run whose one item takes a calculator many seconds."""
    config = {"type": "custom", "item_schema": {"type": "object"}}
    parent = http.post("/v1/evals", json={"data_source_config": config, "testing_criteria": [CRITERION]}).json()
    rows = [{"item": {"a": "abc" * 400_000, "b": "cab" * 400_000}}]
    source = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
    answer = http.post(f"/v1/evals/{parent['id']}/runs", content=json.dumps({"data_source": source}))
    assert answer.status_code == 201, answer.text
    return answer.json()


def calculators_of(executor: psutil.Process) -> list[psutil.Process]:
    return [child for child in executor.children() if "evalhaven.graders.calculator_main" in child.cmdline()]


def computed_s(calculator: psutil.Process) -> float:
    return sum(calculator.cpu_times()[:2])


def computed_to_the_end_s(calculators: list[psutil.Process]) -> float:
    """Return how many seconds calculators compute from now on, once all of them have ended."""
    first: dict[psutil.Process, float] = {}
    last: dict[psutil.Process, float] = {}

    def are_gone() -> bool:
        for calculator in calculators:
            with contextlib.suppress(psutil.Error):
                last[calculator] = computed_s(calculator)
                first.setdefault(calculator, last[calculator])
        return all(has_ended(calculator) for calculator in calculators)

    wait_until(are_gone, "the calculators are gone")
    return sum(last[calculator] - first[calculator] for calculator in last)


def busy_calculators(server: Server) -> list[psutil.Process]:
    """Return the calculators of a server once one of them is busy."""
    executor = executor_of(server)
    wait_until(
        lambda: any(computed_s(calculator) > 0.5 for calculator in calculators_of(executor)), "a calculator computes"
    )
    return calculators_of(executor)


@pytest.mark.parametrize("victim", ["executor", "server"])
def test_no_calculator_is_left_after_a_kill(tmp_path: Path, victim: str) -> None:
    with Server(tmp_path).running() as server, httpx2.Client(base_url=server.url, timeout=30) as http:
        start_long_run(http)
        calculators = busy_calculators(server)
        if victim == "server":
            server.kill()
        else:
            executor_of(server).kill()

        assert calculators
        assert computed_to_the_end_s(calculators) < _MOST_AFTER_KILL_S


def test_cancelling_a_run_ends_what_its_calculators_compute(tmp_path: Path) -> None:
    with Server(tmp_path).running() as server, httpx2.Client(base_url=server.url, timeout=30) as http:
        run = start_long_run(http)
        calculators = busy_calculators(server)
        path = f"/v1/evals/{run['eval_id']}/runs/{run['id']}"
        canceled = http.post(path).json()
        computed_s = computed_to_the_end_s(calculators)

        assert canceled["status"] == http.get(path).json()["status"] == "canceled"
        assert http.get(path).json()["result_counts"]["total"] == 0
        assert computed_s < _MOST_AFTER_CANCELING_S
        assert "Traceback" not in server.log
