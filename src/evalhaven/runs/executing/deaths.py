"""Runs that kill the process that executes them: found by what is stored, since the process cannot tell any more.

Before the first chunk of a run is evaluated, the process writes its name into it. Whoever finds another name there
when it takes the run up knows that this process died meanwhile: one that is stopped in good order has its name erased.
"""

import structlog

from evalhaven.domain.runs import Run
from evalhaven.domain.samples import ItemError
from evalhaven.domain.scopes import EngineScope
from evalhaven.runs.engine import Engine
from evalhaven.storage.database import Database, is_unavailable
from evalhaven.storage.deaths import (
    forget_evaluations,
    has_evaluated_runs,
    lock_suspects,
    save_evaluation,
)
from evalhaven.storage.runs import get_run_by_key

DEATHS_AT_MOST = 3


async def count_death(engine: Engine, run: Run) -> ItemError | None:
    """Count the death that a run is found to have had, if any; return what ends it, if there were too many.

    Args:
        engine: What runs are executed with.
        run: The run that is taken up.
    """
    deaths = run.deaths
    if run.evaluated_by not in (None, engine.process):
        async with engine.database.write() as tx:
            current = await get_run_by_key(tx, run.scope, run.key, for_update=True)
            # One that had stored everything had nothing left that could have killed it.
            is_counted = current.items_missing or (current.times_retried > 0 and current.tally.errored > 0)
            deaths = current.deaths + is_counted
            await save_evaluation(tx, run.scope, run.key, None, deaths)
        if is_counted:
            structlog.get_logger("evalhaven.runs").warning("executor_died_in_run", run_id=run.id, deaths=deaths)
    if deaths < DEATHS_AT_MOST:
        return None
    return ItemError(
        "run_kills_executor",
        f"The process that executes runs died {deaths} times in a row while it evaluated this run, and no item was "
        "stored in between. Finished items stay. When the cause is gone, such as too little memory, try again with "
        f"POST /api/runs/{run.id}/retry.",
    )


async def note_evaluation(engine: Engine, run: Run) -> bool:
    """Write that this process evaluates chunks of a run; call it before the first of them.

    Runs of which the next death would be the last are evaluated one at a time, until each has stored an item: else
    the one that kills would take the others with it. False: another one has to be waited for.
    """
    async with engine.database.write() as tx:
        suspects = await lock_suspects(tx, EngineScope(), DEATHS_AT_MOST - 1)
        if run.key in suspects and engine.process in (suspects[key] for key in suspects if key != run.key):
            return False
        await save_evaluation(tx, run.scope, run.key, engine.process)
        return True


async def note_orderly_stop(database: Database) -> None:
    """Write that the process that evaluated runs did not die but was stopped; call it when it is gone.

    Where the database cannot be written, it counts as a death: three of those in a row are unlikely.
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
