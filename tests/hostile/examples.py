"""Draws the examples of a property, the same ones for the same seed."""

from collections.abc import Callable
from typing import Any, TypeVar

import hypothesis
from hypothesis import strategies as st

from tests.sizes import SEED

T = TypeVar("T")


def for_examples(strategy: st.SearchStrategy[T], check: Callable[[T], Any], count: int | None = None) -> None:
    """Check a property of examples; the profile says how many.

    Args:
        strategy: What the examples are drawn from.
        check: Fails where an example does not have the property.
        count: How many examples, where it is not the usual number.
    """

    @hypothesis.seed(SEED)
    @hypothesis.settings(max_examples=hypothesis.settings().max_examples if count is None else count)
    @hypothesis.given(strategy)
    def check_each(example: T) -> None:
        check(example)

    check_each()
