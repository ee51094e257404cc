"""Facts about what lists and runs select logged calls by, on both stores."""

from typing import Any

import pytest

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallFilter
from evalhaven.logs.store import LogStore
from tests.unit.logs.logged import CHAT, DAY_S, NOON, RESPONSE, chat, ids, pinned, response

FUNCTION = {"type": "function", "function": {"name": "look_up", "parameters": {}}}
FLAT_FUNCTION = {"type": "function", "name": "look_up", "parameters": {}}
SEARCH = {"type": "web_search"}


async def found_by(store: LogStore, **wanted: Any) -> list[str]:
    """Return the ids of what a filter finds, after checking that pins are the same calls."""
    listed = await ids(store, CallFilter(**wanted))
    assert len(await pinned(store, CallFilter(**wanted))) == len(listed)
    return listed


async def test_a_kind_is_an_api(store: LogStore) -> None:
    await store.add([chat(1), response(2)])

    assert await found_by(store, kind=CHAT) == ["chatcmpl-1"]
    assert await found_by(store, kind=RESPONSE) == ["resp_2"]
    assert await found_by(store) == ["resp_2", "chatcmpl-1"]


async def test_all_that_is_given_must_hold(store: LogStore) -> None:
    wanted = chat(1, metadata={"usecase": "chat", "version": "2", "more": "x"}, parameters={"temperature": 0.5})
    await store.add(
        [
            wanted,
            chat(2, metadata={"usecase": "chat", "version": "1"}, parameters={"temperature": 0.5}),
            chat(3, metadata={"usecase": "other", "version": "2"}, parameters={"temperature": 0.5}),
            chat(4, metadata={"usecase": "chat", "version": "2"}),
            chat(5, NOON - 1, metadata={"usecase": "chat", "version": "2"}, parameters={"temperature": 0.5}),
            response(6, metadata={"usecase": "chat", "version": "2"}, parameters={"temperature": 0.5}),
        ]
    )

    both = {"usecase": "chat", "version": "2"}
    assert await found_by(store, kind=CHAT, metadata=both, temperature=0.5, created_after=NOON) == [wanted.id]
    assert await found_by(store, metadata={**both, "absent": "x"}) == []
    assert await found_by(store, metadata=both, model="another") == []


