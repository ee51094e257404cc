"""The figures of a run in progress: rates and time left, computed from readings of the run object."""

from collections import deque
from dataclasses import dataclass

from evalhaven.cli.run_document import LimitChange, RunDocument, Unreachable, Usage

_RECENT_S = 10.0  # the rate is shown for this time
_STEADY_S = 30.0  # the time left is estimated from this time: longer, so that it does not jump
_STALL_S = 10.0
_STALL_ITEMS = 5
_SHORTEST_S = 1.0  # times of runs are whole seconds
_CHANGES = 3
_ROUNDING_S = 0.001


@dataclass(frozen=True, slots=True)
class Reading:
    """A run as it was at one moment.

    Attributes:
        at_s: Seconds on a clock that only goes forward.
        unix_s: The same moment as the server's clock shows it.
        run: The run.
    """

    at_s: float
    unix_s: float
    run: RunDocument


@dataclass(frozen=True, slots=True)
class Figures:
    """What is shown of a reading.

    Attributes:
        run: The run.
        unix_s: When it was read, by the server's clock.
        done: Output items so far.
        planned: Output items in the end; None while that is unknown.
        recent_per_s: Items a second over the last ten seconds; None before there are two readings, and after the end.
        overall_per_s: Items a second since the run was started; None within its first second.
        left_s: Seconds until the end at the pace of the last half minute; None if that is unknown.
        elapsed_s: Seconds since the start, up to the end; None before the start.
        idle_s: Seconds since an item was last seen to end; None if the run is not in progress.
        changes: The last changes of the limit, oldest first.
    """

    run: RunDocument
    unix_s: float
    done: int
    planned: int | None
    recent_per_s: float | None
    overall_per_s: float | None
    left_s: float | None
    elapsed_s: float | None
    idle_s: float | None
    changes: tuple[LimitChange, ...]

    @property
    def fraction(self) -> float | None:
        """How much of the run is done, from 0 to 1; None while that is unknown."""
        if self.planned is None:
            return None
        return min(1.0, self.done / self.planned) if self.planned else 1.0

    @property
    def usage(self) -> Usage | None:
        """Tokens of all calls; None for a run that made none."""
        split = self.run.evalhaven.usage_split
        if split is None:
            return None
        rows = [usage for of_role in split.values() for usage in of_role]
        return Usage(
            sum(row.total_tokens for row in rows),
            sum(row.prompt_tokens for row in rows),
            sum(row.cached_tokens for row in rows),
            sum(row.completion_tokens for row in rows),
            sum(row.reasoning_tokens for row in rows),
        )

    @property
    def cost(self) -> float | None:
        """US dollars of all calls; None for a run that made none, and if a call has no price."""
        cost = self.run.evalhaven.cost
        if cost is None or cost.target is None or cost.judge is None:
            return None
        return cost.target + cost.judge

    @property
    def retries(self) -> int:
        """Calls that were repeated: the counts by kind are up to date, the run's own count follows the stored items."""
        limiter = self.run.evalhaven.limiter
        return max(self.run.evalhaven.retries, 0 if limiter is None else sum(limiter.retries.values()))

    @property
    def unreachable(self) -> tuple[Unreachable, ...]:
        """Which endpoints cannot be reached, each once; none after the run has ended."""
        limiter = self.run.evalhaven.limiter
        if limiter is None or self.run.status.is_final:
            return ()
        told = (each.unreachable for each in (limiter, *limiter.judges, limiter.embeddings))
        return tuple(dict.fromkeys(each for each in told if each is not None))

    @property
    def pause_left_s(self) -> float | None:
        """Seconds until calls are sent again; None without a pause."""
        limiter = self.run.evalhaven.limiter
        if limiter is None or limiter.paused_until is None or self.run.status.is_final:
            return None
        left_s = limiter.paused_until - self.unix_s
        return left_s if left_s > 0 else None


class RunHistory:
    """The past readings, as far as the figures need them."""

    def __init__(self) -> None:
        self._readings: deque[tuple[float, int]] = deque()
        self._progress_at_s = 0.0
        self._seen_changes: deque[LimitChange] = deque(maxlen=_CHANGES)
        self._concurrency: int | None = None

    def add(self, reading: Reading) -> Figures:
        """Add a reading, and return the figures to show."""
        run = reading.run
        done = run.result_counts.total
        self._note_progress(reading.at_s, done)
        elapsed_s = _elapsed_s(reading)
        # If a run is tried again, nothing says how many items it had when it was restarted.
        has_rate = elapsed_s is not None and elapsed_s >= _SHORTEST_S and not run.evalhaven.times_retried
        overall_per_s = done / elapsed_s if elapsed_s and has_rate else None
        is_active = not run.status.is_final
        idle_s = reading.at_s - self._progress_at_s if is_active else None
        return Figures(
            run=run,
            unix_s=reading.unix_s,
            done=done,
            planned=run.items_planned,
            recent_per_s=self._rate_over(_RECENT_S) if is_active else None,
            overall_per_s=overall_per_s,
            left_s=None if idle_s is None else self._left_s(run, overall_per_s, idle_s),
            elapsed_s=elapsed_s,
            idle_s=idle_s,
            changes=self._changes(reading),
        )

    def _note_progress(self, at_s: float, done: int) -> None:
        if not self._readings or self._readings[-1][1] != done:
            self._progress_at_s = at_s
        self._readings.append((at_s, done))
        # One older reading is kept, or slow watching would never have two.
        while len(self._readings) > 2 and self._readings[1][0] <= at_s - _STEADY_S:  # noqa: PLR2004 - two make a rate
            self._readings.popleft()

    def _rate_over(self, seconds: float) -> float | None:
        """Return items a second over about the last so many seconds before the latest reading."""
        last_at_s, last_done = self._readings[-1]
        first_at_s, first_done = self._readings[0]
        for at_s, done in self._readings:
            if at_s > last_at_s - seconds + _ROUNDING_S:
                break
            first_at_s, first_done = at_s, done
        took_s = last_at_s - first_at_s
        return (last_done - first_done) / took_s if took_s > 0 else None

    def _left_s(self, run: RunDocument, overall_per_s: float | None, idle_s: float) -> float | None:
        planned = run.items_planned
        rate = self._rate_over(_STEADY_S) or overall_per_s
        if planned is None or not rate or run.evalhaven.times_retried:
            return None
        # A run whose items take minutes shows no progress most of the time.
        if idle_s > max(_STALL_S, _STALL_ITEMS / rate):
            return None
        return max(0, planned - run.result_counts.total) / rate

    def _changes(self, reading: Reading) -> tuple[LimitChange, ...]:
        limiter = reading.run.evalhaven.limiter
        if limiter is None:
            return ()
        before, now = self._concurrency, limiter.concurrency
        self._concurrency = now
        if before is not None and now is not None and before != now:
            self._seen_changes.append(LimitChange(reading.unix_s, before, now))
        return limiter.changes[-_CHANGES:] or tuple(self._seen_changes)


def _elapsed_s(reading: Reading) -> float | None:
    extension = reading.run.evalhaven
    if extension.started_at is None:
        return None
    until_s = reading.unix_s if extension.ended_at is None else float(extension.ended_at)
    return max(0.0, until_s - extension.started_at)
