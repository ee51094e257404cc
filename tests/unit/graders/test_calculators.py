"""Facts about calculator processes: they compute, and never outlive what they are for."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import psutil
import pytest

from evalhaven.graders.calculators import CalculatorError, CalculatorPool
from evalhaven.graders.similarity.fuzzy import fuzzy_match
from tests.system.inside import has_ended
from tests.unit.graders.computed import add, die, fail, fill_memory, process_id, thread_count, wait

GONE_WITHIN_S = 1.0
PARENT = """
import anyio
from evalhaven.graders.calculators import CalculatorPool
from tests.unit.graders.computed import wait

async def main():
    async with CalculatorPool(1) as pool:
        await pool.call(wait, {seconds}, {told!r})
        await anyio.sleep(60)

anyio.run(main, backend_options={{"use_uvloop": True}})
"""


@pytest.fixture
async def pool() -> AsyncIterator[CalculatorPool]:
    async with CalculatorPool(2, timeout_s=20, memory_bytes=256 << 20) as opened:
        yield opened


def calculators() -> list[psutil.Process]:
    """Return the live calculators that this process started."""
    live = [child for child in psutil.Process().children() if not has_ended(child)]
    return [child for child in live if "evalhaven.graders.calculator_main" in child.cmdline()]


async def test_a_call_returns_what_the_function_returns(pool: CalculatorPool) -> None:
    assert await pool.call(add, 2, 3) == 5
    assert await pool.call(fuzzy_match, "\ud800 lone", "\ud800 lone") == 1.0
    assert await pool.call(fuzzy_match, "x" * 2_000_000, "x") < 0.01


async def test_a_calculator_is_another_process_and_is_used_again(pool: CalculatorPool) -> None:
    first, second = await pool.call(process_id), await pool.call(process_id)

    assert first == second != os.getpid()
    assert await pool.call(thread_count) == "1"


async def test_a_signal_to_all_processes_of_a_service_ends_no_call(pool: CalculatorPool, tmp_path: Path) -> None:
    began = tmp_path / "began"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pool.call, wait, 0.5, str(began))
        while not began.exists():  # noqa: ASYNC110 - another process makes it
            await anyio.sleep(0.01)
        for calculator in calculators():
            calculator.terminate()
            calculator.send_signal(signal.SIGINT)
    assert await pool.call(process_id) == int(began.read_text(encoding="utf-8"))


async def test_calls_beyond_the_number_of_calculators_wait(pool: CalculatorPool) -> None:
    used: list[int] = []

    async def call() -> None:
        used.append(await pool.call(wait, 0.05))

    async with anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(call)

    assert len(used) == 8
    assert len(set(used)) == 2


async def test_an_exception_in_a_calculator_is_reported_and_the_calculator_lives_on(pool: CalculatorPool) -> None:
    before = await pool.call(process_id)
    with pytest.raises(CalculatorError, match=r"failed with LookupError: no such thing") as failure:
        await pool.call(fail, "no such thing")

    assert (failure.value.code, failure.value.retryable) == ("grader_failed", False)
    assert await pool.call(process_id) == before


async def test_a_call_that_takes_too_long_is_ended_with_its_calculator() -> None:
    async with CalculatorPool(1, timeout_s=0.5) as pool:
        started = time.monotonic()
        with pytest.raises(CalculatorError, match=r"took longer than 0\.5 seconds") as failure:
            await pool.call(wait, 60)
        assert time.monotonic() - started < 5
        assert calculators() == []
        assert (failure.value.code, failure.value.retryable) == ("grader_timeout", False)
        assert await pool.call(add, 1, 1) == 2


async def test_waiting_for_a_free_calculator_is_no_part_of_the_limit() -> None:
    async with CalculatorPool(1, timeout_s=2) as pool, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(pool.call, wait, 1.0)


async def test_a_calculator_that_dies_is_reported_and_replaced(pool: CalculatorPool) -> None:
    with pytest.raises(CalculatorError, match="its process died") as failure:
        await pool.call(die)
    assert (failure.value.code, failure.value.retryable) == ("grader_died", True)
    idle = await pool.call(process_id)
    os.kill(idle, signal.SIGKILL)
    while psutil.pid_exists(idle):  # noqa: ASYNC110 - the event loop reaps it
        await anyio.sleep(0.01)
    await anyio.sleep(0.05)

    assert await pool.call(add, 1, 1) == 2


async def test_memory_is_limited(pool: CalculatorPool) -> None:
    with pytest.raises(CalculatorError, match="needed more than 256 MB of memory") as failure:
        await pool.call(fill_memory, 512 << 20)

    assert failure.value.code == "grader_out_of_memory"
    assert await pool.call(fill_memory, 1 << 20) == 1 << 20


async def test_a_canceled_call_ends_its_calculator(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    async with CalculatorPool(1) as pool:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pool.call, wait, 60, str(told))
            while not (told.exists() and told.read_text()):  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

        assert calculators() == []


async def test_nothing_is_left_when_the_pool_is_closed() -> None:
    async with CalculatorPool(2) as pool:
        await pool.call(add, 1, 1)
        assert len(calculators()) == 1

    assert calculators() == []


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal is Linux's")
@pytest.mark.parametrize("seconds", [0, 60], ids=["idle", "busy"])
def test_no_calculator_outlives_a_parent_that_was_killed(tmp_path: Path, repository: Path, seconds: int) -> None:
    told = tmp_path / "pid"
    code = PARENT.format(seconds=seconds, told=str(told))
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=repository)
    try:
        deadline = time.monotonic() + 30
        while not (told.exists() and told.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        calculator = psutil.Process(int(told.read_text()))
        assert calculator.ppid() == parent.pid
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + GONE_WITHIN_S
        while not has_ended(calculator) and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        parent.kill()
        parent.wait()

    assert has_ended(calculator)
