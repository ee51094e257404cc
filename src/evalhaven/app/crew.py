"""Several children that do the same work beside each other, each kept alive by a supervisor of its own."""

from collections.abc import Sequence

import anyio

from evalhaven.api.readiness import ProcessState
from evalhaven.app.supervisor import Supervisor

_FROM_BEST = ("ok", "paused", "starting", "not_responding", "down", "crash_looping")


class Crew:
    """Supervisors, as one: runs go on while one of their children is up."""

    def __init__(self, supervisors: Sequence[Supervisor]) -> None:
        self._supervisors = supervisors

    @property
    def first(self) -> Supervisor:
        """Return the supervisor of the first child; with SQLite it is the only one."""
        return self._supervisors[0]

    @property
    def state(self) -> ProcessState:
        """Return the state of the child that is best off."""
        states = [supervisor.state for supervisor in self._supervisors]
        return min(states, key=lambda state: _FROM_BEST.index(state.name))

    def wake(self) -> None:
        """Tell all that there is work."""
        for supervisor in self._supervisors:
            supervisor.wake()

    def kill(self) -> None:
        """End all at once, whatever they are doing."""
        for supervisor in self._supervisors:
            supervisor.kill()

    async def supervise(self) -> None:
        """Keep all children alive until canceled, then stop them."""
        async with anyio.create_task_group() as tasks:
            for supervisor in self._supervisors:
                tasks.start_soon(supervisor.supervise)
