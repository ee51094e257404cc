"""Facts about several tests at once."""

import random
from typing import TYPE_CHECKING, Any

import pytest

from evalhaven.stats.multiple import holm
from tests.on_use import on_use

if TYPE_CHECKING:
    from statsmodels.stats import multitest
else:
    multitest = on_use("statsmodels.stats.multitest")


@pytest.mark.parametrize("number", [1, 2, 3, 5, 12])
def test_adjusted_p_values_are_those_of_statsmodels(number: int) -> None:
    chance = random.Random(number)
    for _ in range(4):
        p_values = [chance.choice([chance.random(), chance.random() / 20, 0.01, 0.0, 1.0]) for _ in range(number)]

        theirs: Any = multitest.multipletests(p_values, method="holm")
        assert holm(p_values) == pytest.approx(list(theirs[1]))


def test_one_p_value_stays_as_it_is() -> None:
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="p-values must be between 0 and 1"):
        holm([0.5, p])
