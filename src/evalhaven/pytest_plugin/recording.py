"""What a test of an eval records about its item."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

_RECORDER: "pytest.StashKey[Recorder]" = pytest.StashKey()


class Recorder:
    """What one test finds about its item; the fixture `evalhaven`."""

    def __init__(self) -> None:
        self.sample: dict[str, Any] | None = None
        self.scores: dict[str, float] = {}
        self.verdicts: dict[str, bool] = {}
        self.labels: dict[str, str] = {}
        self.thresholds: dict[str, float] = {}

    def output(self, output: object) -> None:
        """Record what the code under test answered. It is what the criteria of the file judge.

        Args:
            output: A text; a `sample` in any form that a row may have, such as `{"output_text": …, "documents": …}`
                or a chat completion; or an answer of OpenAI's SDK.
        """
        if isinstance(output, str):
            self.sample = {"output_text": output}
            return
        dump = getattr(output, "model_dump", None)
        given = dump(mode="json") if callable(dump) else output
        if not isinstance(given, Mapping):
            raise TypeError(f"an output is a text, or an object with `output_text`, and no {type(output).__name__}")
        self.sample = dict(cast("Mapping[str, Any]", given))

    def score(self, name: str, value: float | bool, *, threshold: float | None = None) -> None:
        """Record a score, which becomes a criterion of the eval.

        Args:
            name: Name of the criterion.
            value: True or False, or a number.
            threshold: From which number on the item passes; the same for all items.
        """
        if isinstance(value, bool):
            if threshold is not None:
                raise TypeError(f"the score {name!r} is True or False and needs no threshold")
            self.verdicts[name] = value
            return
        if threshold is None:
            raise TypeError(f"the score {name!r} is a number: say from which one on an item passes (threshold=…)")
        self.scores[name], self.thresholds[name] = float(value), float(threshold)

    def label(self, name: str, value: str) -> None:
        """Record a label: a fact about the item that no criterion judges."""
        self.labels[name] = str(value)


def recorder_of(item: pytest.Item) -> Recorder:
    """Return the recorder of a test."""
    return item.stash.setdefault(_RECORDER, Recorder())


def find_recorder(item: pytest.Item) -> Recorder:
    """Return the recorder of a test, or an empty one if it asked for none."""
    return item.stash.get(_RECORDER, Recorder())
