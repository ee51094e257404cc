"""How many hosts there are at once, and who is given the next one."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evalhaven.sandbox.grader import SandboxedGrader


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
        self._waiting: dict[SandboxedGrader, None] = {}
        self._holding: dict[SandboxedGrader, int] = {}

    @property
    def has_waiting(self) -> bool:
        """Tell whether somebody waits for a slot."""
        return bool(self._waiting)

    def take(self, claimant: "SandboxedGrader") -> bool:
        """Tell whether a slot was free; else the claimant waits, and its `take_slot` is called in its turn."""
        if self._free and not self._waiting:
            self._hand_to(claimant)
            return True
        self._waiting.setdefault(claimant)
        for holder in list(self._holding):
            if holder is not claimant:
                holder.release_idle()
        return False

    def give_back(self, holder: "SandboxedGrader") -> None:
        """Free one of the slots of a holder, and hand it to whoever has waited longest."""
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
        """Let a claimant wait no more."""
        self._waiting.pop(claimant, None)

    def _hand_to(self, claimant: "SandboxedGrader") -> None:
        self._free -= 1
        self._holding[claimant] = self._holding.get(claimant, 0) + 1
