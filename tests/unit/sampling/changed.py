"""Documents with anything in any place."""

import copy
from typing import Any

from hypothesis import strategies as st

from tests.properties.json_texts import VALUES

ODD = VALUES | st.sampled_from(["", "failed", "message", [[]], [{}], {"a": "b"}, -1, 2**70, True, "{", "function_call"])
CHANGES = st.lists(st.tuples(st.integers(0, 500), ODD), max_size=3)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths to all values in a document, itself included."""
    pairs: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, inner in pairs for place in places(inner, (*at, key)))]


def changed(document: Any, changes: list[tuple[int, Any]]) -> Any:
    """Return a copy of a document with other values in some places."""
    document = copy.deepcopy(document)
    for number, value in changes:
        found = places(document)[1:]
        if found:
            place = found[number % len(found)]
            inner = document
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = copy.deepcopy(value)
    return document
