"""Hostile values: texts, numbers, JSON of every kind and what only looks like it."""

import json
from dataclasses import dataclass
from typing import Any, cast

from hypothesis import strategies as st

DEEP = 100_000

Values = st.SearchStrategy[Any]


@dataclass(frozen=True)
class Verbatim:
    """Raw bytes in a body in the place of a JSON value."""

    text: bytes

    def __repr__(self) -> str:
        return f"Verbatim({self.text[:40]!r}, {len(self.text)} bytes)"


class Again(str):
    """A key that a dict holds beside an equal one, so that the body repeats it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def to_json(value: Any, *, ascii_only: bool = True) -> bytes:
    """Return the JSON text of a value, hostile parts as they are."""
    if isinstance(value, Verbatim):
        return value.text
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        inner = (
            to_json(str(key), ascii_only=ascii_only) + b":" + to_json(each, ascii_only=ascii_only)
            for key, each in pairs
        )
        return b"{" + b",".join(inner) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(to_json(each, ascii_only=ascii_only) for each in cast("list[Any]", value)) + b"]"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**4000:
        return b"9" * 5000
    # A lone surrogate becomes an escape, or else bytes that are not UTF-8.
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


TEXTS_AT_THE_EDGE = [
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "\u202eevil\u202c",
    "\ufeff",
    "\u2028",
    "😀" * 300,
    "x" * 513,
    "x" * 100_000,
    "../../etc/passwd",
    "a/b",
    "a\\b",
    "a\r\nx-evil: 1",
    "'; DROP TABLE evals; --",
    "%s%n%00",
    "<script>alert(1)</script>",
    "null",
    "{{ item.a }}",
    "{{ item }}",
    "{{ sample.output_text.strip() }}",
    "{{ item['a'][0][\"b\"].c }}",
    "{{ item.a[99999999999999999999] }}",
    "{{ item" + ".a" * 2000 + " }}",
    "{{" * 2000,
    "{{ item.a } }",
    "{% for x in item %}",
    "{{ item.__class__.__mro__ }}",
    "custom",
    "string_check",
    "file_content",
    "message",
]
TEXTS = st.sampled_from(TEXTS_AT_THE_EDGE) | st.text(
    st.characters() | st.sampled_from('\0\ud800\udfff{}[]"\\\n/.%'), max_size=20
)
NUMBERS = (
    st.sampled_from(
        [
            0,
            -1,
            1,
            2**31,
            -(2**31) - 1,
            2**53 + 1,
            2**63,
            -(2**63) - 1,
            2**64,
            10**25,
            10**400,
            0.1,
            -0.0,
            1e308,
            5e-324,
        ]
    )
    | st.integers()
)
NOT_JSON = [
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"-1e999",
    b"01",
    b"+1",
    b".5",
    b"0x10",
    b"9" * 5000,
    b"1" + b"0" * 400 + b".0",
    b"'x'",
    b"undefined",
    b"tru",
    b'"\\x00"',
    b'"\\ud800"',
    b'"\\u12"',
    b'"a\nb"',
    b'"\x00"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b"[1,]",
    b'{"a":1,}',
    b'{"a"}',
    b"{1:2}",
    b"[" * DEEP + b"]" * DEEP,
    b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    b"[" * DEEP,
    b"[" * 400 + b"]" * 400,
    b"{" + b",".join(b'"k%d":0' % number for number in range(10_000)) + b"}",
    b"[" + b",".join([b"{}"] * 10_000) + b"]",
    b"/* x */ 1",
    b"",
]
JSON_VALUES: Values = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
HOSTILE_VALUES: Values = JSON_VALUES | st.sampled_from([Verbatim(text) for text in NOT_JSON])
