"""Draws the examples of a property, the same ones for the same seed."""

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from tests.sizes import SEED, SIZES

T = TypeVar("T")

_SETTINGS = settings(
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
    ],
)


def for_examples(
    strategy: st.SearchStrategy[T], check: Callable[[T], Any], count: int = SIZES.hostile_requests
) -> None:
    """Check a property of examples.

    Args:
        strategy: What the examples are drawn from.
        check: Fails where an example does not have the property.
        count: How many examples.
    """

    @seed(SEED)
    @settings(_SETTINGS, max_examples=count)
    @given(strategy)
    def check_each(example: T) -> None:
        check(example)

    check_each()
