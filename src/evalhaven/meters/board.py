"""A board: the values of a process's meters, with those that its children have reported.

Counting is an addition in a dictionary, and belongs to the event loop's thread; another thread may read.
"""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from evalhaven.meters.declared import BY_NAME, Meter

Labels: TypeAlias = tuple[str, ...]
Value: TypeAlias = float | list[float]
"""A number; of a histogram the counts of its buckets, the last of which has no bound, and the sum."""
Values: TypeAlias = dict[str, dict[Labels, Value]]
"""The values of meters, by the meter's name and the values of its labels."""
Reading: TypeAlias = Iterable[tuple[Meter, Labels, float]]

_MOST_MODELS = 100
_MODEL_CHARS = 200
_OTHER = "other"


class Board:
    """The meters of one process."""

    def __init__(self, process: str = "server") -> None:
        """Begin at nothing.

        Args:
            process: The word by which meters tell processes apart.
        """
        self.process = process
        self._counted: Values = {}
        self._readers: list[Callable[[], Reading]] = []
        self._models: set[str] = set()
        self._children: dict[object, Values] = {}
        self._of_former: Values = {}
        self._reported: Values = {}

    def add(self, meter: Meter, *labels: str, by: float = 1.0) -> None:
        """Add to a counter."""
        values = self._counted.setdefault(meter.name, {})
        values[labels] = values.get(labels, 0.0) + by  # pyright: ignore[reportOperatorIssue]

    def observe(self, meter: Meter, amount: float, *labels: str) -> None:
        """Count an amount in a histogram."""
        values = self._counted.setdefault(meter.name, {})
        value = values.get(labels)
        if not isinstance(value, list):
            value = values[labels] = [0.0] * (len(meter.bounds) + 2)
        value[bisect_left(meter.bounds, amount)] += 1.0
        value[-1] += amount

    def read_from(self, reader: Callable[[], Reading]) -> None:
        """Have values read from their source whenever the board is read, instead of being counted."""
        self._readers.append(reader)

    def model_label(self, model: str) -> str:
        """Return the name of a model as a label: names come from outside, and few short ones are told apart."""
        if model in self._models:
            return model
        if len(self._models) >= _MOST_MODELS or len(model) > _MODEL_CHARS:
            return _OTHER
        self._models.add(model)
        return model

    def values(self) -> Values:
        """Return the values of this process, its children, and those that it had before."""
        read: Values = {}
        for reader in list(self._readers):
            for meter, labels, value in reader():
                of_meter = read.setdefault(meter.name, {})
                of_meter[labels] = of_meter.get(labels, 0.0) + value  # pyright: ignore[reportOperatorIssue]
        total: Values = {}
        for each in (self._counted, read, self._of_former, *list(self._children.values())):
            _add(total, each)
        return total

    def changes(self) -> bytes:
        """Return what has changed since it was called last, for the parent's `learn`; empty if nothing has."""
        now = self.values()
        changed: list[tuple[str, Labels, Value | None]] = []
        for name, values in now.items():
            before = self._reported.get(name, {})
            changed += [(name, labels, value) for labels, value in values.items() if before.get(labels) != value]
        for name, before in self._reported.items():
            values = now.get(name, {})
            changed += [(name, labels, None) for labels in before if labels not in values]
        self._reported = now
        return json.dumps(changed, separators=(",", ":")).encode() if changed else b""

    def learn(self, child: object, changes: bytes) -> None:
        """Take over what a child has reported.

        Args:
            child: Which; it is the same until `forget`.
            changes: What its board's `changes` returned.
        """
        values = self._children.setdefault(child, {})
        for name, labels, value in json.loads(changes):
            if name not in BY_NAME:
                continue
            # Whoever reads meanwhile, in another thread, goes on with the dictionary as it was.
            of_meter = dict(values.get(name, {}))
            if value is None:
                of_meter.pop(tuple(labels), None)
            else:
                of_meter[tuple(labels)] = value
            values[name] = of_meter

    def forget(self, child: object) -> None:
        """Note that a child is gone: what it counted stays counted, and what it had is no more."""
        values = self._children.pop(child, {})
        _add(self._of_former, {name: each for name, each in values.items() if BY_NAME[name].kind != "gauge"})


def _add(total: Values, values: Mapping[str, Mapping[Labels, Value]]) -> None:
    for name, each in list(values.items()):
        of_meter = total.setdefault(name, {})
        for labels, value in list(each.items()):
            before = of_meter.get(labels)
            if isinstance(value, list):
                of_meter[labels] = (
                    [one + other for one, other in zip(before, value, strict=True)]
                    if isinstance(before, list)
                    else list(value)
                )
            else:
                of_meter[labels] = value + before if isinstance(before, float | int) else value
