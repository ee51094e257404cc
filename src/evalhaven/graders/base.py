"""What every grader does."""

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol, runtime_checkable

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade


class Grader(Protocol):
    """One testing criterion, ready to be executed on any number of items."""

    @property
    def concurrency(self) -> int:
        """Return how many items are worth grading at once: one, unless the grader waits for something."""
        ...

    @property
    def waits(self) -> bool:
        """Tell whether each item waits for an answer from elsewhere, so that other graders may work meanwhile."""
        ...

    @property
    def caution(self) -> str | None:
        """Return what users should know before they trust its grades, such as what is missing here."""
        ...

    async def grade(self, namespaces: Mapping[str, JsonValue]) -> Grade:
        """Return the grade of one sample; failures are part of the grade, never exceptions.

        Args:
            namespaces: The values of `item` and, if there is one, `sample`.
        """
        ...


@runtime_checkable
class EarlyGrader(Grader, Protocol):
    """A grader that gets a sample first and is asked for its grade later; others work meanwhile, without tasks."""

    def begin(self, namespaces: Mapping[str, JsonValue], /) -> Awaitable[Any]:
        """Start grading a sample; the result is for `conclude`."""
        ...

    def conclude(self, outcome: Any, /) -> Grade:
        """Return the grade from the awaited result of `begin`."""
        ...


class UnsupportedGraderError(Exception):
    """A grader of this type cannot be executed here; the message says what is missing."""
