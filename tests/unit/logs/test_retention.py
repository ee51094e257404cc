"""Facts about days that are dropped, and about how much is stored, on both stores."""

import asyncio
import base64
from pathlib import Path

import pytest
from sqlalchemy import URL

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.logged_calls import CallFilter
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs.store import LogStore, LogVolume
from tests.unit.logs.logged import (
    CHAT,
    DAY_S,
    NOON,
    OTHER_PROJECT,
    chat,
    ids,
    opened_store,
    pinned,
    response,
)

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


IMAGE = f"data:image/png;base64,{base64.b64encode(bytes(range(256)) * 40).decode()}"


async def fill_for_two(store: LogStore) -> None:
    """Store calls of two projects on each of three days, all with one image, and others of one project before."""
    for scope in (DEFAULT_PROJECT, OTHER_PROJECT):
        more = {"scope": scope, "metadata": {"a": "b"}}
        await store.add([chat(number, NOON - number * DAY_S, answer=IMAGE, **more) for number in range(3)])
        await store.add([response(number, NOON - number * DAY_S, **more) for number in range(3)])
    await store.add([chat(3, NOON - 3 * DAY_S), chat(4, NOON - 3 * DAY_S)])


async def dropped(store: LogStore, before_day: str) -> list[int]:
    """Drop calls of the first project and return how many each batch had."""
    return [calls async for calls in store.drop_calls(DEFAULT_PROJECT, before_day=before_day)]


async def test_old_calls_of_a_project_are_dropped_and_nothing_else(store: LogStore, other_store: LogStore) -> None:
    await fill_for_two(store)
    keys = await pinned(other_store)
    assert await store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-1")

    assert await dropped(store, "2025-11-26") == [2, 2, 1]
    assert await dropped(store, "2025-11-26") == []

    remaining = ["resp_0", "chatcmpl-0"]
    theirs = [f"{kind}{number}" for number in range(3) for kind in ("resp_", "chatcmpl-")]
    for each in (store, other_store):
        for wanted in (CallFilter(), CallFilter(metadata={"a": "b"}), CallFilter(text="question")):
            assert await ids(each, wanted) == remaining
            assert await ids(each, wanted, scope=OTHER_PROJECT) == theirs
        assert [call and call.id for call in await each.read(DEFAULT_PROJECT, keys)] == [*remaining, *[None] * 6]
        assert await each.find(DEFAULT_PROJECT, CHAT, "chatcmpl-2") is None
        found = await each.find(OTHER_PROJECT, CHAT, "chatcmpl-2")
        assert found is not None
        assert IMAGE in found.reply
        volume = await each.measure()
        assert [(day.day, day.calls) for day in volume.days] == [(DAYS[4], 4), (DAYS[3], 2), (DAYS[2], 2)]
        assert await each.count_by_day(DEFAULT_PROJECT) == {DAYS[4]: 2}
        assert await each.count_by_day(OTHER_PROJECT) == dict.fromkeys(reversed(DAYS[2:]), 2)
        with pytest.raises(InvalidRequestError, match="no stored call has the id 'chatcmpl-2'"):
            await ids(each, after="chatcmpl-2")
    # What was dropped is not known any more, also what had been deleted before; what others have is.
    again = [chat(number, NOON - number * DAY_S) for number in (1, 2, 3)]
    assert await other_store.count_stored(DEFAULT_PROJECT, [(call.created_at, call.origin) for call in again]) == 0
    assert await other_store.add(again) == 3
    assert await ids(store) == [*remaining, "chatcmpl-1", "chatcmpl-2", "chatcmpl-3"]
    assert await store.add([chat(1, NOON - DAY_S, scope=OTHER_PROJECT)]) == 0
    # A key is given once as long as its day is there, so what a run has pinned is no other call now.
    assert [call and call.id for call in await store.read(DEFAULT_PROJECT, keys[:6])] == [*remaining, *[None] * 4]


