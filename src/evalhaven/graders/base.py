"""What every grader does."""

from collections.abc import Mapping
from typing import Protocol

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.output_items import Grade


class Grader(Protocol):
    """One testing criterion, ready to be executed on any number of items."""

    async def grade(self, namespaces: Mapping[str, JsonValue]) -> Grade:
        """Return the conclusion on one sample; what goes wrong is part of the grade, never an exception.

        Args:
            namespaces: The values of `item` and, where there is one, `sample`.
        """
        ...


class UnsupportedGraderError(Exception):
    """This release cannot execute a grader of this type."""
