"""What the guards of a run know together: how its calls failed lately, and what they have cost."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.queue.tables import run_guards
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import is_active_run, runs


@dataclass(frozen=True, slots=True)
class GuardState:
    """What is stored for all guards of a run.

    Attributes:
        watches: What each of its watches has seen, in the order of the guard.
        cost: US dollars that its calls have cost.
        tokens: Their tokens.
    """

    watches: Sequence[JsonValue]
    cost: float
    tokens: int


RunTry = tuple[int, int]
"""A run, and how many times it has been retried: the calls before a retry say nothing about those after it."""


async def find_guard_state(
    tx: ReadTransaction | AsyncConnection, _scope: EngineScope, run: RunTry
) -> GuardState | None:
    """Return what is known of a run's calls; None: nothing yet."""
    query = select(run_guards).where(run_guards.c.run_key == run[0], run_guards.c.times_retried == run[1])
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else GuardState(row.watches, row.cost, row.tokens)


async def lock_guard_state(tx: AsyncConnection, scope: EngineScope, run: RunTry, first: GuardState) -> GuardState:
    """Return the same, locked; what was not there is stored as given."""
    of_run = (run_guards.c.run_key == run[0]) & (run_guards.c.times_retried == run[1])
    locked = select(run_guards.c.run_key).where(of_run).with_for_update()
    if (await tx.execute(locked)).one_or_none() is None:
        values = {"watches": list(first.watches), "cost": first.cost, "tokens": first.tokens}
        new = insert(run_guards).values(run_key=run[0], times_retried=run[1], **values)
        await tx.execute(new.on_conflict_do_nothing())
        await tx.execute(locked)
    found = await find_guard_state(tx, scope, run)
    return first if found is None else found


async def save_guard_state(tx: AsyncConnection, _scope: EngineScope, run: RunTry, state: GuardState) -> None:
    """Store what is known of a run's calls, whose state is locked."""
    of_run = (run_guards.c.run_key == run[0]) & (run_guards.c.times_retried == run[1])
    values = {"watches": list(state.watches), "cost": state.cost, "tokens": state.tokens}
    await tx.execute(run_guards.update().where(of_run).values(values))


async def forget_guard_states(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Delete what is known of runs that are over."""
    goes_on = exists().where(runs.c.key == run_guards.c.run_key, is_active_run)
    await tx.execute(delete(run_guards).where(~goes_on))
