"""Facts about how much of a run is under way at once."""

from dataclasses import replace

import anyio
import pytest

from evalhaven.domain.runs import Chunk
from evalhaven.runs.executing.window import ChunkWindow

pytestmark = pytest.mark.anyio


def chunk(number: int, rows: int = 500, size_bytes: int = 1000) -> Chunk:
    return Chunk(number, 0, rows, 0, size_bytes)


@pytest.mark.parametrize(
    ("window", "each", "most"),
    [
        (ChunkWindow(2, 10_000, 10**9), chunk(0), 2),
        (ChunkWindow(16, 1500, 10**9), chunk(0), 3),
        (ChunkWindow(16, 10_000, 4_000_000), chunk(0, rows=8, size_bytes=2_000_000), 2),
        (ChunkWindow(16, 100, 100), chunk(0, rows=1000, size_bytes=1000), 1),
    ],
)
async def test_no_further_chunk_begins_while_too_much_is_under_way(window: ChunkWindow, each: Chunk, most: int) -> None:
    begun: list[Chunk] = []

    async def begin_all() -> None:
        for number in range(most + 2):
            begun.append(replace(each, number=number))
            await window.enter(begun[-1])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(begin_all)
        await anyio.wait_all_tasks_blocked()
        assert len(begun) == most + 1, "the last one waits"
        window.leave(begun[0])
        await anyio.wait_all_tasks_blocked()
        assert len(begun) == most + 2
        window.leave(begun[1])


async def test_what_is_finished_of_a_chunk_makes_room_for_the_next() -> None:
    window = ChunkWindow(16, 700, 10**9)
    first, second, third = chunk(0), chunk(1), chunk(2)
    await window.enter(first)
    await window.enter(second)

    with anyio.move_on_after(0.01) as waited:
        await window.enter(third)
    assert waited.cancelled_caught

    for _ in range(301):
        window.finish(first)
    with anyio.fail_after(1):
        await window.enter(third)
