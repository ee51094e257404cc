"""A worker that nothing but another process can help ends itself, so that its parent starts another one."""

import subprocess
import sys

_WORKER = """
import anyio
from evalhaven.app import executor

executor._LOOK_S = 0.01
looks = []

async def work():
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(executor.end_when_stuck, lambda: looks.append(1) or (len(looks) > 2 and {stuck}))
        await anyio.sleep(1)
        print("works on", flush=True)
        tasks.cancel_scope.cancel()

anyio.run(work)
"""


def run(stuck: bool) -> subprocess.CompletedProcess[str]:
    source = _WORKER.format(stuck=stuck)
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)


def test_it_ends_at_once_whatever_else_it_does() -> None:
    ended = run(stuck=True)
    assert (ended.returncode, "works on" in ended.stdout) == (1, False), ended.stderr
    assert "worker_stuck" in ended.stderr + ended.stdout


def test_it_goes_on_while_it_is_not_stuck() -> None:
    ended = run(stuck=False)
    assert (ended.returncode, ended.stdout) == (0, "works on\n"), ended.stderr
