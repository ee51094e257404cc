"""How many hosts there may be at once, and who gets the next one."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalhaven.sandbox.grader import SandboxedGrader


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
        self._waiting: dict[SandboxedGrader, None] = {}
        self._holding: dict[SandboxedGrader, int] = {}

    @property
    def has_waiting(self) -> bool:
        """Tell whether a grader waits for a slot."""
        return bool(self._waiting)

    def take(self, claimant: "SandboxedGrader") -> bool:
        """Take a slot and tell whether one was free; else the claimant waits until its `take_slot` is called."""
        if self._free and not self._waiting:
            self._hand_to(claimant)
            return True
        self._waiting.setdefault(claimant)
        for holder in list(self._holding):
            if holder is not claimant:
                holder.release_idle()
        return False

    def give_back(self, holder: "SandboxedGrader") -> None:
        """Free one of a holder's slots, and give it to the grader that has waited longest."""
        self._free += 1
        self._holding[holder] -= 1
        if not self._holding[holder]:
            del self._holding[holder]
        while self._free and self._waiting:
            claimant = next(iter(self._waiting))
            del self._waiting[claimant]
            if claimant.take_slot():
                self._hand_to(claimant)

    def forget(self, claimant: "SandboxedGrader") -> None:
        """Take a claimant off the queue."""
        self._waiting.pop(claimant, None)

    def _hand_to(self, claimant: "SandboxedGrader") -> None:
        self._free -= 1
        self._holding[claimant] = self._holding.get(claimant, 0) + 1
