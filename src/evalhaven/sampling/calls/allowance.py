"""An allowance per minute, of requests or of tokens, spread evenly over the minute."""

_MINUTE_S = 60.0


class Allowance:
    """A bucket that fills steadily and holds one second's supply.

    A cost above what the bucket holds is let through when it is full, and leaves a debt that others wait out.
    """

    __slots__ = ("_at", "_burst", "_level", "_rate", "_whole")

    def __init__(self, per_minute: int, now: float, *, is_counted: bool) -> None:
        """Start full.

        Args:
            per_minute: Units a minute.
            now: Seconds on the clock that all calls use.
            is_counted: Units are taken one at a time, such as requests. Then no minute, wherever it begins, sees
                more of them than that; of other units it may see more, by the cost of one request.
        """
        self._burst = max(1.0, per_minute / _MINUTE_S)
        # The supply of a full bucket must not come on top of a whole minute's supply.
        self._rate = max(per_minute - self._burst + (1 if is_counted else 0), per_minute / 2) / _MINUTE_S
        self._whole: tuple[float, float] = (self._burst, self._rate)
        self._level = self._burst
        self._at = now

    def take_part(self, fraction: float) -> None:
        """Supply only a part from now on: other processes have the rest.

        Args:
            fraction: Above 0, at most 1.
        """
        burst, rate = self._whole
        self._burst, self._rate = max(1.0, burst * fraction), rate * fraction

    def wait_s(self, units: float, now: float) -> float:
        """Return how long it takes until this amount may be taken; 0.0 means now."""
        level = self._level + (now - self._at) * self._rate
        self._level = level = min(level, self._burst)
        self._at = now
        needed = min(units, self._burst)
        return 0.0 if level >= needed else (needed - level) / self._rate

    def take(self, units: float) -> None:
        """Take this amount, whatever is left; a negative amount is given back."""
        self._level = min(self._level - units, self._burst)
