"""Facts about a supervisor: what it says of a child that is gone."""

import sys
from collections.abc import MutableMapping
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from evalhaven.app.supervisor import Child, Supervisor
from evalhaven.meters.board import Board


async def said_of(exit_code: int) -> MutableMapping[str, Any]:
    """Return what is said of a child that ends with a code."""
    child = Child("executor", "executes runs", [sys.executable, "-I", "-S", "-c", f"raise SystemExit({exit_code})"])
    said: list[MutableMapping[str, Any]] = []
    with capture_logs() as lines:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Supervisor(child, None, Board()).supervise)
            with anyio.fail_after(60):
                while not (said := [line for line in lines if line["event"] != "executor_started"]):  # noqa: ASYNC110 - it tells nobody
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    return said[0]


@pytest.mark.parametrize(("code", "event", "level"), [(0, "executor_ended", "info"), (3, "executor_died", "error")])
async def test_a_child_that_leaves_in_good_order_is_no_error(code: int, event: str, level: str) -> None:
    said = await said_of(code)

    assert (said["event"], said["log_level"]) == (event, level)
    assert said["restart_in_s"] > 0
