"""When a run should stop because every call fails in the same way."""

from evalhaven.domain.samples import ItemError

_FIRST_CALLS = 10
_LATER_CALLS = 50
_SAME_WORDS = 100
_ITEMS_OWN = frozenset({"context_length_exceeded", "content_filter", "request_too_large"})


class FailureWatch:
    """Follows the calls of one run, in the order in which they end, and says when going on makes no sense.

    A run in which nothing has succeeded stops after ten calls in a row that failed fatally with one code, or after
    all of its calls if there are fewer. Once something has succeeded it takes fifty: a key that expires midway stops
    the run, a handful of calls refused by one broken replica does not.
    A call that failed through its own fault proves that the endpoint serves the run, so it ends the streak; a
    passing failure says nothing. Some endpoints give no code for what is wrong with every request, such as an
    unknown model: if nothing has succeeded, a hundred refusals in a row with the same words stop the run too.
    The verdict is final. Every method is one step of the event loop.
    """

    __slots__ = ("_code", "_has_succeeded", "_in_a_row", "_needed_at_first", "_same_words", "_words", "verdict")

    def __init__(self) -> None:
        """Start without a verdict."""
        self.verdict: ItemError | None = None
        self._needed_at_first = _FIRST_CALLS
        self._has_succeeded = False
        self._code = ""
        self._in_a_row = 0
        self._words = ""
        self._same_words = 0

    def expect_calls(self, count: int) -> None:
        """Note the least number of calls that the run will make."""
        self._needed_at_first = max(1, min(_FIRST_CALLS, count))

    def note_success(self) -> None:
        """Count a call that was answered; an answer from the cache does not count."""
        self._has_succeeded = True
        self._in_a_row = self._same_words = 0

    def note_failure(self, error: ItemError, *, is_fatal: bool) -> None:
        """Count a call that failed.

        Args:
            error: What its item shows.
            is_fatal: Whether any other call would fail in the same way.
        """
        if is_fatal:
            self._in_a_row = self._in_a_row + 1 if error.code == self._code else 1
            self._code = error.code
            needed = _LATER_CALLS if self._has_succeeded else self._needed_at_first
            self._judge(error, stops=self._in_a_row >= needed)
        elif not error.retryable:
            self._in_a_row = 0
            if error.code in _ITEMS_OWN:
                return
            self._same_words = self._same_words + 1 if error.message == self._words else 1
            self._words = error.message
            self._judge(error, stops=self._same_words >= _SAME_WORDS and not self._has_succeeded)

    def _judge(self, error: ItemError, *, stops: bool) -> None:
        if stops and self.verdict is None:
            self.verdict = error
