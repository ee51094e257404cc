"""Facts about the lines of a body: they are the same however it arrives."""

from collections.abc import AsyncGenerator, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from evalhaven.api.lines import batches_of_lines

LIMIT = 32 * 1024 * 1024
PIECES = st.sampled_from([b"\n", b"\r\n", b"a", b"{}", b" ", b""])


async def blocks_of(blocks: Sequence[bytes]) -> AsyncGenerator[bytes]:
    """Yield blocks as a request does."""
    for block in blocks:
        yield block


async def lines_of(blocks: Sequence[bytes]) -> list[tuple[int, bytes | None]]:
    """Return number and text of each line."""
    return [(line.number, line.text) async for batch in batches_of_lines(blocks_of(blocks)) for line in batch]


@settings(max_examples=200, derandomize=True, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=6).map(b"".join), max_size=8))
async def test_lines_do_not_depend_on_where_blocks_end(blocks: list[bytes]) -> None:
    whole = b"".join(blocks).split(b"\n")
    expected = [(number, text) for number, text in enumerate(whole, 1) if text.strip()]

    assert await lines_of(blocks) == expected


async def test_batches_are_bounded_by_lines_and_bytes() -> None:
    by_lines = [len(batch) async for batch in batches_of_lines(blocks_of([b"x\n" * 2_200]))]
    by_bytes = [len(batch) async for batch in batches_of_lines(blocks_of([b"x" * (3 << 20), b"\n"] * 5))]

    assert by_lines == [1_000, 1_000, 200]
    assert by_bytes == [3, 2]


async def test_a_line_over_the_limit_has_no_text_and_the_next_one_does() -> None:
    block = b"x" * (1 << 20)
    for ending in (b"", b"\n", b"\nnext"):
        found = await lines_of([b"first\n", *[block] * 33, ending])
        assert found[:2] == [(1, b"first"), (2, None)]
        assert found[2:] == ([(3, b"next")] if ending == b"\nnext" else [])
    assert await lines_of([*[block] * 32]) == [(1, block * 32)]
    assert len(block) * 32 == LIMIT
