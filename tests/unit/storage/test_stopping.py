"""Facts about connections to SQLite that are closed while they are being closed."""

import asyncio

import anyio

from evalhaven.storage.stopping import connect_sqlite


async def test_a_connection_that_is_closed_by_two_at_once_ends_for_both() -> None:
    connection = await connect_sqlite(":memory:")
    closing = asyncio.create_task(connection.close())
    await asyncio.sleep(0)
    end = connection.stop()
    closing.cancel()
    with anyio.fail_after(10):
        await asyncio.wait([closing])
    assert closing.cancelled()
    assert end is not None
    assert end.done()
