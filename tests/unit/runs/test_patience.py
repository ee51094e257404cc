"""Facts about waiting for a database that cannot write."""

from collections.abc import Awaitable, Callable

import anyio
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from evalhaven.runs.patience import Patience

FULL = OperationalError("INSERT", {}, Exception("database or disk is full"))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Make waiting take no time, and return the seconds that would have been waited."""
    waited: list[float] = []

    async def sleep(delay: float) -> None:
        waited.append(delay)

    monkeypatch.setattr(anyio, "sleep", sleep)
    return waited


def failing(*errors: Exception) -> Callable[[], Awaitable[str]]:
    """Return a transaction that fails with these errors, then succeeds."""
    left = list(errors)

    async def transaction() -> str:
        if left:
            raise left.pop(0)
        return "stored"

    return transaction


async def test_an_unavailable_database_is_waited_for_longer_and_longer(waits: list[float]) -> None:
    assert await Patience().persist(failing(*[FULL] * 8)) == "stored"
    assert waits == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


async def test_errors_out_of_task_groups_are_waited_for_too(waits: list[float]) -> None:
    assert await Patience().persist(failing(ExceptionGroup("tasks", [FULL, FULL]))) == "stored"
    assert len(waits) == 1


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        IntegrityError("INSERT", {}, Exception("UNIQUE")),
        ExceptionGroup("tasks", [FULL, ValueError("x")]),
        KeyError("x"),
    ],
)
async def test_other_errors_are_never_swallowed(waits: list[float], error: Exception) -> None:
    with pytest.raises(type(error)):
        await Patience().persist(failing(FULL, error))

    assert waits == [0.25]


async def test_a_database_that_answers_is_not_waited_for(waits: list[float]) -> None:
    assert await Patience().persist(failing()) == "stored"
    assert waits == []
