"""What a judge answered: the JSON object that it was asked for, or what clearly replaces it.

An answer is read in this order, and the first reading that gives a result counts:

1. the whole answer is a JSON object whose `result` has the form;
2. the whole answer is such a result alone, or the same as text;
3. one block between fences, or one object within other words, is an answer of the first kind.

Two objects that both hold a result are no answer: which one counts would be a guess.

Strings in the JSON may hold raw line breaks and tabs: JSON forbids them, but models write them all the same.
"""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, cast

from evalhaven.domain.jsontext import InvalidJsonError, JsonValue, parse_received
from evalhaven.graders.judges.forms import Form

_MOST_CHARS = 1024 * 1024
_MOST_OBJECTS = 64
_THOUGHTS_END = "</think>"
_FENCED = re.compile(r"```[A-Za-z]*[ \t]*\r?\n(.*?)\n?[ \t]*```", re.DOTALL)
_FENCE = "```"
_DECODER = json.JSONDecoder()
_LENIENT_DECODER = json.JSONDecoder(strict=False)
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_WHITE_SPACE = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})
_OTHER_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")

ReadFrom = Literal["json", "text", "reasoning"]
"""Whether the answer was as asked for, or the result was found inside it, or in the reasoning instead."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of an answer, and how it was read.

    Attributes:
        is_unescaped: Whether strings of its JSON held raw line breaks or tabs.
    """

    result: float | str
    read_from: ReadFrom
    is_unescaped: bool = False


def read_answer(text: str, form: Form) -> Reading | None:
    """Return the result that an answer gives; None if it gives none without doubt.

    Args:
        text: The answer.
        form: The form of the result.
    """
    if len(text) > _MOST_CHARS:
        return None
    stripped = text.strip()
    found, is_unescaped = _parsed(stripped)
    if isinstance(found, dict):
        exact = form.accept(found.get("result"))
        if exact is not None:
            return Reading(exact, "json", is_unescaped)
    return _reading_in(stripped.rpartition(_THOUGHTS_END)[2].strip(), form)


def read_reasoning(text: str, form: Form) -> Reading | None:
    """Return a result that a judge gave in its reasoning; None if it may be a draft.

    The whole text, or the one block between fences in it, has to be the object that was asked for.

    Args:
        text: Its reasoning, instead of an answer.
        form: The form of the result.
    """
    if len(text) > _MOST_CHARS:
        return None
    found, is_unescaped = _parsed(text.strip())
    blocks = _FENCED.findall(text)
    if found is None and len(blocks) == 1 and text.count(_FENCE) == 2:  # noqa: PLR2004 - its beginning and its end
        found, is_unescaped = _parsed(blocks[0])
    result = form.accept(found.get("result")) if isinstance(found, dict) else None
    return None if result is None else Reading(result, "reasoning", is_unescaped)


def _reading_in(text: str, form: Form) -> Reading | None:
    value, is_unescaped = _parsed(text)
    if isinstance(value, dict):
        return _reading_of(value, form, is_unescaped=is_unescaped)
    result = form.accept_text(text)
    if result is None and value is not None:
        result = _spelled(value, form)
    if result is not None or value is not None:
        return None if result is None else Reading(result, "text", is_unescaped)
    fenced = [_parsed(block) for block in _FENCED.findall(text)]
    objects = [each for each in fenced if isinstance(each[0], dict)] or _objects_in(text)
    readings = [_reading_of(value, form, is_unescaped=is_unescaped) for value, is_unescaped in objects]
    found = [reading for reading in readings if reading is not None]
    return found[0] if len(found) == 1 else None


def _reading_of(value: JsonValue, form: Form, *, is_unescaped: bool) -> Reading | None:
    result = _spelled(value.get("result"), form) if isinstance(value, dict) else None
    return None if result is None else Reading(result, "text", is_unescaped)


def _spelled(value: JsonValue, form: Form) -> float | str | None:
    exact = form.accept(value)
    if exact is None and isinstance(value, str):
        return form.accept_text(value.strip())
    return exact


def _parsed(text: str) -> tuple[JsonValue, bool]:
    """Return the value of a JSON text, None if it is not JSON, and whether its strings had to be repaired."""
    try:
        return parse_received(text), False
    except InvalidJsonError:
        mended = _STRING.sub(lambda found: found.group().translate(_WHITE_SPACE), text)
    if mended != text:
        with suppress(InvalidJsonError):
            return parse_received(mended), True
    return None, False


def _objects_in(text: str) -> list[tuple[JsonValue, bool]]:
    """Return the JSON objects among other words, each with whether its strings had to be repaired."""
    objects: list[tuple[JsonValue, bool]] = []
    at, tries = text.find("{"), 0
    while at >= 0 and tries < _MOST_OBJECTS:
        tries += 1
        found = _object_at(text, at)
        if found is None:
            end = at + 1
        else:
            value, end, is_unescaped = found
            objects.append((value, is_unescaped))
        at = text.find("{", end)
    # With so many braces, nobody knows what the unread ones hold.
    return objects if at < 0 else []


def _object_at(text: str, at: int) -> tuple[JsonValue, int, bool] | None:
    """Return the object that begins at a brace, where it ends, and whether its strings had to be repaired."""
    for decoder in (_DECODER, _LENIENT_DECODER):
        with suppress(ValueError, RecursionError):
            value, end = cast("tuple[JsonValue, int]", decoder.raw_decode(text, at))
            is_unescaped = decoder is _LENIENT_DECODER
            if not (is_unescaped and _OTHER_CONTROLS.search(text, at, end)):
                return value, end, is_unescaped
    return None
