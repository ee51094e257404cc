"""Run objects as a server answers them, and readings of them."""

from typing import Any

import msgspec

from evalhaven.cli.run_document import RunDocument
from evalhaven.cli.run_figures import Figures, Reading, RunHistory

STARTED_AT = 1_700_000_000

LIMITER: dict[str, Any] = {
    "endpoint": "mock",
    "concurrency": 48,
    "max_concurrency": 64,
    "in_flight": 40,
    "waiting": 3,
    "limit_reached": False,
    "episodes": 1,
    "paused_until": None,
    "paused_s": 2.0,
    "retries": {"rate_limit": 10, "timeout": 2},
}
SAMPLED: dict[str, Any] = {
    "latency": {"mean_ms": 900.0, "p50_ms": 812.4, "p95_ms": 1920.0, "p99_ms": 2500.0},
    "cost": {"target": 1.0, "judge": 0.25},
    "usage_split": {
        "target": [
            {
                "model_name": "a",
                "total_tokens": 1000,
                "prompt_tokens": 700,
                "cached_tokens": 100,
                "completion_tokens": 300,
            },
            {
                "model_name": "b",
                "total_tokens": 200,
                "prompt_tokens": 150,
                "completion_tokens": 50,
                "reasoning_tokens": 20,
            },
        ],
        "judge": [{"model_name": "c", "total_tokens": 34, "prompt_tokens": 30, "completion_tokens": 4}],
    },
    "limiter": LIMITER,
}


def run_object(passed: int = 0, failed: int = 0, errored: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a run object; keys that a run object has not itself belong to its key `evalhaven`."""
    shown: dict[str, Any] = {
        "object": "eval.run",
        "id": "evalrun_1",
        "eval_id": "eval_1",
        "report_url": "http://127.0.0.1:8765/ui/evals/eval_1/runs/evalrun_1",
        "status": "in_progress",
        "model": "",
        "name": "Tickets",
        "result_counts": {
            "total": passed + failed + errored,
            "passed": passed,
            "failed": failed,
            "errored": errored,
        },
        "error": None,
    }
    extension: dict[str, Any] = {
        "items_planned": 100,
        "started_at": STARTED_AT,
        "ended_at": None,
        "errors": {},
        "latency": None,
        "cost": None,
        "usage_split": None,
        "retries": 0,
        "cache_hits": 0,
        "limiter": None,
        "budget": None,
        "repeats": 1,
        "max_concurrency": None,
    }
    for key, value in changes.items():
        (shown if key in shown else extension)[key] = value
    return {**shown, "evalhaven": extension}


def reading(second: float, passed: int = 0, **changes: Any) -> Reading:
    """Return the reading of a run so many seconds after its start, by a clock that began elsewhere."""
    return Reading(500 + second, STARTED_AT + second, msgspec.convert(run_object(passed, **changes), RunDocument))


def figures_after(*readings: Reading) -> Figures:
    """Return what is shown after readings."""
    history = RunHistory()
    return [history.add(each) for each in readings][-1]
