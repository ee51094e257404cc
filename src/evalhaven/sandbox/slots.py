"""How many hosts there are at once, and who is given the next one."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """What one grader has to do with the slots of all.

    Attributes:
        take_slot: Starts a host in a slot that has become free; tells whether it did.
        release_idle: Ends the hosts that have nothing to do.
    """

    take_slot: Callable[[], bool]
    release_idle: Callable[[], None]


class HostSlots:
    """A bound on the hosts of all graders; those that have to wait are served in the order in which they came.

    Whoever holds a slot while others wait gives it back when its host has nothing to do, or after its turn.
    """

    def __init__(self, most: int) -> None:
        """Give none yet.

        Args:
            most: How many there are, at least 1.
        """
        self._free = most
        self._waiting: dict[Claim, None] = {}
        self._holding: dict[Claim, int] = {}

    @property
    def has_waiting(self) -> bool:
        """Tell whether somebody waits for a slot."""
        return bool(self._waiting)

    def take(self, claim: Claim) -> bool:
        """Tell whether a slot was free; else the claim waits, and its `take_slot` is called in its turn."""
        if self._free and not self._waiting:
            self._hand_to(claim)
            return True
        self._waiting.setdefault(claim)
        for holder in list(self._holding):
            if holder is not claim:
                holder.release_idle()
        return False

    def give_back(self, holder: Claim) -> None:
        """Free one of the slots of a holder, and hand it to whoever has waited longest."""
        self._free += 1
        self._holding[holder] -= 1
        if not self._holding[holder]:
            del self._holding[holder]
        while self._free and self._waiting:
            claim = next(iter(self._waiting))
            del self._waiting[claim]
            if claim.take_slot():
                self._hand_to(claim)

    def forget(self, claim: Claim) -> None:
        """Let a claim wait no more."""
        self._waiting.pop(claim, None)

    def _hand_to(self, claim: Claim) -> None:
        self._free -= 1
        self._holding[claim] = self._holding.get(claim, 0) + 1
