"""The turn of a run: runs suspected of killing their process are evaluated one at a time."""

from functools import partial

import anyio
import structlog

from evalhaven.domain.runs import Run
from evalhaven.runs.engine import Engine, RunStoppedError
from evalhaven.runs.executing.deaths import note_evaluation

_PAUSE_S = 0.5


class Turn:
    """Whether the chunks of one run may be evaluated; once granted, the turn lasts until the run is over."""

    def __init__(self, engine: Engine, stop_requested: anyio.Event) -> None:
        """Begin with a run whose turn has not come.

        Args:
            engine: What runs are executed with.
            stop_requested: Set when the run was canceled or deleted.
        """
        self._engine = engine
        self._stop_requested = stop_requested
        self._asking, self._pausing = anyio.Lock(), anyio.Lock()
        self._has_come = self._is_waiting = False

    async def has_come(self, run: Run) -> bool:
        """Record that chunks of the run are evaluated, before the first one is; False: it is not the run's turn yet."""
        async with self._asking:
            if not self._has_come:
                self._has_come = await self._engine.patience.persist(partial(note_evaluation, self._engine, run))
                if not self._has_come and not self._is_waiting:
                    self._is_waiting = True
                    structlog.get_logger("evalhaven.runs").warning("run_waits_for_suspects", run_id=run.id)
            return self._has_come

    async def pause(self) -> None:
        """Wait a moment before it may be the run's turn; of all waiting chunks, one at a time does so.

        Raises:
            RunStoppedError: The run was canceled or deleted meanwhile.
        """
        async with self._pausing:
            if not self._has_come:
                with anyio.move_on_after(_PAUSE_S):
                    await self._stop_requested.wait()
        if self._stop_requested.is_set():
            raise RunStoppedError
