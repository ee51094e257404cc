"""Bodies that were valid once: documents with parts replaced, removed or repeated, and bytes that were spoiled."""

import copy
import gzip
import json
from collections.abc import Iterator
from typing import Any, cast

from hypothesis import strategies as st

from tests.hostile.values import HOSTILE_VALUES, JSON_VALUES, TEXTS, Again, Verbatim, to_json

Place = tuple[dict[Any, Any] | list[Any], Any]
_KINDS = ("replace", "replace", "delete", "repeat", "insert", "copy", "wrap", "spell", "empty")


@st.composite
def mutated(draw: st.DrawFn, documents: list[dict[str, Any]]) -> bytes:
    """Draw the text of one of these documents after one to three changes at any depth."""
    held = {"body": copy.deepcopy(documents[draw(st.integers(0, len(documents) - 1))])}
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, held)
    body = held.get("body", Verbatim(b""))
    return to_json(body, ascii_only=draw(st.booleans()))


@st.composite
def spoiled(draw: st.DrawFn, documents: list[dict[str, Any]]) -> bytes:
    """Draw the text of one of these documents with its bytes changed: cut, doubled, encoded otherwise, or not JSON."""
    text = to_json(documents[draw(st.integers(0, len(documents) - 1))])
    at = draw(st.integers(0, len(text)))
    junk = draw(
        st.binary(min_size=1, max_size=8) | st.sampled_from([b"\0", b"\xff", b"\xed\xa0\x80", b",", b"}", b'"'])
    )
    return draw(
        st.sampled_from(
            [
                text[:at],
                text[at:],
                text[:at] + junk + text[at:],
                text[:at] + junk + text[at + len(junk) :],
                text + junk,
                text * 2,
                b"\xef\xbb\xbf" + text,
                b" \r\n\t" + text + b"\n\n",
                text.decode().encode("utf-16"),
                text.decode().encode("utf-32-le"),
                text.decode().encode("utf-7"),
                gzip.compress(text, mtime=0),
                b"data=" + text,
                b"[" + text + b"]",
                json.dumps(text.decode()).encode(),
                junk,
                b"",
            ]
        )
    )


def any_json() -> st.SearchStrategy[bytes]:
    """Return texts of JSON that has nothing to do with the operation."""
    return st.builds(to_json, JSON_VALUES, ascii_only=st.booleans())


def _change(draw: st.DrawFn, held: dict[str, Any]) -> None:
    places = list(_places(held))
    if not places:
        return
    holder, key = places[draw(st.integers(0, len(places) - 1))]
    value = holder[key]
    kind = draw(st.sampled_from(_KINDS))
    if kind == "replace":
        holder[key] = draw(HOSTILE_VALUES)
    elif kind == "delete":
        del holder[key]
    elif kind == "copy":
        source, other = places[draw(st.integers(0, len(places) - 1))]
        holder[key] = copy.deepcopy(source[other])
    elif kind == "wrap":
        holder[key] = draw(st.sampled_from([[value], {"x": value}, [value, value], {key: value}]))
    elif kind == "spell":
        # What a form or a careless client makes of a value.
        holder[key] = to_json(value).decode("utf-8", "replace")
    elif kind == "empty":
        holder[key] = type(value)() if isinstance(value, dict | list | str | int) else None
    elif isinstance(holder, list):
        holder.insert(draw(st.integers(0, len(holder))), draw(HOSTILE_VALUES))
    elif kind == "repeat":
        holder[Again(key)] = draw(HOSTILE_VALUES)
    elif holder is not held:
        holder[draw(TEXTS)] = draw(HOSTILE_VALUES)


def _places(value: Any) -> Iterator[Place]:
    """Yield every place of a document that holds a value: the container and the key or index in it."""
    if isinstance(value, dict):
        entries: list[tuple[Any, Any]] = list(cast("dict[Any, Any]", value).items())
    elif isinstance(value, list):
        entries = list(enumerate(cast("list[Any]", value)))
    else:
        return
    for key, each in entries:
        yield value, key
        yield from _places(each)
