"""Facts about JSON pointers: the examples of RFC 6901, and what leads nowhere."""

from typing import Any

import pytest

from evalhaven.domain.json_pointer import value_at

OF_RFC_6901: dict[str, Any] = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", OF_RFC_6901),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_a_pointer_leads_to_its_value(pointer: str, value: Any) -> None:
    assert value_at(OF_RFC_6901, pointer) == value


@pytest.mark.parametrize("pointer", ["/none", "/foo/2", "/foo/-1", "/foo/x", "/foo/0/0", "/ /a"])
def test_a_pointer_to_nothing_gives_none(pointer: str) -> None:
    assert value_at(OF_RFC_6901, pointer) is None
