"""Facts about both stores of logged calls: what is stored, how it is listed, changed and removed."""

import asyncio
from dataclasses import replace

import pytest

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.logged_calls import CallFilter
from evalhaven.domain.scopes import DEFAULT_PROJECT, ProjectScope
from evalhaven.logs.partitions import days as partition_days
from evalhaven.logs.store import LogStore
from tests.unit.logs.logged import CHAT, DAY_S, NOON, OTHER_PROJECT, RESPONSE, TODAY, chat, ids, pinned, response

AWKWARD = 'a "quoted" \\u0000 \ud83d\ude00 line\n end'


async def test_what_is_stored_comes_back_as_it_was(store: LogStore) -> None:
    plain = chat(1, metadata={"a": "b", "n": [1, {"x": None}]}, first_byte_ms=3, latency_ms=9)
    odd = response(2, question=AWKWARD, id="an id / with ü", origin="o\0p", asked_model="", model="mödel")
    surrogate = chat(3, request='{"model": "m", "messages": [{"role": "user", "content": "\\ud800 lone"}]}')
    assert await store.add([plain, odd, surrogate]) == 3

    assert await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-1") == plain
    assert await store.find(DEFAULT_PROJECT, RESPONSE, "an id / with ü") == odd
    assert await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-3") == surrogate


async def test_an_empty_store_has_nothing(store: LogStore) -> None:
    assert await store.add([]) == 0
    assert await ids(store) == []
    assert await pinned(store) == []
    assert await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-1") is None
    assert await store.set_metadata(DEFAULT_PROJECT, CHAT, "chatcmpl-1", {}) is None
    assert not await store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-1")
    assert list(await store.read(DEFAULT_PROJECT, [1, 2 << 41])) == [None, None]
    assert (await store.measure()).calls == 0


async def test_a_call_is_stored_once_however_often_it_is_sent(store: LogStore, other_store: LogStore) -> None:
    assert await store.add([chat(1), chat(1), chat(2)]) == 2
    assert await other_store.add([chat(2), chat(3), chat(1, NOON, answer="another")]) == 1
    assert await store.add([chat(3), chat(3)]) == 0

    assert await ids(store) == ["chatcmpl-3", "chatcmpl-2", "chatcmpl-1"]


async def test_few_calls_are_counted_exactly_however_new_they_are(store: LogStore) -> None:
    await store.add([chat(number) for number in range(30)])
    await store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-3")

    assert (await store.measure()).calls == 29


