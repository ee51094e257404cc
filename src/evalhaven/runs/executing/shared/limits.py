"""What workers share by parts: a limit as one of them sees it, and how much of it is its part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evalhaven.sampling.calls.slots import Slots


@dataclass(frozen=True, slots=True)
class SharedLimit:
    """A limit as one worker sees it.

    Attributes:
        most: How many slots there are for all workers.
        wanted: How many this worker would use.
        in_use: How many it uses.
        shrink: Takes back what the worker has beyond so many; those in use stay.
        lend: Gives the worker slots until a moment of `time.monotonic`, and the fraction of all that they are.
        pause_s: For how long the endpoint has asked this worker to wait.
        pause: Lets this worker's calls wait because another was asked to; None where nobody is asked.
    """

    most: int
    wanted: int
    in_use: int
    shrink: Callable[[int], None]
    lend: Callable[[int, float, float], None]
    pause_s: float = 0.0
    pause: Callable[[float], None] | None = None


def fair_part(most: int, wanted: int, others: Sequence[int]) -> int:
    """Return how many slots are one worker's part: nobody gets more than it wants while another wants for slots.

    What nobody wants is divided evenly, so that a call that comes next need not wait for slots.

    Args:
        most: How many slots there are.
        wanted: How many the worker would use.
        others: How many each of the others would use.
    """
    wishes = sorted([wanted, *others])
    left, waiting = most, len(wishes)
    for wish in wishes:
        if wish * waiting > left:
            # Who wants more than an even part gets that; what cannot be divided is for who comes first.
            return min(wanted, left // waiting + (left % waiting > 0))
        left, waiting = left - wish, waiting - 1
    return wanted + left // len(wishes)


class RunLimit:
    """How many calls of one run this worker may have under way."""

    def __init__(self, run_key: int, most: int) -> None:
        self.name = f"run {run_key}"
        self.slots = Slots(0)
        self._most = most

    @property
    def shared(self) -> SharedLimit:
        """Return the limit as it is now."""
        in_use = self.slots.in_use
        return SharedLimit(self._most, in_use + self.slots.waiting, in_use, self.slots.shrink, self._lend)

    def _lend(self, slots: int, until: float, _fraction: float) -> None:
        self.slots.lend(slots, until)