async def test_today_s_calls_of_a_project_are_never_dropped(store: LogStore) -> None:
    await fill_for_two(store)
    assert await dropped(store, "2030-01-01") == [2, 2, 2]
    assert await ids(store) == ["resp_0", "chatcmpl-0"]


async def test_what_is_left_after_an_interruption_is_dropped_the_next_time(
    store: LogStore, database_url: URL, logs_directory: Path
) -> None:
    day = NOON - DAY_S
    await store.add([chat(number, day + number, answer=IMAGE) for number in range(10)])
    await store.add([chat(99, day, scope=OTHER_PROJECT, answer=IMAGE)])
    assert await store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-9")
    async with opened_store(database_url, logs_directory, dropped_at_once=3) as killed:
        batches = killed.drop_calls(DEFAULT_PROJECT, before_day="2025-11-26")
        assert await anext(batches) == 3
        assert len(await ids(store)) == 6
        assert await store.count_by_day(DEFAULT_PROJECT) == {DAYS[3]: 6}
        await batches.aclose()
    async with opened_store(database_url, logs_directory, dropped_at_once=3) as later:
        # The last batch takes what is left, and with it what is known of deleted calls.
        assert await dropped(later, "2025-11-26") == [3, 3]
    assert await store.count_by_day(OTHER_PROJECT) == {DAYS[3]: 1}
    assert await store.add([chat(number, day + number) for number in range(10)]) == 10
    # The image stays until its last user goes.
    found = await store.find(OTHER_PROJECT, CHAT, "chatcmpl-99")
    assert found is not None
    assert IMAGE in found.reply


async def test_two_servers_drop_calls_of_a_project_while_others_add_and_read(
    store: LogStore, other_store: LogStore, database_url: URL, logs_directory: Path
) -> None:
    day = NOON - DAY_S
    await store.add([chat(number, day + number) for number in range(120)])
    await store.add([chat(number, day, scope=OTHER_PROJECT) for number in range(1_000, 1_010)])

    async def add() -> None:
        for number in range(2_000, 2_020):
            assert await other_store.add([chat(number, day, scope=OTHER_PROJECT)]) == 1
            assert len(await ids(other_store, scope=OTHER_PROJECT)) == number - 1_989

    async with (
        asyncio.timeout(60),
        opened_store(database_url, logs_directory, dropped_at_once=7) as one,
        opened_store(database_url, logs_directory, dropped_at_once=7) as two,
    ):
        batches = await asyncio.gather(dropped(one, "2025-11-26"), dropped(two, "2025-11-26"), add())
    assert sum(map(sum, batches[:2])) == 120
    assert await pinned(store) == []
    assert await store.count_by_day(OTHER_PROJECT) == {DAYS[3]: 30}


@pytest.mark.parametrize("most", [1, 2])
async def test_a_day_goes_as_a_whole_with_the_last_project_that_has_calls_of_it(
    most: int, store: LogStore, database_url: URL, logs_directory: Path
) -> None:
    await store.add([chat(number, NOON - DAY_S) for number in range(2)])
    await store.add([chat(9, NOON - DAY_S, scope=OTHER_PROJECT)])
    async with opened_store(database_url, logs_directory, dropped_at_once=most) as dropping:
        assert sum(await dropped(dropping, "2025-11-26")) == 2
        assert [each.day for each in (await store.measure()).days] == [DAYS[3]]
        left = [calls async for calls in dropping.drop_calls(OTHER_PROJECT, before_day="2025-11-26")]
    assert left == [1]
    assert (await store.measure()).days == []


async def test_a_day_stays_while_another_project_has_deleted_calls_of_it(store: LogStore) -> None:
    await store.add([chat(number, NOON - DAY_S) for number in range(2)])
    theirs = chat(9, NOON - DAY_S, scope=OTHER_PROJECT)
    await store.add([theirs])
    await store.delete(OTHER_PROJECT, CHAT, "chatcmpl-9")

    assert await dropped(store, "2025-11-26") == [2]
    assert await store.add([theirs]) == 0
