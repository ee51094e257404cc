"""Facts about waiting for a database that cannot write."""

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest
import structlog.testing
from sqlalchemy.exc import IntegrityError, OperationalError

from evalhaven.runs.patience import Patience

FULL = OperationalError("INSERT", {}, Exception("database or disk is full"))
GONE = OperationalError("SELECT", {}, Exception("terminating connection due to administrator command"))


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


async def test_one_outage_is_told_once_however_late_a_transaction_hears_of_it(waits: list[float]) -> None:
    patience, hears = Patience(), anyio.Event()
    late = failing(GONE)

    async def hear_late() -> str:
        await hears.wait()
        return await late()

    with structlog.testing.capture_logs() as logged:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(patience.persist, hear_late)
            await anyio.lowlevel.checkpoint()
            assert await patience.persist(failing(GONE)) == "stored"
            hears.set()
        assert [line["effect"] for line in logged] == ["runs pause", "runs go on"]
        assert patience.problem == ""
        assert len(waits) == 2, "both are repeated"

        assert await patience.persist(failing(GONE)) == "stored"
    assert [line["effect"] for line in logged] == 2 * ["runs pause", "runs go on"], "another outage is told"


async def test_a_transaction_that_fails_again_after_an_outage_tells_of_another(waits: list[float]) -> None:
    patience, hears = Patience(), anyio.Event()
    late = failing(GONE, GONE)

    async def hear_late() -> str:
        await hears.wait()
        return await late()

    with structlog.testing.capture_logs() as logged:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(patience.persist, hear_late)
            await anyio.lowlevel.checkpoint()
            await patience.persist(failing(GONE))
            hears.set()
    assert [line["effect"] for line in logged] == 2 * ["runs pause", "runs go on"]
    assert len(waits) == 3
