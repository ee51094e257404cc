"""Logged calls to measure with: chats of 1.5 kB with replies of 0.8 kB, in words as unequally frequent as real ones."""

import json
import random
from collections.abc import Iterator
from itertools import accumulate

from evalhaven.domain.jsontext import JsonObject
from evalhaven.domain.logged_calls import CallKind, LoggedCall
from evalhaven.domain.scopes import DEFAULT_PROJECT

DAY_S = 86_400
NEWEST = 1_764_158_400
BATCH = 1_000
MODELS = ("gpt-4.1", "gpt-4.1-mini", "gpt-5", "o4-mini", "llama-3.3-70b")
FREQUENT_WORD, RARE_EVERY, RARE_KEYS = "w0", 50_000, 10_000
_WORDS = [f"w{number}" for number in range(30_000)]
_PHRASES = 30_000  # two or three words that often stand together
_INSTRUCTIONS = 12
_PHRASES_OF_INSTRUCTIONS, _PHRASES_ASKED, _PHRASES_ANSWERED = 36, 70, 38


def made_calls(first: int, count: int, newest: int, every_s: float) -> Iterator[list[LoggedCall]]:
    """Yield batches of calls, oldest first.

    Args:
        first: Number of the first call.
        count: How many calls.
        newest: Unix second of the last one.
        every_s: Seconds between two of them.
    """
    chance = random.Random(first)
    instructions = [_text(chance, _PHRASES_OF_INSTRUCTIONS) for _ in range(_INSTRUCTIONS)]
    for start in range(0, count, BATCH):
        numbers = range(first + start, first + min(start + BATCH, count))
        times = [int(newest - (first + count - 1 - number) * every_s) for number in numbers]
        yield [_call(chance, number, at, instructions) for number, at in zip(numbers, times, strict=True)]


def rare_word(number: int) -> str:
    """Return a word that one call in 50,000 has."""
    return f"rare{number % RARE_EVERY}"


def _call(chance: random.Random, number: int, created_at: int, instructions: list[str]) -> LoggedCall:
    model = chance.choice(MODELS)
    metadata: JsonObject = {
        "half": number % 2,
        "quarter": number % 4,
        "usecase": f"usecase-{chance.randrange(20)}",
        "prompt_version": str(chance.randrange(50)),
        "customer": f"customer-{chance.randrange(RARE_KEYS)}",
    }
    question = f"{_text(chance, _PHRASES_ASKED)} {rare_word(number) if number % 7 == 0 else ''}"
    request = {
        "model": model,
        "messages": [
            {"role": "system", "content": chance.choice(instructions)},
            {"role": "user", "content": question},
        ],
        "temperature": 0.2,
        "metadata": metadata,
        "store": True,
    }
    call_id = f"chatcmpl-{chance.getrandbits(128):032x}"
    message: JsonObject = {
        "role": "assistant",
        "content": _text(chance, _PHRASES_ANSWERED),
        "refusal": None,
        "annotations": [],
    }
    reply: JsonObject = {
        "id": call_id,
        "object": "chat.completion",
        "created": created_at,
        "model": f"{model}-2025-04-14",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 300 + number % 97, "completion_tokens": 150 + number % 89, "total_tokens": 450},
        "service_tier": "default",
        "system_fingerprint": f"fp_{chance.getrandbits(32):08x}",
    }
    return LoggedCall(
        scope=DEFAULT_PROJECT,
        id=call_id,
        kind=CallKind.CHAT,
        created_at=created_at,
        asked_model=model,
        model=f"{model}-2025-04-14",
        request=json.dumps(request, separators=(",", ":")),
        reply=json.dumps(reply, separators=(",", ":")),
        metadata={**metadata},
        origin=f"benchmark-{number}",
        first_byte_ms=chance.randrange(2_000),
        latency_ms=chance.randrange(9_000),
    )


def _falling(count: int) -> list[float]:
    """Return cumulated weights like those of words in a language: the n-th is n times as rare as the first."""
    return list(accumulate(1 / (rank + 3) for rank in range(count)))


def _made_phrases() -> list[str]:
    chance, weights = random.Random(1), _falling(len(_WORDS))
    return [" ".join(chance.choices(_WORDS, cum_weights=weights, k=chance.choice((2, 3)))) for _ in range(_PHRASES)]


_POOL, _WEIGHTS = _made_phrases(), _falling(_PHRASES)


def _text(chance: random.Random, phrases: int) -> str:
    return " ".join(chance.choices(_POOL, cum_weights=_WEIGHTS, k=phrases))