async def test_the_calls_of_a_project_are_counted_by_day_without_those_of_others(
    store: LogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    yesterday = "2025-11-25"
    await store.add([chat(number) for number in range(30)])
    await store.add([chat(1, NOON - DAY_S), response(2, NOON - DAY_S)])
    await store.add([chat(number, scope=OTHER_PROJECT) for number in range(3)])
    await store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-3")
    await store.delete(OTHER_PROJECT, CHAT, "chatcmpl-0")

    assert await store.count_by_day(OTHER_PROJECT) == {TODAY: 2}
    assert list((await store.count_by_day(DEFAULT_PROJECT)).items()) == [(TODAY, 29), (yesterday, 2)]
    assert await store.count_by_day(ProjectScope(7)) == {}
    # As if these were too many calls to be counted: what the planner knows is taken instead, and others are looked for.
    monkeypatch.setattr(partition_days, "_COUNTED_BYTES", 0)
    assert await store.count_by_day(OTHER_PROJECT) == {TODAY: 2}
    counts = await store.count_by_day(DEFAULT_PROJECT)
    assert (counts[yesterday], counts[TODAY] in (29, 30)) == (2, True)
    assert await store.count_by_day(ProjectScope(7)) == {}


async def test_the_same_origin_in_another_project_is_another_call(store: LogStore) -> None:
    assert await store.add([chat(1), chat(1, scope=OTHER_PROJECT)]) == 2

    assert await store.count_stored(None, [(NOON, "test-chatcmpl-1")]) == 1
    assert await store.count_stored(OTHER_PROJECT, [(NOON, "test-chatcmpl-1")]) == 1


async def test_calls_are_listed_by_time_then_arrival_and_the_order_is_that_of_pins(store: LogStore) -> None:
    await store.add([chat(3, NOON + 1), chat(1), chat(0, NOON - DAY_S), chat(2)])
    await store.add([chat(4, NOON + 1), chat(5, NOON - 2 * DAY_S)])
    newest_first = [f"chatcmpl-{number}" for number in (4, 3, 2, 1, 0, 5)]

    assert await ids(store) == newest_first
    assert await ids(store, order="asc") == newest_first[::-1]
    keys = await pinned(store)
    assert keys == sorted(keys, reverse=True)
    assert all(0 < key < 1 << 63 for key in keys)
    assert [call and call.id for call in await store.read(DEFAULT_PROJECT, keys)] == newest_first
    assert await pinned(store) == keys
    assert await pinned(store, limit=4) == keys[:4]
    assert await pinned(store, limit=0) == []


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("wanted", [CallFilter(), CallFilter(metadata={"half": "even"}), CallFilter(text="even")])
async def test_pages_follow_each_other_across_days(store: LogStore, order: str, wanted: CallFilter) -> None:
    times = [NOON - day * DAY_S + second for day in range(3) for second in (0, 0, 0, 1, 5)]
    halves = ["even" if number % 2 == 0 else "odd" for number in range(len(times))]
    calls = [
        chat(number, created_at, metadata={"half": half}, question=half)
        for number, (created_at, half) in enumerate(zip(times, halves, strict=True))
    ]
    await store.add(calls)
    whole = await ids(store, wanted, order=order)
    assert len(whole) == (15 if wanted == CallFilter() else 8)

    for limit in (1, 2, 4):
        walked: list[str] = []
        more = True
        while more:
            after = walked[-1] if walked else None
            page = await store.page(DEFAULT_PROJECT, wanted, limit=limit, order=order, after=after)  # type: ignore[arg-type]
            assert len(page.calls) <= limit
            walked += [call.id for call in page.calls]
            more = page.has_more
        assert walked == whole


async def test_a_page_after_an_unknown_call_is_refused(store: LogStore) -> None:
    await store.add([chat(1), response(2)])

    for after in ("chatcmpl-9", "", "\0"):
        with pytest.raises(InvalidRequestError, match="after"):
            await ids(store, after=after)
    with pytest.raises(InvalidRequestError):
        await ids(store, CallFilter(kind=CHAT), after="resp_2")
    with pytest.raises(InvalidRequestError):
        await ids(store, scope=OTHER_PROJECT, after="chatcmpl-1")


async def test_a_page_ends_before_it_fills_the_memory(store: LogStore) -> None:
    large = "x" * 6_000_000
    await store.add([chat(number, question=large) for number in range(5)])

    page = await store.page(DEFAULT_PROJECT, CallFilter(), limit=5, order="desc")

    assert [call.id for call in page.calls] == ["chatcmpl-4", "chatcmpl-3", "chatcmpl-2"]
    assert page.has_more
    assert await ids(store, after="chatcmpl-2") == ["chatcmpl-1", "chatcmpl-0"]


async def test_metadata_is_replaced_and_found_by_what_it_is_now(store: LogStore, other_store: LogStore) -> None:
    before = chat(1, metadata={"stage": "old", "kept": "yes"}, question="pelican")
    await store.add([before, chat(2, metadata={"stage": "old"})])

    changed = await other_store.set_metadata(DEFAULT_PROJECT, CHAT, "chatcmpl-1", {"stage": "new", "kept": "yes"})

    assert changed == replace(before, metadata={"stage": "new", "kept": "yes"})
    assert await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-1") == changed
    assert await ids(store, CallFilter(metadata={"stage": "old"})) == ["chatcmpl-2"]
    assert await ids(store, CallFilter(metadata={"stage": "new", "kept": "yes"})) == ["chatcmpl-1"]
    assert await ids(store, CallFilter(metadata={"stage": "new"}, text="pelican")) == ["chatcmpl-1"]
    assert await ids(store, CallFilter(metadata={"stage": "old"}, text="pelican")) == []
    assert await store.set_metadata(DEFAULT_PROJECT, RESPONSE, "chatcmpl-1", {}) is None
    assert await store.set_metadata(OTHER_PROJECT, CHAT, "chatcmpl-1", {}) is None


async def test_calls_whose_words_repeat_are_found_changed_and_deleted_like_others(store: LogStore) -> None:
    words = "again and AGAIN, " * 40
    await store.add([chat(number, question=words, answer=words, instructions=words) for number in range(3)])

    for left in (["chatcmpl-2", "chatcmpl-1", "chatcmpl-0"], ["chatcmpl-1", "chatcmpl-0"], ["chatcmpl-0"], []):
        assert await ids(store, CallFilter(text="again")) == left
        assert await ids(store, CallFilter(instructions_search="and")) == left
        for call_id in left[:1]:
            assert await store.set_metadata(DEFAULT_PROJECT, CHAT, call_id, {"k": "v"}) is not None
            assert await ids(store, CallFilter(metadata={"k": "v"}, text="again")) == [call_id]
            assert await store.delete(DEFAULT_PROJECT, CHAT, call_id)


async def test_a_deleted_call_is_never_returned_and_never_stored_again(store: LogStore, other_store: LogStore) -> None:
    gone = chat(2, metadata={"a": "b"}, question="pelican", instructions="heron")
    await store.add([chat(1), gone, chat(3)])
    keys = await pinned(store)

    assert await other_store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-2")
    assert not await store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-2")
    assert not await store.delete(DEFAULT_PROJECT, RESPONSE, "chatcmpl-1")
    assert not await store.delete(OTHER_PROJECT, CHAT, "chatcmpl-1")

    assert await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-2") is None
    assert await ids(store) == ["chatcmpl-3", "chatcmpl-1"]
    for wanted in (
        CallFilter(metadata={"a": "b"}),
        CallFilter(text="pelican"),
        CallFilter(instructions_search="heron"),
    ):
        assert await ids(store, wanted) == []
        assert await pinned(store, wanted) == []
    assert [call and call.id for call in await store.read(DEFAULT_PROJECT, keys)] == ["chatcmpl-3", None, "chatcmpl-1"]
    assert await store.add([gone]) == 0
    assert await store.count_stored(DEFAULT_PROJECT, [(NOON, gone.origin), (NOON, "never")]) == 1
    # Its id remains a place in the list.
    assert await ids(store, after="chatcmpl-2") == ["chatcmpl-1"]
    assert await ids(store, order="asc", after="chatcmpl-2") == ["chatcmpl-3"]
    # Its key is not given to another call.
    await store.add([chat(4)])
    assert not set(keys) & set((await pinned(store))[:1])


async def test_the_newest_call_answers_to_an_id_that_was_given_twice(store: LogStore) -> None:
    twice = [chat(number, NOON + number * DAY_S // 2, id="chatcmpl-x") for number in (3, 1, 2)]
    await store.add(twice)

    found = await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-x")

    assert found == twice[0]
    assert await ids(store) == ["chatcmpl-x"] * 3
    assert await ids(store, limit=1, after="chatcmpl-x", order="asc") == []
    assert await store.delete(DEFAULT_PROJECT, CHAT, "chatcmpl-x")
    assert await store.find(DEFAULT_PROJECT, CHAT, "chatcmpl-x") == twice[2]


async def test_a_project_sees_its_own_calls_only(store: LogStore) -> None:
    await store.add([chat(1), chat(2, scope=OTHER_PROJECT, metadata={"a": "b"})])
    keys = await pinned(store)

    assert await ids(store) == ["chatcmpl-1"]
    assert await ids(store, CallFilter(metadata={"a": "b"})) == []
    assert await ids(store, scope=OTHER_PROJECT) == ["chatcmpl-2"]
    assert list(await store.read(OTHER_PROJECT, keys)) == [None]
    assert await store.find(OTHER_PROJECT, CHAT, "chatcmpl-1") is None


async def test_keys_are_read_in_the_order_they_are_given(store: LogStore) -> None:
    await store.add([chat(number, NOON - number * DAY_S) for number in range(3)])
    first, second, third = await pinned(store)

    found = await store.read(DEFAULT_PROJECT, [third, first, first, third + 7, second])

    assert [call and call.id for call in found] == ["chatcmpl-2", "chatcmpl-0", "chatcmpl-0", None, "chatcmpl-1"]
    assert list(await store.read(DEFAULT_PROJECT, [])) == []


async def test_writers_that_meet_in_other_orders_store_everything_once(store: LogStore, other_store: LogStore) -> None:
    calls = [chat(number, NOON - number % 2 * DAY_S, question="pelican") for number in range(60)]

    added = await asyncio.gather(
        *(each.add(part) for each in (store, other_store) for part in (calls, calls[::-1], calls[20:40])),
        *(store.set_metadata(DEFAULT_PROJECT, CHAT, f"chatcmpl-{number}", {"a": "b"}) for number in range(5)),
    )

    assert sum(each for each in added if isinstance(each, int)) == 60
    assert len(await pinned(store)) == len(await pinned(store, CallFilter(text="pelican"))) == 60
