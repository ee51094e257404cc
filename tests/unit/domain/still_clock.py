"""Time that stands still unless a test moves it, and chance that does not vary."""

from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory


class StillClock(Clock):
    """A clock that shows what it is set to."""

    def __init__(self, now: float = 1_746_133_283.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time


def still_ids(clock: Clock | None = None) -> IdFactory:
    """Return a factory of ids that only differ by the tick."""
    return IdFactory(clock or StillClock(), random_bits=lambda _count: 0)
