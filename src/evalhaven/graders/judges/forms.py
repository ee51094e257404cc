"""What judges are asked to answer: steps of reasoning and a result, which is a score or a label.

Source: recorded results of the hosted API, `{"steps": [{"description", "conclusion"}], "result": …}`, and the JSON
Schema with which OpenAI's cookbook rebuilds its score grader.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from evalhaven.domain.jsontext import JsonObject, JsonValue

SCORE_CLAMPED = "score_clamped"
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a result means for the grade.

    Attributes:
        score: A number inside the range.
        passed: Whether the criterion holds.
        notes: What to know about the score.
    """

    score: float
    passed: bool
    notes: tuple[str, ...] = ()


class Form(Protocol):
    """The form of a judge's result.

    Attributes:
        noun: What the result is called in sentences.
    """

    noun: str

    @property
    def answer_format(self) -> JsonObject:
        """Return what is asked for, as a `response_format`."""
        ...

    def accept(self, value: JsonValue) -> float | str | None:
        """Return a JSON value as a result; None if it is not one."""
        ...

    def accept_text(self, text: str) -> float | str | None:
        """Return a text as a result, however the model spelled it; None if it is not one."""
        ...

    def judge(self, result: float | str) -> Verdict:
        """Return what an accepted result means for the grade."""
        ...


class ScoreForm:
    """A number in a range."""

    noun = "score"

    def __init__(self, lowest: float, highest: float, threshold: float) -> None:
        """Describe a score.

        Args:
            lowest: Lowest score; anything below counts as this.
            highest: Highest score; anything above counts as this.
            threshold: Lowest score that passes.
        """
        self._lowest = lowest
        self._highest = highest
        self._threshold = threshold

    @property
    def answer_format(self) -> JsonObject:
        """Return what is asked for; the range is in words, because not every strict schema can have bounds."""
        told = f"The score of the response, a number from {self._lowest:g} to {self._highest:g}, both included."
        return _answer_format("float_score_classification", {"type": "number", "description": told})

    def accept(self, value: JsonValue) -> float | str | None:
        """Return a finite number; true and false are not numbers."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None

    def accept_text(self, text: str) -> float | str | None:
        """Return a text that is a decimal number and nothing else."""
        return self.accept(float(text)) if _NUMBER.fullmatch(text) else None

    def judge(self, result: float | str) -> Verdict:
        """Return the score, moved into the range."""
        given = float(result)
        score = min(max(given, self._lowest), self._highest)
        return Verdict(score, score >= self._threshold, () if score == given else (SCORE_CLAMPED,))


class LabelForm:
    """One of several labels."""

    noun = "label"

    def __init__(self, labels: Sequence[str], passing: Sequence[str]) -> None:
        """Describe a label.

        Args:
            labels: Those to choose from.
            passing: Those that pass.
        """
        self._labels = tuple(dict.fromkeys(labels))
        self._passing = frozenset(passing)

    @property
    def answer_format(self) -> JsonObject:
        """Return what is asked for."""
        told = "The one label that fits the response."
        return _answer_format(
            "label_classification", {"type": "string", "enum": list(self._labels), "description": told}
        )

    def accept(self, value: JsonValue) -> float | str | None:
        """Return a text that is one of the labels."""
        return value if isinstance(value, str) and value in self._labels else None

    def accept_text(self, text: str) -> float | str | None:
        """Return the label that a text names; case counts only if labels differ in nothing else."""
        if text in self._labels:
            return text
        alike = [label for label in self._labels if label.strip().casefold() == text.strip().casefold()]
        return alike[0] if len(alike) == 1 else None

    def judge(self, result: float | str) -> Verdict:
        """Return 1 and passed for a passing label, else 0 and failed."""
        passed = result in self._passing
        return Verdict(1.0 if passed else 0.0, passed)


def _answer_format(name: str, result: JsonObject) -> JsonObject:
    def text(description: str) -> JsonObject:
        return {"type": "string", "description": description}

    step = _closed_object(
        {"description": text("What this step looks at."), "conclusion": text("What follows from it.")}
    )
    steps: JsonObject = {
        "type": "array",
        "description": "The reasoning that leads to the result, step by step.",
        "items": step,
    }
    schema = _closed_object({"steps": steps, "result": result})
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}}


def _closed_object(properties: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
