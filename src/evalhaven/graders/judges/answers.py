"""What a judge answered: the JSON object that it was asked for, or what stands in its place beyond doubt.

An answer is read in this order, and the first reading that gives a result holds:

1. the whole answer is a JSON object whose `result` has the form;
2. the whole answer is such a result by itself, or spelled as a text;
3. one block between fences, or one object within other words, is an answer of the first kind.

Two objects that both hold a result are no answer: which one counts would be a guess.
"""

import json
import re
from dataclasses import dataclass
from typing import Literal, cast

from evalhaven.domain.jsontext import InvalidJsonError, JsonValue, parse_received
from evalhaven.graders.judges.forms import Form

_MOST_CHARS = 1024 * 1024
_MOST_OBJECTS = 64
_THOUGHTS_END = "</think>"
_FENCED = re.compile(r"```[A-Za-z]*[ \t]*\r?\n(.*?)\n?[ \t]*```", re.DOTALL)
_DECODER = json.JSONDecoder()

ReadFrom = Literal["json", "text"]
"""Whether an answer was what was asked for, or the result was found in it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of an answer, and how it was read."""

    result: float | str
    read_from: ReadFrom


def read_answer(text: str, form: Form) -> Reading | None:
    """Return the result that an answer gives; None where it gives none beyond doubt.

    Args:
        text: The answer.
        form: Of the result.
    """
    if len(text) > _MOST_CHARS:
        return None
    stripped = text.strip()
    found = _parsed(stripped)
    if isinstance(found, dict):
        exact = form.accept(found.get("result"))
        if exact is not None:
            return Reading(exact, "json")
    result = _result_in(stripped.rpartition(_THOUGHTS_END)[2].strip(), form)
    return None if result is None else Reading(result, "text")


def _result_in(text: str, form: Form) -> float | str | None:
    value = _parsed(text)
    if isinstance(value, dict):
        return _result_of(value, form)
    spelled = form.accept_text(text)
    if spelled is not None:
        return spelled
    if value is not None:
        return _spelled(value, form)
    fenced = [_parsed(block) for block in _FENCED.findall(text)]
    objects = [value for value in fenced if isinstance(value, dict)] or _objects_in(text)
    results = [result for result in (_result_of(value, form) for value in objects) if result is not None]
    return results[0] if len(results) == 1 else None


def _result_of(value: JsonValue, form: Form) -> float | str | None:
    return _spelled(value.get("result"), form) if isinstance(value, dict) else None


def _spelled(value: JsonValue, form: Form) -> float | str | None:
    exact = form.accept(value)
    if exact is None and isinstance(value, str):
        return form.accept_text(value.strip())
    return exact


def _parsed(text: str) -> JsonValue:
    """Return a JSON text's value; None where it is none."""
    try:
        return parse_received(text)
    except InvalidJsonError:
        return None


def _objects_in(text: str) -> list[JsonValue]:
    """Return the JSON objects that stand within other words."""
    objects: list[JsonValue] = []
    at, tries = text.find("{"), 0
    while at >= 0 and tries < _MOST_OBJECTS:
        tries += 1
        try:
            value, end = cast("tuple[JsonValue, int]", _DECODER.raw_decode(text, at))
        except (ValueError, RecursionError):
            end = at + 1
        else:
            objects.append(value)
        at = text.find("{", end)
    # Of so many braces it is not known what those hold that were not looked at.
    return objects if at < 0 else []
