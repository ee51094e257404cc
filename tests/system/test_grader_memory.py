"""A python grader that uses up a machine's memory costs its own item, never the server."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from evalhaven.sandbox.environment import Tier
from tests.figures import Say
from tests.python_graders import python_check, require_tier
from tests.server import Server
from tests.system.client import Client
from tests.system.inside import executor_of

MIB = 1 << 20
_MEMORY = 1536 * MIB
_PATIENCE_S = 110.0
# Below a grader's limit, but more than the machine has.
GREEDY = """
def grade(sample, item):
    if not item["greedy"]:
        return 1.0
    for number in range(900):
        with open(f"part-{number}", "wb") as file:
            file.write(bytes(1 << 20))
    kept = [bytes(1 << 20).replace(bytes(1), b"x") for _ in range(900)]
    return float(len(kept) > 0)
"""


class SmallMachine:
    """A control group with the memory of a small machine and no swap space, to put processes into."""

    def __init__(self) -> None:
        reason = "there are none"
        for parent, limit in (
            (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
            (Path("/sys/fs/cgroup"), "memory.max"),
        ):
            self.path = parent / f"evalhaven-test-{os.getpid()}"
            try:
                self.path.mkdir()
                (self.path / limit).write_text(str(_MEMORY))
            except OSError as error:
                reason = str(error)
                if self.path.is_dir():
                    self.path.rmdir()
                continue
            for swap in ("memory.memsw.limit_in_bytes", "memory.swap.max"):
                if (self.path / swap).exists():
                    (self.path / swap).write_text(str(_MEMORY) if "memsw" in swap else "0")
            return
        pytest.skip(f"no control group for memory can be made here: {reason}")

    def put(self, process: psutil.Process) -> None:
        """Move a process there, together with what it starts from now on."""
        (self.path / "cgroup.procs").write_text(str(process.pid))

    def remove(self) -> None:
        """Move all processes back and remove the group."""
        for pid in (self.path / "cgroup.procs").read_text().split():
            (self.path.parent / "cgroup.procs").write_text(pid)
        self.path.rmdir()


@pytest.fixture
def small_machine() -> Iterator[SmallMachine]:
    machine = SmallMachine()
    yield machine
    machine.remove()


@pytest.mark.slow
@pytest.mark.parametrize("tier", [Tier.FULL, Tier.LANDLOCK])
def test_a_grader_that_fills_the_memory_is_killed_and_the_server_lives(
    tmp_path: Path, small_machine: SmallMachine, tier: Tier, say: Say
) -> None:
    require_tier(tier)
    # The worst place for scratch directories: memory that belongs to no process.
    with tempfile.TemporaryDirectory(prefix="evalhaven-scratch-", dir="/dev/shm") as scratch:
        Path(scratch).chmod(0o755)
        server = Server(tmp_path, EVALHAVEN_GRADER_SANDBOX=tier, TMPDIR=scratch)
        with server.running(), Client(server.url) as client:
            executor = executor_of(server)
            small_machine.put(psutil.Process(server.process.pid))
            small_machine.put(executor)
            eval_id = client.create_eval([python_check(GREEDY)], {"type": "object"})
            rows = "".join(f'{{"item": {{"greedy": {str(number == 5).lower()}}}}}\n' for number in range(10))
            run_id = client.start_run(eval_id, client.upload(rows.encode()))
            run = client.wait_for_end(eval_id, run_id, _PATIENCE_S)
            items = client.get(f"/v1/evals/{eval_id}/runs/{run_id}/output_items?order=asc").json()["data"]

            assert executor.is_running()
            assert server.is_up

    errors = [item["results"][0]["evalhaven"]["error"] for item in items if item["status"] == "error"]
    say(f"{tier}: {errors}")
    assert run["status"] == "completed"
    assert run["result_counts"] == {"total": 10, "passed": 9, "failed": 0, "errored": 1}
