"""Who of an executor and its sampling processes holds how many slots of each limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from evalhaven.runs.executing.shared.limits import fair_part
from evalhaven.runs.executing.spread.messages import LimitUse


@dataclass(slots=True)
class _Held:
    """What one process holds of a limit.

    Attributes:
        lent: What it was told last.
        bound: What it may have under way now: it may not have heard yet that it was lent less.
        wanted: What it would use.
    """

    lent: int
    bound: int
    wanted: int


class SlotTable:
    """Lends slots so that those which all processes may use are never more than there are.

    A process asks again only after it was answered. So whatever it uses when it asks is within what it was lent last,
    and slots that were taken from it are free once it has asked again. Time plays no part: who is stopped keeps its
    slots, and who is gone holds none.
    """

    def __init__(self, processes: int) -> None:
        """Lend nothing yet.

        Args:
            processes: How many will ask: the first time, nobody gets more than an even part, since others who are
                about to ask would have to wait until it is given back.
        """
        self._processes = processes
        self._held: dict[str, dict[object, _Held]] = {}

    def ask(self, holder: object, limits: Mapping[str, LimitUse]) -> dict[str, int]:
        """Return how many slots of each limit a process has from now on; of limits that it does not name it has none.

        Args:
            holder: Which process.
            limits: How it uses its limits.
        """
        for name in list(self._held):
            if name not in limits:
                self._drop(name, holder)
        return {name: self._lend(holder, name, use) for name, use in limits.items()}

    def forget(self, holder: object) -> None:
        """Take everything from a process that is gone."""
        for name in list(self._held):
            self._drop(name, holder)

    def bounds(self, name: str) -> int:
        """Return how many slots of a limit all processes may use together."""
        return sum(held.bound for held in self._held.get(name, {}).values())

    def _lend(self, holder: object, name: str, use: LimitUse) -> int:
        holders = self._held.setdefault(name, {})
        others = [held for other, held in holders.items() if other is not holder]
        own = holders.get(holder)
        wanted = min(use.wanted, use.most)
        free = use.most - sum(held.bound for held in others)
        part = min(fair_part(use.most, wanted, [held.wanted for held in others]), free)
        lent = max(part, 0)
        if own is None:
            lent = min(lent, ceil(use.most / self._processes))
        holders[holder] = _Held(lent, max(lent, 0 if own is None else own.lent, use.in_use), wanted)
        return lent

    def _drop(self, name: str, holder: object) -> None:
        holders = self._held[name]
        holders.pop(holder, None)
        if not holders:
            del self._held[name]
