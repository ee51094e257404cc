"""The plan of a run that grades the output items of another one: those cut into chunks."""

from collections.abc import Callable
from dataclasses import replace

import anyio.lowlevel

from evalhaven.domain.errors import InvalidRowsError
from evalhaven.domain.runs import Chunk, Regrading, Run
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.storage.regrading import list_position_sizes

_POSITIONS_AT_ONCE = 5_000


async def cut_output_items(
    engine: Engine, run: Run, regrading: Regrading, is_stopped: Callable[[], bool], chunk_rows: int, chunk_chars: int
) -> list[Chunk]:
    """Return the chunks of a run that grades the output items of another one, in the order of their positions.

    Args:
        engine: What runs are executed with.
        run: The run.
        regrading: Whose output items.
        is_stopped: Tells whether the run was canceled or deleted.
        chunk_rows: Items of a chunk.
        chunk_chars: Length of a chunk's texts.

    Raises:
        InvalidRowsError: There are none.
        RunStoppedError: The run was canceled or deleted meanwhile.
    """
    chunks: list[Chunk] = []
    above = -1
    while True:
        async with engine.database.read() as tx:
            page = await list_position_sizes(tx, run.scope, regrading.source_key, above, _POSITIONS_AT_ONCE)
        if not page:
            break
        for position, count, size in page:
            last = chunks[-1] if chunks else None
            if last is None or last.row_count + count > chunk_rows or last.size_bytes + size > chunk_chars:
                chunks.append(Chunk(len(chunks), position, count, 0, size, position))
            else:
                longer = {"row_count": last.row_count + count, "byte_end": last.byte_end + size}
                chunks[-1] = replace(last, **longer, last_position=position)
        above = page[-1][0]
        await anyio.lowlevel.checkpoint()
        if is_stopped():
            raise RunStoppedError
    if not chunks:
        raise InvalidRowsError(f"Run {regrading.run_id!r}, whose samples are to be graded, has no output items.")
    return chunks
