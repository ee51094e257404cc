"""Python criteria, and which tiers of isolation this machine allows."""

import asyncio
import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evalhaven.graders.python.environments import interpreter
from evalhaven.sandbox.environment import Environment, Isolation, Tier
from evalhaven.sandbox.tiers import choose_isolation

# It ends with an exception where a test of the task fails, and that is a score of 0.
HUMAN_EVAL = """
def grade(sample, item):
    program = item["prompt"] + sample["output_text"] + "\\n" + item["test"] + f"\\ncheck({item['entry_point']})\\n"
    exec(program, {"__name__": "task"})
    return 1.0
"""


def python_check(source: str, name: str = "code", **changes: Any) -> dict[str, Any]:
    """Return a criterion that executes a source."""
    return {"type": "python", "name": name, "source": source, **changes}


def human_eval_rows(shared_dir: Path, *, is_solved: bool) -> list[dict[str, Any]]:
    """Return the tasks of HumanEval as rows, answered with their canonical solutions or with `return None`."""
    text = gzip.decompress((shared_dir / "data" / "HumanEval.jsonl.gz").read_bytes()).decode()
    tasks: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    assert len(tasks) == 164
    return [
        {
            "item": {key: task[key] for key in ("task_id", "prompt", "test", "entry_point")},
            "sample": {"output_text": task["canonical_solution"] if is_solved else "    return None\n"},
        }
        for task in tasks
    ]


@cache
def isolation_here(tier: Tier) -> Isolation:
    """Return whether a tier holds on this machine."""
    return asyncio.run(choose_isolation(tier, Environment(interpreter()), []))


def require_tier(tier: Tier) -> None:
    """Skip the test where this machine does not allow a tier, with the reason."""
    isolation = isolation_here(tier)
    if isolation.tier is None:
        pytest.skip(f"this machine allows no tier {tier}: {isolation.rejected[tier]}")
