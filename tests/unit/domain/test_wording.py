"""Facts about counts and names in sentences."""

import pytest

from evalhaven.domain.wording import counted, in_points, listed, signed_points


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, "0 items"), (1, "1 item"), (2, "2 items"), (1318, "1,318 items"), (1_000_000, "1,000,000 items")],
)
def test_a_count_has_its_noun(count: int, told: str) -> None:
    assert counted(count, "item") == told


def test_a_plural_may_have_a_verb() -> None:
    assert (counted(1, "item is", "items are"), counted(2, "item is", "items are")) == ("1 item is", "2 items are")


@pytest.mark.parametrize(
    ("rate", "told"),
    [(0.01, "1 point"), (0.02, "2 points"), (0.005, "0.5 points"), (0.29, "29 points"), (0, "0 points")],
)
def test_a_rate_in_points(rate: float, told: str) -> None:
    assert in_points(rate) == told


@pytest.mark.parametrize(
    ("difference", "told"),
    [(0.215, "+21.5"), (-0.0029, "-0.3"), (0, "+0.0"), (0.0005, "+0.1"), (-0.00038, "-0.04"), (0.0000384, "+0.004")],
)
def test_a_small_difference_is_not_rounded_to_nothing(difference: float, told: str) -> None:
    assert signed_points(difference) == told


def test_of_many_names_the_first_ones_are_listed() -> None:
    assert listed(["a", "it's"]) == "'a', \"it's\""
    assert listed([*"abcdefg"]) == "'a', 'b', 'c', 'd', 'e' and 2 more"
