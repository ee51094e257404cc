"""When a run should stop because every call fails in the same way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import anyio

from evalhaven.domain.jsontext import JsonObject, JsonValue
from evalhaven.domain.samples import ItemError

_FIRST_CALLS = 10
_LATER_CALLS = 50
_SAME_WORDS = 100
_ITEMS_OWN = frozenset({"context_length_exceeded", "content_filter", "request_too_large"})


@dataclass(slots=True)
class Streak:
    """How many calls in a row failed alike.

    Attributes:
        what: What they have in common.
        count: How many.
        is_cut: Whether something ended an earlier streak.
        error: The last of them.
    """

    what: str = ""
    count: int = 0
    is_cut: bool = False
    error: ItemError | None = None

    def add(self, what: str, error: ItemError) -> None:
        """Count a failure."""
        if self.count and what != self.what:
            self.cut()
        self.what = what
        self.count += 1
        self.error = error

    def cut(self) -> None:
        """End the streak."""
        self.what, self.count, self.error = "", 0, None
        self.is_cut = True

    def after(self, before: "Streak") -> "Streak":
        """Return the streak that this one makes of one before it."""
        if self.is_cut or (self.count and before.count and self.what != before.what):
            return Streak(self.what, self.count, is_cut=True, error=self.error)
        if not self.count:
            return Streak(before.what, before.count, before.is_cut, before.error)
        return Streak(self.what, self.count + before.count, before.is_cut, self.error)

    def to_json(self) -> JsonValue:
        """Return what processes tell each other."""
        error = self.error
        said: JsonValue = None if error is None else [error.code, error.message, error.origin, error.retryable]
        return [self.what, self.count, said]


@dataclass(slots=True)
class Calls:
    """What is known of some calls, in the order in which they ended.

    Attributes:
        has_succeeded: Whether any was answered.
        fatal: Those at the end that failed fatally.
        worded: Those at the end that were refused with the same words.
    """

    has_succeeded: bool = False
    fatal: Streak = field(default_factory=Streak)
    worded: Streak = field(default_factory=Streak)

    def after(self, before: "Calls") -> "Calls":
        """Return what is known of these calls and of those before them."""
        return Calls(
            self.has_succeeded or before.has_succeeded, self.fatal.after(before.fatal), self.worded.after(before.worded)
        )

    def to_json(self) -> JsonObject:
        """Return what processes tell each other."""
        return {"succeeded": self.has_succeeded, "fatal": self.fatal.to_json(), "worded": self.worded.to_json()}


def calls_of(told: JsonValue) -> Calls:
    """Return what processes told each other."""
    if not isinstance(told, dict):
        return Calls()
    return Calls(told.get("succeeded") is True, _streak_of(told.get("fatal")), _streak_of(told.get("worded")))


def _streak_of(told: JsonValue) -> Streak:
    if not isinstance(told, list):
        return Streak()
    what, count, said = told
    error = ItemError(*cast("tuple[str, str, str, bool]", tuple(said))) if isinstance(said, list) else None
    return Streak(str(what), count if isinstance(count, int) else 0, error=error)


class FailureWatch:
    """Follows the calls of one run, in the order in which they end, and says when going on makes no sense.

    A run in which nothing has succeeded stops after ten calls in a row that failed fatally with one code, or after
    all of its calls if there are fewer. Once something has succeeded it takes fifty: a key that expires midway stops
    the run, a handful of calls refused by one broken replica does not.
    A call that failed through its own fault proves that the endpoint serves the run, so it ends the streak; a
    passing failure says nothing. Some endpoints give no code for what is wrong with every request, such as an
    unknown model: if nothing has succeeded, a hundred refusals in a row with the same words stop the run too.
    The verdict is final. Every method is one step of the event loop.
    Where several processes execute a run, each `take`s what happened to it since the last time, and `learn`s what
    that comes to together with the calls of the others; only then is there a verdict, for an answer that another has
    had meanwhile may speak against it. Until they are heard it `is_suspected`, and further calls wait.
    """

    __slots__ = (
        "_all",
        "_ask_others",
        "_is_quiet",
        "_needed_at_first",
        "_new",
        "_was_resolved",
        "is_suspected",
        "verdict",
    )

    def __init__(self, ask_others: Callable[[], bool] | None = None) -> None:
        """Start without a verdict.

        Args:
            ask_others: Called when other processes are to be heard, since there may be a verdict; returns whether there
                are any now. None: there never are.
        """
        self._ask_others = ask_others
        self.is_suspected = False
        self._was_resolved: anyio.Event | None = None  # while calls wait
        self.verdict: ItemError | None = None
        self._needed_at_first = _FIRST_CALLS
        self._all = Calls()
        self._new = Calls()
        self._is_quiet = False  # a success would change nothing

    @property
    def has_streak(self) -> bool:
        """Tell whether calls failed alike lately."""
        return self._all.fatal.count > 0 or self._all.worded.count > 0

    def expect_calls(self, count: int) -> None:
        """Note the least number of calls that the run will make."""
        self._needed_at_first = max(1, min(_FIRST_CALLS, count))

    def note_success(self) -> None:
        """Count a call that was answered; an answer from the cache does not count."""
        if self._is_quiet:
            return
        for calls in (self._all, self._new):
            calls.has_succeeded = True
            calls.fatal.cut()
            calls.worded.cut()
        self._is_quiet = True
        self._resolve()

    def note_failure(self, error: ItemError, *, is_fatal: bool) -> None:
        """Count a call that failed.

        Args:
            error: What its item shows.
            is_fatal: Whether any other call would fail in the same way.
        """
        for calls in (self._all, self._new):
            if is_fatal:
                calls.fatal.add(error.code, error)
            elif not error.retryable:
                calls.fatal.cut()
                if error.code not in _ITEMS_OWN:
                    calls.worded.add(error.message, error)
        if is_fatal or not error.retryable:
            self._is_quiet = False
            if self._ask_others is None:
                self._judge()
            elif self.verdict is None and self._find_verdict() is not None:
                if self._ask_others():
                    self.is_suspected = True
                else:
                    self._judge()
                    self._resolve()

    def take(self) -> Calls:
        """Return what happened since the last time; it is the taker's to tell, or to `put_back`."""
        taken, self._new = self._new, Calls()
        # Another success ends the streak of what happens elsewhere meanwhile, too.
        self._is_quiet = False
        return taken

    def put_back(self, taken: Calls) -> None:
        """Note that what was taken could not be told."""
        self._new = self._new.after(taken)

    def learn(self, known: Calls, *, is_all: bool = True) -> None:
        """Note what the calls of all processes have come to.

        Args:
            known: What is known of them.
            is_all: Whether those that were taken here are included; if not, what is suspected stays so.
        """
        self._all = self._new.after(known)
        self._judge()
        if is_all:
            self._resolve()

    async def wait(self) -> None:
        """Return when another call may be begun: once the others were heard, or a call was answered."""
        while self.is_suspected:
            self._was_resolved = self._was_resolved or anyio.Event()
            await self._was_resolved.wait()

    def _resolve(self) -> None:
        self.is_suspected = False
        resolved, self._was_resolved = self._was_resolved, None
        if resolved is not None:
            resolved.set()

    def _judge(self) -> None:
        if self.verdict is None:
            self.verdict = self._find_verdict()

    def _find_verdict(self) -> ItemError | None:
        fatal, worded, has_succeeded = self._all.fatal, self._all.worded, self._all.has_succeeded
        if fatal.count >= (_LATER_CALLS if has_succeeded else self._needed_at_first):
            return fatal.error
        if worded.count >= _SAME_WORDS and not has_succeeded:
            return worded.error
        return None
