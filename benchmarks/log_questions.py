"""Questions to a store of logged calls, of the kinds that lists, searches and runs ask, and how long they take."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import quantiles

from benchmarks.logged_calls import FREQUENT_WORD, MODELS, RARE_KEYS, rare_word
from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallFilter, CallKind
from evalhaven.domain.scopes import DEFAULT_PROJECT
from evalhaven.logs.store import LogStore

_ASKED = 60  # of each kind
_CHAT = CallKind.CHAT
_PAGE, _RARE, _SEARCH = (20.0, 40.0), (50.0, 500.0), (1_000.0, 2_000.0)


@dataclass(slots=True)
class Question:
    """Questions of one kind.

    Attributes:
        bounds_ms: What 95 of 100 may take with a million calls, and with ten.
        times_ms: What each took.
        found: How many calls the answers held on average.
    """

    name: str
    bounds_ms: tuple[float, float]
    times_ms: list[float] = field(default_factory=list[float])
    found: float = 0.0

    @property
    def p95_ms(self) -> float:
        """Return what 95 of 100 took at most."""
        return quantiles(self.times_ms, n=20)[-1]


async def ask_all(store: LogStore) -> list[Question]:
    """Ask all kinds of questions one after another, each with changing values."""
    chance = random.Random(7)
    ids = await _some_ids(store)
    asked = [
        (Question(name, bounds), _page(store, wanted, limit=100 if "100" in name else 20))
        for name, bounds, wanted in _filters(chance)
    ]
    later = _page(store, lambda: CallFilter(_CHAT), limit=20, after=lambda: chance.choice(ids))
    asked += [
        (Question("20 after one of any day", _PAGE), later),
        (Question("by id", _PAGE), _find(store, chance, ids)),
    ]
    for question, ask in asked:
        await ask()  # what is asked at all is asked often
        for _ in range(_ASKED):
            started = time.perf_counter()
            question.found += await ask() / _ASKED
            question.times_ms.append(1000 * (time.perf_counter() - started))
    return [question for question, _ in asked]


def _filters(chance: random.Random) -> list[tuple[str, tuple[float, float], Callable[[], CallFilter]]]:
    def usecase() -> JsonObject:
        return {"usecase": f"usecase-{chance.randrange(20)}"}

    def version() -> JsonObject:
        return {"prompt_version": str(chance.randrange(50))}

    def customer() -> JsonObject:
        return {"customer": f"customer-{chance.randrange(RARE_KEYS)}"}

    return [
        ("newest 20", _PAGE, lambda: CallFilter(_CHAT)),
        ("newest 100", _PAGE, lambda: CallFilter(_CHAT)),
        ("a model", _PAGE, lambda: CallFilter(_CHAT, model=chance.choice(MODELS))),
        ("a metadata key", _PAGE, lambda: CallFilter(_CHAT, usecase())),
        ("two metadata keys", _PAGE, lambda: CallFilter(_CHAT, usecase() | version())),
        ("a rare key", _RARE, lambda: CallFilter(_CHAT, customer())),
        ("three keys, a rare one among them", _RARE, lambda: CallFilter(_CHAT, usecase() | version() | customer())),
        ("frequent keys that never meet", _RARE, lambda: CallFilter(_CHAT, {"half": 0, "quarter": 1} | version())),
        ("a value that nothing has", _RARE, lambda: CallFilter(_CHAT, usecase(), temperature=0.7)),
        ("a rare word", _SEARCH, lambda: CallFilter(_CHAT, text=rare_word(7 * chance.randrange(7_000)))),
        ("two frequent words", _SEARCH, lambda: CallFilter(_CHAT, text=f"{FREQUENT_WORD} w9")),
        ("words of instructions", _SEARCH, lambda: CallFilter(_CHAT, instructions_search="w1 w2")),
        ("a frequent word, a rare key", _RARE, lambda: CallFilter(_CHAT, customer(), text=FREQUENT_WORD)),
    ]


def _page(
    store: LogStore, wanted: Callable[[], CallFilter], *, limit: int, after: Callable[[], str] | None = None
) -> Callable[[], Awaitable[int]]:
    async def ask() -> int:
        following = None if after is None else after()
        return len((await store.page(DEFAULT_PROJECT, wanted(), limit=limit, order="desc", after=following)).calls)

    return ask


def _find(store: LogStore, chance: random.Random, ids: list[str]) -> Callable[[], Awaitable[int]]:
    async def ask() -> int:
        return int(await store.find(DEFAULT_PROJECT, _CHAT, chance.choice(ids)) is not None)

    return ask


async def _some_ids(store: LogStore) -> list[str]:
    """Return ids of calls of all days."""
    keys: list[int] = []
    async for part in store.pin(DEFAULT_PROJECT, CallFilter(_CHAT), limit=None):
        keys += part[:: max(1, len(part) // 4)]
    found = await store.read(DEFAULT_PROJECT, keys[:: max(1, len(keys) // 300)])
    return [call.id for call in found if call is not None]
