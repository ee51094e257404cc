"""What every grader does."""

from collections.abc import Mapping
from typing import Protocol

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade


class Grader(Protocol):
    """One testing criterion, ready to be executed on any number of items."""

    @property
    def concurrency(self) -> int:
        """Return how many items are worth grading at once: one, unless it waits for something."""
        ...

    @property
    def waits(self) -> bool:
        """Tell whether each item waits for an answer from elsewhere, so that other graders may work meanwhile."""
        ...

    @property
    def caution(self) -> str | None:
        """Return what its users should know before they trust its grades, such as that something is missing here."""
        ...

    async def grade(self, namespaces: Mapping[str, JsonValue]) -> Grade:
        """Return the conclusion on one sample; what goes wrong is part of the grade, never an exception.

        Args:
            namespaces: The values of `item` and, where there is one, `sample`.
        """
        ...


class UnsupportedGraderError(Exception):
    """A grader of this type cannot be executed here; the message says what lacks."""
