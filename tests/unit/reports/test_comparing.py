"""Facts about the choice of a baseline while the items of large runs are still being prepared."""

from functools import partial

import pytest

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.ids import RunId
from evalhaven.domain.runs import Run
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.reports.columns import loading
from evalhaven.reports.comparing import NOT_READY, Comparer, HowToPair
from evalhaven.storage.database import Database
from tests.unit.reports.test_columns import add_items, end_run, item_with, keeper_of
from tests.unit.storage.conftest import database, postgresql_database, sqlite_database
from tests.unit.storage.stored import PASSED, make_eval, store_active_run, store_eval

__all__ = ["database", "postgresql_database", "sqlite_database"]


async def store_ended_runs(database: Database, count: int) -> list[Run]:
    """Store completed runs of one eval with the same items."""
    parent = await store_eval(database, make_eval(criteria=[{"id": "c", "name": "c", "type": "string_check"}]))
    runs: list[Run] = []
    for number in range(1, count + 1):
        run = await store_active_run(database, parent, id=RunId(f"evalrun_{number:032x}"), created_at=number)
        await add_items(database, run, *[item_with(n, f'{{"n": {n}}}', grades=[PASSED]) for n in range(3)])
        runs.append(await end_run(database, run))
    return runs


async def test_no_run_is_said_to_stand_alone_before_its_items_are_prepared(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "SMALL_RUN_ITEMS", 0)
    first, last = await store_ended_runs(database, 2)
    find = partial(Comparer().find_baseline, scope=SCOPE, run_id=last.id, how=HowToPair())
    with pytest.raises(InvalidRequestError) as refused:
        await database.fetch(find)
    keeper = keeper_of(database)
    while await keeper.keep_once():
        pass

    assert refused.value.code == NOT_READY
    assert await database.fetch(find) == (first.id, "earlier")
