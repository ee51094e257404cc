"""Bodies of one JSON text a line, read as they arrive."""

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass

_LINE_BYTES = 32 * 1024 * 1024
_BATCH_LINES = 1_000
_BATCH_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """A line with its number, from 1 on; its text is None if it is too long to be read."""

    number: int
    text: bytes | None


async def batches_of_lines(blocks: AsyncIterable[bytes]) -> AsyncGenerator[list[Line]]:
    """Yield the lines of a body, about a thousand at a time; those without a text are left out but counted."""
    batch: list[Line] = []
    size = 0
    async for line in _lines(blocks):
        if line.text is not None and not line.text.strip():
            continue
        batch.append(line)
        size += len(line.text or b"")
        if len(batch) == _BATCH_LINES or size > _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _lines(blocks: AsyncIterable[bytes]) -> AsyncGenerator[Line]:
    number, rest, is_too_long = 1, bytearray(), False
    async for block in blocks:
        first, *others = block.split(b"\n")
        for piece in [first, *others][: len(others)]:
            rest += piece
            is_too_long = is_too_long or len(rest) > _LINE_BYTES
            yield Line(number, None if is_too_long else bytes(rest))
            number, is_too_long = number + 1, False
            rest.clear()
        rest += others[-1] if others else first
        if len(rest) > _LINE_BYTES:
            is_too_long = True
            rest.clear()
    if rest or is_too_long:
        yield Line(number, None if is_too_long else bytes(rest))
