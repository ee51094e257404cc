"""Strategies for JSON: values of every kind, texts that spell them in many ways, and texts that are almost JSON."""

import json
import math
from random import Random
from typing import Any

from hypothesis import strategies as st

from evalhaven.domain.jsontext import JsonObject, JsonValue


def join_pairs(text: str) -> str:
    """Return a text whose adjacent surrogates, high before low, are the one character that they mean."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


SURROGATES = st.integers(0xD800, 0xDFFF).map(chr)
TEXTS = st.text(st.characters() | SURROGATES | st.sampled_from('"\\{}[],:\0\n\u2028'), max_size=12).map(join_pairs)
NUMBERS = (
    st.integers()
    | st.integers(-(10**400), 10**400)
    | st.sampled_from([2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**30])
    | st.floats(allow_nan=False, allow_infinity=False)
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES: st.SearchStrategy[JsonValue] = st.recursive(
    SCALARS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4),
    max_leaves=8,
)
OBJECTS: st.SearchStrategy[JsonObject] = st.dictionaries(TEXTS, VALUES, max_size=5)
PAIRS = st.lists(st.tuples(TEXTS | st.sampled_from(["a", "b"]), VALUES), max_size=6)
RANDOMS = st.randoms(use_true_random=False)


def spelled(value: Any, random: Random) -> str:
    """Return one of the many JSON texts of a value; a list of pairs in a `Members` may repeat a key."""

    def blank() -> str:
        return "".join(random.choices(" \t\r\n", k=random.choice((0, 0, 0, 1, 3))))

    if isinstance(value, Members):
        pairs = [f"{blank()}{spelled(key, random)}{blank()}:{spelled(each, random)}" for key, each in value.pairs]
        return f"{blank()}{{{','.join(pairs) or blank()}}}{blank()}"
    if isinstance(value, dict):
        return spelled(Members(list(value.items())), random)
    if isinstance(value, list):
        return f"{blank()}[{','.join(spelled(each, random) for each in value) or blank()}]{blank()}"
    if isinstance(value, str):
        raw = json.dumps(value, ensure_ascii=random.random() < 0.5)
        return raw if is_encodable(raw) else json.dumps(value)
    return f"{blank()}{json.dumps(value)}{blank()}"


class Members:
    """The members of an object in order, repeated keys included."""

    def __init__(self, pairs: list[tuple[str, JsonValue]]) -> None:
        self.pairs = pairs


def is_encodable(text: str) -> bool:
    """Tell whether a text has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def spelled_bytes(value: Any, random: Random) -> bytes:
    """Return one of the many JSON texts of a value, in UTF-8."""
    return spelled(value, random).encode()


@st.composite
def damaged(draw: st.DrawFn, intact: st.SearchStrategy[bytes]) -> bytes:
    """Draw texts with a few bytes taken out, put in, or exchanged."""
    raw = bytearray(draw(intact))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        until = draw(st.integers(at, min(len(raw), at + 3)))
        raw[at:until] = draw(
            st.sampled_from([b"", b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\xff", b"1", b"\0"])
        )
    return bytes(raw)


def loaded(raw: bytes) -> tuple[bool, Any]:
    """Return whether a text is JSON, and its value, as the standard library sees it.

    The standard library takes NaN, infinities and numbers that become infinite; JSON does not.
    """

    def refused(_name: str) -> float:
        raise ValueError

    def finite(digits: str) -> float:
        if not math.isfinite(number := float(digits)):
            raise ValueError
        return number

    try:
        return True, json.loads(raw.decode(), parse_constant=refused, parse_float=finite)
    except (ValueError, RecursionError):
        return False, None


def same(one: object, other: object) -> bool:
    """Tell whether two values are the same to the last digit and kind of number, key order included."""
    return json.dumps(one) == json.dumps(other)
