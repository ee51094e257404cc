"""Runs that kill the process that executes them: detected by what is stored, since a dead process reports nothing.

Before the first chunk of a run is evaluated, the process writes its name into the run. A process that takes the
run up and finds another name there knows that the named process died: an orderly stop erases the name.
"""

import structlog

from evalhaven.domain.run_events import RunEvent
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import EngineScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.runs.engine import Engine
from evalhaven.storage.database import Database, is_unavailable
from evalhaven.storage.deaths import (
    forget_evaluations,
    has_evaluated_runs,
    lock_suspects,
    save_evaluation,
)
from evalhaven.storage.reading import WriteTransaction
from evalhaven.storage.run_history import append_events
from evalhaven.storage.runs import get_run_by_key

DEATHS_AT_MOST = 3


async def count_death(engine: Engine, run: Run) -> ItemError | None:
    """Count the death of the process that last evaluated a run, if it died; return what ends the run after too many.

    Args:
        engine: What runs are executed with.
        run: The run that is taken up.
    """
    deaths = run.deaths
    if run.evaluated_by not in (None, engine.process):
        deaths = await record_death(engine, run)
    return None if deaths < DEATHS_AT_MOST else deadly_error(run, deaths)


async def record_death(engine: Engine, run: Run, *, of_sampler: bool = False) -> int:
    """Count the death of a process that evaluated items of a run; return how many died in a row.

    Args:
        engine: What runs are executed with.
        run: The run.
        of_sampler: Whether it was one of several, so that the run goes on under the same executor.
    """
    async with engine.database.write() as tx:
        current = await get_run_by_key(tx, run.scope, run.key, for_update=True)
        # A run with everything stored had nothing left that could have killed the process.
        is_counted = current.items_missing or (current.times_retried > 0 and current.tally.errored > 0)
        deaths = current.deaths + is_counted
        await save_evaluation(tx, run.scope, run.key, None, deaths)
        if is_counted and current.status is RunStatus.IN_PROGRESS and of_sampler:
            happened = RunEvent("resumed", int(engine.clock.now()), {"died": True})
            await append_events(tx, run.scope, run.key, [happened])
    if is_counted:
        structlog.get_logger("evalhaven.runs").warning("executor_died_in_run", run_id=run.id, deaths=deaths)
    return deaths


def deadly_error(run: Run, deaths: int) -> ItemError:
    """Return what ends a run in which too many processes died."""
    return ItemError(
        "run_kills_executor",
        f"The process that executes runs died {deaths} times in a row while it evaluated this run, and no item was "
        "stored in between. Finished items stay. When the cause is gone, such as too little memory, try again with "
        f"POST /api/runs/{run.id}/retry.",
    )


async def note_evaluation(engine: Engine, run: Run) -> bool:
    """Record that this process evaluates chunks of a run; call it before the first chunk. False: wait for another run.

    Runs that one more death would end are evaluated one at a time, until each has stored an item: otherwise
    the run that kills the process would end the others with it.
    """

    async def note(tx: WriteTransaction) -> bool:
        suspects = await lock_suspects(tx, EngineScope(), DEATHS_AT_MOST - 1)
        if run.key in suspects and engine.process in (suspects[key] for key in suspects if key != run.key):
            return False
        await save_evaluation(tx, run.scope, run.key, engine.process)
        return True

    return await engine.database.store(note)


async def note_orderly_stop(database: Database) -> None:
    """Record that the process that evaluated runs was stopped and did not die; call it once the process is gone.

    If the database cannot be written, the stop counts as a death: three of those in a row are unlikely.
    """
    try:
        async with database.read() as tx:
            is_needed = await has_evaluated_runs(tx, EngineScope())
        if is_needed:
            async with database.write() as tx:
                await forget_evaluations(tx, EngineScope())
    except Exception as error:
        if not is_unavailable(error):
            raise
        structlog.get_logger("evalhaven.runs").warning("orderly_stop_not_noted", reason=str(error.__cause__))
