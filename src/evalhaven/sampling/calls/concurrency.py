"""How many calls of one model may be under way at once, learnt from the answers of its endpoint.

A *round* is as many replies as the limit allows calls. Rounds without a 429 raise the limit: they double it until
the first 429 or the maximum, and add 5 % afterwards. A 429 begins an *episode*: the limit shrinks once, by a fifth,
however many of the calls that were under way are refused.

Some endpoints refuse a share of all calls, however few there are. There, shrinking would go on for ever and not
help, so the round after an episode is a trial: if about the same share is refused as before, although fewer calls
were under way, the limit is restored, and from then on a round counts as clean up to about that share. A 429 within
that share says nothing about other calls.

If the endpoint sends Retry-After with a 429, trying a higher limit costs every call a pause. So a refused limit is
not tried again until ten times as long has passed.
"""

import math
from collections.abc import Callable
from typing import Literal

ChangeReason = Literal["ramp", "growth", "refused", "restored"]

_GROWTH_DIVISOR = 20  # 5 %
_SHRINK = 0.8
_TRIAL_REPLIES = 30  # fewer say little about a share
_TRIAL_S = 10.0  # but slow models should not wait for that many
_OVERLOADED = 0.4  # above this share the cause is always the number of calls
_MOST_USUAL = 0.4
_FORGET = 0.25
_FORGOTTEN = 0.005
_WORTH = 10
_BELOW = 0.95


class Concurrency:
    """The limit and what it is learnt from; all in memory, and a few additions per reply.

    Attributes:
        limit: Most calls under way at once, from 1 to the maximum.
        maximum: The endpoint's configured limit.
        epoch: Grows whenever a refusal changes the limit; calls carry the epoch in which they were sent.
        episodes: How many times the limit was shrunk.
        most: Most calls that were under way in this round; the limiter that counts them sets it.
        is_ramping: Whether a clean round doubles the limit.
    """

    __slots__ = (
        "_before",
        "_ceiling",
        "_ceiling_until",
        "_good",
        "_is_trial",
        "_late_good",
        "_late_refused",
        "_note_change",
        "_now",
        "_refused",
        "_round_size",
        "_start",
        "_trial_until",
        "_usual",
        "episodes",
        "epoch",
        "is_ramping",
        "limit",
        "maximum",
        "most",
    )

    def __init__(
        self, start: int, maximum: int, now: Callable[[], float], note_change: Callable[[ChangeReason, int, int], None]
    ) -> None:
        """Start with the first limit.

        Args:
            start: The first limit, cut to the maximum.
            maximum: The limit never grows above it; at least 1.
            now: Returns the time in seconds.
            note_change: Told the reason, the limit before and the limit after.
        """
        self.maximum = max(1, maximum)
        self.limit = self._start = max(1, min(start, self.maximum))
        self.epoch = 0
        self.episodes = 0
        self.most = 0
        self.is_ramping = True
        self._now = now
        self._note_change = note_change
        self._good = 0
        self._refused = 0
        self._round_size = self.limit
        self._is_trial = False
        self._before = self.limit
        self._late_good = 0
        self._late_refused = 0
        self._usual = 0.0
        self._ceiling = self.maximum
        self._ceiling_until = 0.0
        self._trial_until = 0.0

    def note_good(self, epoch: int) -> None:
        """Count a reply that was not a 429.

        Args:
            epoch: The one in which its call was sent.
        """
        if epoch != self.epoch:
            self._late_good += 1
            return
        self._good += 1
        if self._good + self._refused >= self._round_size:
            self._end_round()

    def note_refused(self, epoch: int, asked_s: float = 0.0) -> bool:
        """Count a 429, and shrink the limit if it begins an episode; return whether such a share of 429s is usual here.

        Args:
            epoch: The one in which its call was sent; those of an earlier one belong to a known episode.
            asked_s: Seconds that the endpoint asks to wait.
        """
        if epoch != self.epoch:
            self._late_refused += 1
            return False
        self._refused += 1
        is_usual = not self._is_trial and self._refused <= self._allowed(self.limit)
        if self._good + self._refused >= self._round_size:
            self._end_round(asked_s)
        elif not self._is_trial and not is_usual:
            self._shrink(asked_s)
        return is_usual

    def _allowed(self, replies: int) -> float:
        """Return the most refusals among this many replies that the usual share makes likely."""
        expected = 1.5 * self._usual * replies
        return min(expected + 4 * math.sqrt(expected) + 2, replies / 2) if expected else 0

    def _end_round(self, asked_s: float = 0.0) -> None:
        replies = self._good + self._refused
        if self._is_trial and replies < _TRIAL_REPLIES and self._now() < self._trial_until:
            return
        if self._is_trial and self._refused:
            if self._is_independent(self._refused / replies):
                self._restore()
            else:
                self._shrink(asked_s)
        elif self._refused > self._allowed(replies):
            self._shrink(asked_s)
        else:
            self._is_trial = False
            self._usual += (self._refused / replies - self._usual) * _FORGET
            if self._usual < _FORGOTTEN:
                self._usual = 0.0
            self._grow()
            self._begin_round()

    def _is_independent(self, share: float) -> bool:
        """Tell whether a trial had as large a share of refusals as before it, although fewer calls were under way."""
        earlier = self._late_refused / max(1, self._late_refused + self._late_good)
        if earlier >= _OVERLOADED:
            return False
        # If the endpoint allowed a fixed number of calls at once, a fifth fewer would leave this share refused.
        expected = max(0.0, 1 - (1 - earlier) / _SHRINK)
        return share > (earlier + expected) / 2

    def _grow(self) -> None:
        # A limit that was not reached says nothing about a higher one.
        if self.most < self.limit or self.limit == self.maximum:
            return
        before = self.limit
        more = before if self.is_ramping else max(1, before // _GROWTH_DIVISOR)
        after = min(self.maximum, before + more)
        if after >= self._ceiling and self._now() < self._ceiling_until:
            after = max(before, int(self._ceiling * _BELOW))
            if after == before:
                return
        self.limit = after
        self._note_change("ramp" if self.is_ramping else "growth", before, self.limit)

    def _shrink(self, asked_s: float) -> None:
        before = self.limit
        self._before = before
        # An unused limit says nothing; nor do very few calls: one alone cannot have been too many.
        self._ceiling = min(before, max(self.most, self._start))
        now = self._now()
        self._ceiling_until = now + _WORTH * asked_s
        self._trial_until = now + asked_s + _TRIAL_S
        self._late_good, self._late_refused = self._good, self._refused
        self.limit = max(1, int(self._ceiling * _SHRINK))
        self.episodes += 1
        self.epoch += 1
        self.is_ramping = False
        self._is_trial = True
        self._note_change("refused", before, self.limit)
        self._begin_round()

    def _restore(self) -> None:
        before = self.limit
        refused = self._late_refused + self._refused
        self._usual = min(_MOST_USUAL, refused / (refused + self._late_good + self._good))
        self.limit = max(before, self._before)
        self._ceiling_until = 0.0
        self.epoch += 1
        self.is_ramping = True
        self._is_trial = False
        self._note_change("restored", before, self.limit)
        self._begin_round()

    def _begin_round(self) -> None:
        self._good = self._refused = self.most = 0
        self._round_size = self.limit
