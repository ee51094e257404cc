"""How many hosts there may be at once, and who gets the next one."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Claim:
    """One grader's part in sharing the slots.

    Attributes:
        take_slot: Starts a host in a slot that has become free; tells whether it did.
        release_idle: Ends the hosts that have nothing to do.
    """

    take_slot: Callable[[], bool]
    release_idle: Callable[[], None]


class HostSlots:
    """A bound on the hosts of all graders; those that have to wait are served in the order in which they came.

    A holder gives its slot back while others wait: as soon as its host has nothing to do, or after its turn.
    """

    def __init__(self, most: int) -> None:
        """Give out none yet.

        Args:
            most: How many slots there are, at least 1.
        """
        self._free = most
        self._waiting: dict[Claim, None] = {}
        self._holding: dict[Claim, int] = {}

    @property
    def has_waiting(self) -> bool:
        """Tell whether a grader waits for a slot."""
        return bool(self._waiting)

    @property
    def waiting(self) -> int:
        """Return how many graders wait for a slot."""
        return len(self._waiting)

    def take(self, claim: Claim) -> bool:
        """Take a slot and tell whether one was free; else the claim waits until its `take_slot` is called."""
        if self._free and not self._waiting:
            self._hand_to(claim)
            return True
        self._waiting.setdefault(claim)
        for holder in list(self._holding):
            if holder is not claim:
                holder.release_idle()
        return False

    def give_back(self, holder: Claim) -> None:
        """Free one of a holder's slots, and give it to the grader that has waited longest."""
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
        """Take a claim off the queue."""
        self._waiting.pop(claim, None)

    def _hand_to(self, claim: Claim) -> None:
        self._free -= 1
        self._holding[claim] = self._holding.get(claim, 0) + 1
