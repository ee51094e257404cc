"""Output items as rows of a table: previews of what was asked, answered and expected, and what each criterion said."""

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from evalhaven.domain import jsontext
from evalhaven.domain.criteria import Criteria
from evalhaven.domain.jsontext import InvalidJsonError, JsonObject, JsonValue
from evalhaven.domain.sample_forms import text_of
from evalhaven.domain.samples import NO_SAMPLE, Sample
from evalhaven.storage.item_previews import ItemPreview
from evalhaven.storage.samples import LONGEST_MESSAGE, stored_sample

_FIELD = re.compile(r"\s*\{\{\s*item\.([^\s{}()|\[\]]+)\s*\}\}\s*")
_SAID = re.compile(r'"content"\s*:\s*"')
_EXPECTED = (
    "expected", "expected_output", "expected_answer", "ideal", "reference", "reference_answer", "ground_truth",
    "correct_answer", "correct_label", "target", "label", "answer", "gold", "solution",
)  # fmt: skip
"""Names that fields with the right answer often have; the first that an item has is taken where no criterion says."""


def expected_field(criteria: Criteria) -> str | None:
    """Return the field of an item with which a criterion compares the answer, as far as a criterion says so."""
    for criterion in criteria.json:
        pairs = (
            (criterion.get("reference"), criterion.get("input")),
            (criterion.get("input"), criterion.get("reference")),
        )
        for one, other in pairs:
            match = _FIELD.fullmatch(one) if isinstance(one, str) else None
            if match is not None and isinstance(other, str) and "sample" in other:
                return match[1]
    return None


class RowMaker:
    """Makes rows of output items."""

    def __init__(self, criteria: Criteria, fields: Sequence[str], chars: int) -> None:
        """Begin.

        Args:
            criteria: The criteria of the run.
            fields: Fields of items that get a column of their own.
            chars: Most characters of a preview.
        """
        self._count = len(criteria)
        self._expected = expected_field(criteria)
        self._fields = fields
        self._chars = chars

    @property
    def expected_field(self) -> str | None:
        """Return the field of items with which a criterion compares the answer; None if no criterion says so."""
        return self._expected

    def row(self, found: ItemPreview, rank: int | None) -> JsonObject:
        """Return an item as a row.

        Args:
            found: The item.
            rank: Its place in the table, from 0 on; None if it is not known.
        """
        item, sample = _parsed(found.item), _sample(found)
        results, fault = self._results(found.grades)
        error = fault if sample.error is None else _shown_error(sample.error.code, sample.error.message)
        return {
            "rank": rank,
            "id": found.id,
            "datasource_item_id": found.position,
            "repeat": found.repeat,
            "status": found.status.wire,
            "score": found.score,
            "results": results,
            "input": self._shown(self._input(found, item)),
            "output": self._shown(_output(found, sample)),
            "expected": self._shown(self._expectation(item)),
            "fields": {name: self._shown(_at(item, name)) for name in self._fields},
            "latency_ms": found.latency_ms,
            "tokens": found.tokens,
            "model": sample.model or None,
            "finish_reason": sample.finish_reason or None,
            "error": error,
        }

    def texts(self, found: ItemPreview) -> list[str]:
        """Return all that can be searched for in an item: its values, its answer, and its errors."""
        sample = _sample(found)
        texts = _texts_in(_parsed(found.item) or found.item)
        said = _output(found, sample)
        _, fault = self._results(found.grades)
        error = fault if sample.error is None else _shown_error("", sample.error.message)
        texts += [] if said is None else [said]
        texts += [] if error is None else [str(error["message"])]
        return texts

    def output(self, found: ItemPreview) -> JsonValue:
        """Return the preview of an answer."""
        return self._shown(_output(found, _sample(found)))

    def _results(self, text: str) -> tuple[list[JsonValue], JsonObject | None]:
        """Return what each criterion said, and the first error among that."""
        results: list[JsonValue] = []
        fault: JsonObject | None = None
        missing: JsonObject = {"passed": None, "score": None, "error": None}
        for score, passed, *rest in cast("list[Any]", jsontext.parse(text))[: self._count]:
            if rest and "absent" in rest[0]:
                results.append(missing)
                continue
            error = rest[0].get("error") if rest else None
            if error is None:
                results.append({"passed": passed, "score": score, "error": None})
                continue
            fault = fault or _shown_error(error[0], error[1])
            results.append({"passed": None, "score": None, "error": error[0]})
        results += [missing] * (self._count - len(results))
        return results, fault

    def _input(self, found: ItemPreview, item: JsonValue) -> JsonValue:
        """Return what was asked: the last words of the user, or else the first text of the item."""
        messages = None if found.input is None else _parsed(found.input)
        if isinstance(messages, list):
            said = [each for each in messages if isinstance(each, dict)]
            asked = next((each for each in reversed(said) if each.get("role") == "user"), said[-1] if said else None)
            return None if asked is None else text_of(asked)
        if found.input is not None and messages is None:
            return _cut_text(found.input)
        if isinstance(item, dict):
            names = [name for name in item if name != self._expected_in(item)]
            return next((item[name] for name in names if isinstance(item[name], str)), item)
        return found.item if item is None else item

    def _expectation(self, item: JsonValue) -> JsonValue:
        name = self._expected_in(item)
        return None if name is None else _at(item, name)

    def _expected_in(self, item: JsonValue) -> str | None:
        if self._expected is not None or not isinstance(item, dict):
            return self._expected
        return next((name for name in _EXPECTED if name in item), None)

    def _shown(self, value: JsonValue) -> str | None:
        """Return the preview of a value; None where there is none."""
        if value is None:
            return None
        text = value if isinstance(value, str) else jsontext.render(value)
        return text if len(text) <= self._chars else f"{text[: self._chars]}…"


def _shown_error(code: str, message: str) -> JsonObject:
    return {"code": code, "message": message[:LONGEST_MESSAGE]}


def _parsed(text: str) -> JsonValue:
    """Return the value of a JSON text; None if it is cut."""
    try:
        return jsontext.parse(text)
    except InvalidJsonError:
        return None


def _sample(found: ItemPreview) -> Sample:
    if found.sample is None:
        return NO_SAMPLE
    try:
        return stored_sample(found.sample)
    except InvalidJsonError:
        return NO_SAMPLE


def _output(found: ItemPreview, sample: Sample) -> str | None:
    if sample is NO_SAMPLE and found.sample is not None:
        return _cut_text(found.sample)
    first = next((each for each in sample.output if isinstance(each, dict)), None)
    if first is None:
        return None
    said = text_of(first)
    calls = first.get("tool_calls")
    return jsontext.render(calls) if not said and calls else said


def _cut_text(text: str) -> str:
    """Return the first text in messages whose JSON is cut; the JSON itself if there is none."""
    match = _SAID.search(text)
    if match is None:
        return text
    end = match.end()
    while (end := text.find('"', end)) > 0 and text[end - 1] == "\\":
        end += 1
    said = text[match.end() :] if end < 0 else text[match.end() : end]
    try:
        return str(json.loads(f'"{said}"'))
    except ValueError:
        return said


def _at(item: JsonValue, name: str) -> JsonValue:
    """Return the value of a field, such as `topic` or `metadata.topic`; None if the item has none."""
    if isinstance(item, dict) and name in item:
        return item[name]
    value = item
    for step in name.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def _texts_in(value: JsonValue) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts_in(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts_in(each)]
    return [value if isinstance(value, str) else jsontext.render(value)]
