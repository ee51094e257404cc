"""Facts about days that are dropped, and about how much is stored, on both stores."""

import asyncio

from evalhaven.domain.logged_calls import CallFilter
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs.store import LogStore, LogVolume
from tests.unit.logs.logged import CHAT, DAY_S, NOON, chat, ids, pinned

DAYS = ["2025-11-22", "2025-11-23", "2025-11-24", "2025-11-25", "2025-11-26"]


async def fill(store: LogStore) -> None:
    """Store a call on each of five days, of which today is the last."""
    await store.add([chat(number, NOON - number * DAY_S, metadata={"a": "b"}) for number in range(5)])


async def test_days_before_a_day_are_dropped_oldest_first(store: LogStore, other_store: LogStore) -> None:
    await fill(store)
    keys = await pinned(other_store)

    assert list(await store.drop(before_day="2025-11-24", most_bytes=None)) == DAYS[:2]
    assert list(await store.drop(before_day="2025-11-24", most_bytes=None)) == []

    remaining = ["chatcmpl-0", "chatcmpl-1", "chatcmpl-2"]
    for each in (store, other_store):
        assert await ids(each) == remaining
        assert await ids(each, CallFilter(metadata={"a": "b"})) == remaining
        assert [call and call.id for call in await each.read(DEFAULT_PROJECT, keys)] == [*remaining, None, None]
        assert await each.find(DEFAULT_PROJECT, CHAT, "chatcmpl-4") is None
        volume = await each.measure()
        assert [(day.day, day.calls) for day in volume.days] == [(day, 1) for day in reversed(DAYS[2:])]
        assert volume.oldest_day == "2025-11-24"
    assert await other_store.add([chat(4, NOON - 4 * DAY_S)]) == 1
    assert await ids(store) == [*remaining, "chatcmpl-4"]


async def test_today_is_never_dropped(store: LogStore) -> None:
    await fill(store)
    await store.add([chat(9, NOON + 3 * DAY_S)])

    assert list(await store.drop(before_day="2030-01-01", most_bytes=0)) == DAYS[:-1]
    assert await ids(store) == ["chatcmpl-9", "chatcmpl-0"]


async def test_as_many_days_are_dropped_as_the_size_demands(store: LogStore) -> None:
    assert await store.measure() == LogVolume([])
    await fill(store)
    whole = (await store.measure()).size_bytes

    assert list(await store.drop(before_day=None, most_bytes=whole)) == []
    assert list(await store.drop(before_day=None, most_bytes=whole - 1)) == DAYS[:1]
    rest = (await store.measure()).size_bytes
    assert 0 < rest < whole
    assert list(await store.drop(before_day=None, most_bytes=whole // 2)) == DAYS[1:3]
    assert list(await store.drop(before_day=None, most_bytes=None)) == []


async def test_days_are_dropped_while_others_read_them(store: LogStore, other_store: LogStore) -> None:
    for day in range(12):
        await store.add([chat(day * 100 + number, NOON - day * DAY_S + number) for number in range(30)])
    keys = await pinned(store)
    seen: list[int] = []

    async def read() -> None:
        while not seen or seen[-1] > 30:
            page = await other_store.page(DEFAULT_PROJECT, CallFilter(text="question"), limit=500, order="desc")
            found = await other_store.read(DEFAULT_PROJECT, keys)
            assert len(found) == len(keys)
            seen.append(len(page.calls))

    async def drop() -> None:
        for day in range(11, 0, -1):
            before = NOON - (day - 1) * DAY_S
            assert len(await store.drop(before_day=f"2025-11-{26 - (NOON - before) // DAY_S:02}", most_bytes=None)) == 1

    async with asyncio.timeout(60):
        await asyncio.gather(read(), read(), drop())
    assert seen == sorted(seen, reverse=True) or len(seen) > 1
    assert len(await pinned(store)) == 30
