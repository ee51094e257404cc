"""What a limiter is told, and the state that it shows."""

from dataclasses import dataclass
from typing import Literal

from evalhaven.domain.jsontext import JsonObject
from evalhaven.sampling.calls.concurrency import ChangeReason


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits on a model's calls; `Endpoint` says what each means."""

    max_concurrency: int
    start_concurrency: int
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A change of the limit, or a pause; consecutive changes for the same reason are one.

    Attributes:
        number: Counts up from 1 for each limiter.
        at: Unix seconds of the last one.
        reason: `ramp`, `growth`, `refused` (a 429 episode), `restored`, or `paused` (Retry-After).
        before: The limit before the first one.
        after: The limit after the last one.
        pause_s: Seconds of pause that they added; 0.0 for any other reason.
    """

    number: int
    at: float
    reason: ChangeReason | Literal["paused"]
    before: int
    after: int
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LimiterState:
    """The state of a limiter.

    Attributes:
        concurrency: Most calls under way at once, now.
        max_concurrency: What it may grow to.
        in_flight: Calls under way.
        waiting: Calls that wait for a slot, a pause or an allowance.
        is_limit_reached: Whether no further call could start.
        episodes: How many times 429s shrank the limit.
        paused_until: Unix seconds; None if there is no pause.
        paused_s: Seconds of all pauses so far and to come.
    """

    concurrency: int
    max_concurrency: int
    in_flight: int
    waiting: int
    is_limit_reached: bool
    episodes: int
    paused_until: float | None
    paused_s: float

    def to_json(self) -> JsonObject:
        """Return the state as run objects show it."""
        return {
            "concurrency": self.concurrency,
            "max_concurrency": self.max_concurrency,
            "in_flight": self.in_flight,
            "waiting": self.waiting,
            "limit_reached": self.is_limit_reached,
            "episodes": self.episodes,
            "paused_until": self.paused_until,
            "paused_s": round(self.paused_s, 3),
        }