@pytest.mark.parametrize(
    ("stored", "asked", "is_equal"),
    [
        ("1", "1", True),
        ("1", 1, False),
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (None, None, True),
        ("", None, False),
        ("a", "A", False),
        ({"a": 1, "b": [2.0, None]}, {"b": [2, None], "a": 1}, True),
        ([1, 2], [2, 1], False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        (10**30, 10**30, True),
        (10**30, 10**30 + 1, False),
    ],
)
async def test_values_of_metadata_are_compared_as_json(
    store: LogStore, stored: Any, asked: Any, is_equal: bool
) -> None:
    await store.add([chat(1, metadata={"key": stored}), chat(2)])

    assert await found_by(store, metadata={"key": asked}) == (["chatcmpl-1"] if is_equal else [])


async def test_a_key_and_its_value_are_not_confused_with_another_pair(store: LogStore) -> None:
    await store.add([chat(1, metadata={"a": "b", "c": "d"}), chat(2, metadata={"a\0b": "c"})])

    assert await found_by(store, metadata={"a": "d"}) == []
    assert await found_by(store, metadata={"a": 'b\0"c"'}) == []
    assert await found_by(store, metadata={"a\0b": "c"}) == ["chatcmpl-2"]


async def test_times_include_their_second(store: LogStore) -> None:
    await store.add([chat(number, NOON + number * DAY_S // 2) for number in range(-2, 3)])
    await store.add([chat(9, NOON + 1)])
    half = DAY_S // 2

    assert await found_by(store, created_after=NOON, created_before=NOON) == ["chatcmpl-0"]
    assert await found_by(store, created_after=NOON + 1) == ["chatcmpl-2", "chatcmpl-1", "chatcmpl-9"]
    assert await found_by(store, created_before=NOON - half) == ["chatcmpl--1", "chatcmpl--2"]
    assert await found_by(store, created_after=NOON - half, created_before=NOON) == ["chatcmpl-0", "chatcmpl--1"]
    assert await found_by(store, created_after=NOON + 1, created_before=NOON) == []
    assert len(await found_by(store, created_after=-5, created_before=10**12)) == 6
    assert await found_by(store, created_after=10**18) == []


async def test_a_model_is_the_one_asked_for_or_the_one_that_answered(store: LogStore) -> None:
    await store.add([chat(1), chat(2, asked_model="other", model="other-2025"), chat(3, model="gpt-4.1")])

    assert await found_by(store, model="gpt-4.1") == ["chatcmpl-3", "chatcmpl-1"]
    assert await found_by(store, model="gpt-4.1-2025-04-14") == ["chatcmpl-1"]
    assert await found_by(store, model="gpt-4") == []


async def test_parameters_are_compared_as_they_were_asked_for(store: LogStore) -> None:
    await store.add(
        [
            chat(1, parameters={"reasoning_effort": "low", "temperature": 1, "top_p": 0.9}),
            response(2, parameters={"reasoning": {"effort": "low"}, "temperature": 0, "user": "anna"}),
            chat(3, parameters={"temperature": None, "user": "ben"}),
            chat(4, parameters={"safety_identifier": "anna"}),
        ]
    )

    assert await found_by(store, reasoning_effort="low") == ["resp_2", "chatcmpl-1"]
    assert await found_by(store, temperature=1.0) == ["chatcmpl-1"]
    assert await found_by(store, temperature=0.0) == ["resp_2"]
    assert await found_by(store, top_p=0.9) == ["chatcmpl-1"]
    assert await found_by(store, users=["anna", "nobody"]) == ["chatcmpl-4", "resp_2"]
    assert await found_by(store, users=["anna", "ben"], temperature=0) == ["resp_2"]
    assert await found_by(store, users=["nobody"]) == []
    assert len(await found_by(store, users=[])) == 4


async def test_one_of_the_tools_is_enough(store: LogStore) -> None:
    await store.add(
        [
            chat(1, parameters={"tools": [FUNCTION]}),
            response(2, parameters={"tools": [SEARCH, FLAT_FUNCTION]}),
            response(3, parameters={"tools": [SEARCH]}),
            chat(4, parameters={"tools": "malformed"}),
        ]
    )

    assert await found_by(store, tools=["look_up"]) == ["resp_2", "chatcmpl-1"]
    assert await found_by(store, tools=["look_up", "web_search"]) == ["resp_3", "resp_2", "chatcmpl-1"]
    assert await found_by(store, tools=["function"]) == []
    assert await found_by(store, tools=[f"tool-{number}" for number in range(200)] + ["look_up"]) == [
        "resp_2",
        "chatcmpl-1",
    ]


async def test_words_of_instructions_are_those_of_system_and_developer_messages(store: LogStore) -> None:
    developer = [{"role": "developer", "content": [{"type": "input_text", "text": "Be a heron."}]}]
    await store.add(
        [
            chat(1, instructions="You are a friendly Heron, always."),
            response(2, instructions="Speak like a heron"),
            response(3, question=developer),
            chat(4, question="What is a heron?", instructions="You are friendly"),
        ]
    )

    assert await found_by(store, instructions_search="heron") == ["resp_3", "resp_2", "chatcmpl-1"]
    assert await found_by(store, instructions_search="FRIENDLY, heron!") == ["chatcmpl-1"]
    assert await found_by(store, instructions_search="her") == []
    assert await found_by(store, instructions_search="heron OR friendly") == []


@pytest.mark.parametrize(
    ("said", "searched", "is_found"),
    [
        ("Wie schön der Café-Besuch war", "cafe SCHON", True),
        ("Wie schön der Café-Besuch war", "besuch café", True),
        ("snake_case and kebab-case", "case snake", True),
        ("figures like 12,500.75", "12 500 75", True),
        ("figures like 12,500.75", "12500", False),
        ("これは日本語の文章です", "日本", True),
        ("这是一只鹈鹕", "鹈鹕", True),
        ("это Пеликан", "пеликан", True),
        ("हिन्दी में", "हिन्दी", True),
        ("quotes \" and ' in * (it)", '"quotes" (it) \' AND *', True),
        ("a b", "a AND c", False),
        ("\ud800 lone", "lone", True),
        ("x" * 100, "x" * 100, True),
    ],
)
async def test_all_words_must_be_there_whatever_their_form(
    store: LogStore, said: str, searched: str, is_found: bool
) -> None:
    await store.add([chat(1, question=said)])

    assert await found_by(store, text=searched) == (["chatcmpl-1"] if is_found else [])


async def test_words_may_stand_in_instructions_request_and_reply(store: LogStore) -> None:
    arguments = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": '{"bird": "osprey"}'}}]}
    await store.add(
        [
            chat(1, instructions="heron", question="stork", answer="egret", metadata={"a": "b"}),
            response(2, question=[{"role": "user", "content": "stork"}, arguments], answer="heron"),
            chat(3, question=[{"type": "image_url", "image_url": {"url": "https://heron.example/stork.png"}}]),
        ]
    )

    assert await found_by(store, text="heron stork") == ["resp_2", "chatcmpl-1"]
    assert await found_by(store, text="heron stork egret") == ["chatcmpl-1"]
    assert await found_by(store, text="osprey") == ["resp_2"]
    assert await found_by(store, text="heron", metadata={"a": "b"}) == ["chatcmpl-1"]
    assert await found_by(store, text="heron", metadata={"a": "c"}) == []
    assert await found_by(store, text="heron", instructions_search="heron") == ["chatcmpl-1"]


async def test_a_very_long_call_can_be_stored_and_found_by_its_beginning(store: LogStore) -> None:
    words = " ".join(f"wört{number:06d}" for number in range(100_000))
    await store.add([chat(1, question=words, instructions=words, answer=words)])

    assert await found_by(store, text="wort000007") == ["chatcmpl-1"]


@pytest.mark.parametrize("frequent", [20, 100_000])
async def test_rare_calls_are_found_among_frequent_ones(
    store: LogStore, frequent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rare values are looked up in another way than frequent ones."""
    monkeypatch.setattr("evalhaven.logs.day_files.queries._FREQUENT", frequent)
    calls = [
        chat(
            number,
            NOON - number // 5 % 3 * DAY_S - number,
            metadata={"third": number % 3, "seventh": number % 7, "own": number},
            question="frequent" if number % 2 else "common frequent",
        )
        for number in range(1_200)
    ]
    await store.add(calls)

    def matching(metadata: JsonObject, *, common: bool = False) -> list[str]:
        found = [
            call
            for number, call in enumerate(calls)
            if all(call.metadata[key] == value for key, value in metadata.items()) and (not common or number % 2 == 0)
        ]
        return [call.id for call in sorted(found, key=lambda call: -call.created_at)]

    combinations: list[JsonObject] = [{"third": 1, "seventh": 3}, {"third": 2}, {"third": 1, "seventh": 3, "own": 10}]
    combinations.append({"own": 9_999})
    for metadata in combinations:
        for text in (None, "frequent", "common frequent"):
            expected = matching(metadata, common=text is not None and "common" in text)
            wanted = CallFilter(metadata=metadata, text=text)
            assert await ids(store, wanted) == expected[:100]
            assert await ids(store, wanted, order="asc", limit=5) == expected[::-1][:5]
            assert len(await pinned(store, wanted)) == len(expected)
