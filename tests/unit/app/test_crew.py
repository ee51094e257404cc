"""Facts about several children that do the same work."""

import pytest

from evalhaven.api.readiness import ProcessState
from evalhaven.app.crew import Crew
from evalhaven.app.supervisor import Child, Supervisor
from evalhaven.meters.board import Board


class Told(Supervisor):
    """A supervisor whose child is in a state that the test says."""

    def __init__(self, state: ProcessState) -> None:
        super().__init__(Child("worker", "executes runs", ["true"]), None, Board())
        self._told = state

    @property
    def state(self) -> ProcessState:
        return self._told


OK, DOWN, STARTING = ProcessState("ok"), ProcessState("down"), ProcessState("starting")
LOOPING, SILENT, PAUSED = ProcessState("crash_looping"), ProcessState("not_responding"), ProcessState("paused")


@pytest.mark.parametrize(
    ("states", "state"),
    [((OK,), OK), ((DOWN, OK), OK), ((DOWN, STARTING), STARTING), ((LOOPING, DOWN), DOWN), ((SILENT, PAUSED), PAUSED)],
)
def test_a_crew_is_as_well_off_as_the_best_of_its_children(
    states: tuple[ProcessState, ...], state: ProcessState
) -> None:
    assert Crew([Told(each) for each in states]).state == state
