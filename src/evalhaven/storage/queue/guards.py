"""What the guards of a run know together: how its calls failed lately, and what they have cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.jsontext import JsonValue
from evalhaven.domain.scopes import EngineScope
from evalhaven.storage.queue.tables import run_guards
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.tables import is_active_run, runs

# Statements that are executed again and again are made once.
_IS_OF_RUN = (run_guards.c.run_key == bindparam("of_run")) & (run_guards.c.times_retried == bindparam("retried"))
_OF_RUN = select(run_guards).where(_IS_OF_RUN)
_LOCKED = _OF_RUN.with_for_update()
_INSERT = insert(run_guards).on_conflict_do_nothing().returning(run_guards.c.run_key)
_UPDATE = run_guards.update().where(_IS_OF_RUN)


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
    return await _find(tx, _OF_RUN, run)


async def lock_guard_state(tx: AsyncConnection, _scope: EngineScope, run: RunTry, first: GuardState) -> GuardState:
    """Return the same, locked; what was not there is stored as given."""
    found = await _find(tx, _LOCKED, run)
    if found is None:
        values = {"run_key": run[0], "times_retried": run[1], **_values(first)}
        if (await tx.execute(_INSERT, values)).one_or_none() is None:
            found = await _find(tx, _LOCKED, run)  # another has just stored it
    return first if found is None else found


async def save_guard_state(tx: AsyncConnection, _scope: EngineScope, run: RunTry, state: GuardState) -> None:
    """Store what is known of a run's calls, whose state is locked."""
    await tx.execute(_UPDATE, {"of_run": run[0], "retried": run[1], **_values(state)})


async def forget_guard_states(tx: AsyncConnection, _scope: EngineScope) -> None:
    """Delete what is known of runs that are over."""
    goes_on = exists().where(runs.c.key == run_guards.c.run_key, is_active_run)
    await tx.execute(delete(run_guards).where(~goes_on))


async def _find(tx: ReadTransaction | AsyncConnection, query: Select[Any], run: RunTry) -> GuardState | None:
    row = (await tx.execute(query, {"of_run": run[0], "retried": run[1]})).one_or_none()
    return None if row is None else GuardState(row.watches, row.cost, row.tokens)


def _values(state: GuardState) -> dict[str, Any]:
    return {"watches": list(state.watches), "cost": state.cost, "tokens": state.tokens}
