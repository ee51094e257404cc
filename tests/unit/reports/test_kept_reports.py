"""Facts about reports of large runs: computed once when the columns are complete, and told as computed ones are."""

from typing import Any

import pytest
from sqlalchemy import URL, delete, select

from evalhaven.domain.errors import InvalidRequestError
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import Sample
from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.domain.scopes import ProjectScope
from evalhaven.graders.calculators import CalculatorPool
from evalhaven.reports.columns.form import LARGE_RUN_ITEMS
from evalhaven.reports.columns.keeper import ColumnsKeeper, KeptReports
from evalhaven.reports.keeping import keep_report_elsewhere
from evalhaven.reports.kept_reports import read_report
from evalhaven.reports.report import ReportQuestion, compute_report
from evalhaven.runs.patience import Patience
from evalhaven.storage.database import Database
from evalhaven.storage.evals import get_eval
from evalhaven.storage.reading import ReadTransaction
from evalhaven.storage.run_columns import KeptReport
from evalhaven.storage.run_writes import note_items_changed
from evalhaven.storage.runs import get_run
from evalhaven.storage.tables import run_columns
from tests.unit.reports.test_columns import ERROR, add_items, item_with, list_outdated, store_ended_run
from tests.unit.storage.conftest import database, postgresql_database, sqlite_database
from tests.unit.storage.stored import FAILED, PASSED

__all__ = ["database", "postgresql_database", "sqlite_database"]

PLAIN = ReportQuestion()
BROKEN_DOWN = ReportQuestion(by=("topic",))


async def store_run(database: Database) -> Run:
    """Store a run of 40 items, some failed, one errored, each with a topic."""
    items = [
        item_with(n, f'{{"topic":"{"ab"[n % 2]}"}}', grades=[PASSED if n % 4 else FAILED], sample=Sample(latency_ms=n))
        for n in range(39)
    ]
    return await store_ended_run(database, *items, item_with(39, "{}", grades=[], sample=Sample(error=ERROR)))


async def keep(database: Database, reports: KeptReports) -> None:
    """Make all columns that are due."""
    async with CalculatorPool(1) as calculators:
        await ColumnsKeeper(database, calculators, Patience(), reports=reports).keep_once()


async def ask(database: Database, run: Run, question: ReportQuestion) -> dict[str, Any]:
    """Return a report, which may be a kept one."""

    async def read(tx: ReadTransaction) -> dict[str, Any]:
        now = await get_run(tx, SCOPE, run.eval_id, run.id)
        report = await read_report(tx, now, await get_eval(tx, SCOPE, run.eval_id), question, least_items=1)
        return report.model_dump()

    return await database.fetch(read)


async def compute(database: Database, run: Run, question: ReportQuestion) -> dict[str, Any]:
    """Return the report that is computed from all items."""

    async def read(tx: ReadTransaction) -> dict[str, Any]:
        now = await get_run(tx, SCOPE, run.eval_id, run.id)
        report = await compute_report(tx, now, await get_eval(tx, SCOPE, run.eval_id), question)
        return report.model_dump()

    return await database.fetch(read)


async def forget_columns(database: Database) -> None:
    """Remove all columns, so that whatever is told now was kept."""
    async with database.write() as tx:
        await tx.execute(delete(run_columns).where(run_columns.c.name != "report"))


async def test_a_kept_report_tells_what_a_computed_one_does(database: Database) -> None:
    run = await store_run(database)
    await keep(database, KeptReports(40, keep_report_elsewhere))
    assert await list_outdated(database) == []
    computed = [await compute(database, run, question) for question in (PLAIN, BROKEN_DOWN)]
    assert computed[0]["passed"] == 29
    assert computed[1]["breakdowns"][0]["groups"][0]["items"] == 20

    await forget_columns(database)

    assert [await ask(database, run, question) for question in (PLAIN, BROKEN_DOWN)] == computed


async def test_what_is_not_kept_is_computed(database: Database) -> None:
    run = await store_run(database)
    await keep(database, KeptReports(40, keep_report_elsewhere))
    for question in (
        ReportQuestion(ks=(1,)),
        ReportQuestion(reference="topic"),
        ReportQuestion(by=("topic",), ks=(2,)),
    ):
        assert await ask(database, run, question) == await compute(database, run, question)
    with pytest.raises(InvalidRequestError, match="no field 'color'"):
        await ask(database, run, ReportQuestion(by=("topic", "color")))


async def test_the_report_of_a_smaller_run_is_not_kept(database: Database) -> None:
    run = await store_run(database)
    await keep(database, KeptReports(LARGE_RUN_ITEMS, keep_report_elsewhere))
    async with database.read() as tx:
        assert (await tx.execute(select(run_columns).where(run_columns.c.name == "report"))).all() == []
    assert await ask(database, run, PLAIN) == await compute(database, run, PLAIN)


async def test_a_kept_report_is_not_told_of_other_items(database: Database) -> None:
    run = await store_run(database)
    await keep(database, KeptReports(40, keep_report_elsewhere))
    await add_items(database, run, item_with(40, "{}", grades=[PASSED]))
    async with database.write() as tx:
        await note_items_changed(tx, SCOPE, run.key)

    assert (await ask(database, run, PLAIN))["passed"] == 30
    await keep(database, KeptReports(40, keep_report_elsewhere))
    await forget_columns(database)
    assert (await ask(database, run, PLAIN))["passed"] == 30


def fail(*_: object) -> KeptReport | None:
    """Fail as a report does for which there is not enough memory."""
    raise MemoryError


def find_nothing(_url: URL, _scope: ProjectScope, _run_key: int) -> KeptReport | None:
    """Find the database away."""
    return None


def change_items(url: URL, scope: ProjectScope, run_key: int) -> KeptReport | None:
    """Compute a report of another version than that of the columns."""
    kept = keep_report_elsewhere(url, scope, run_key)
    return None if kept is None else KeptReport(kept.items_version + 1, kept.form, kept.document)


@pytest.mark.parametrize("computing", [fail, find_nothing, change_items])
async def test_columns_are_complete_without_a_report_too(database: Database, computing: object) -> None:
    run = await store_run(database)
    await keep(database, KeptReports(40, computing))  # pyright: ignore[reportArgumentType]
    assert await list_outdated(database) == []
    assert await ask(database, run, PLAIN) == await compute(database, run, PLAIN)


async def test_a_kill_before_the_report_is_kept_leaves_it_to_the_next_keeper(database: Database) -> None:
    run = await store_run(database)

    class Killed(CalculatorPool):
        """Dies when the report is asked for."""

        async def call(self, function: object, *arguments: object) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]
            if function is keep_report_elsewhere:
                raise KeyboardInterrupt
            return await super().call(function, *arguments)  # pyright: ignore[reportArgumentType]

    keeper = ColumnsKeeper(database, Killed(1), Patience(), reports=KeptReports(40, keep_report_elsewhere))
    with pytest.raises(KeyboardInterrupt):
        await keeper.keep_once()
    assert len(await list_outdated(database)) == 1

    await keep(database, KeptReports(40, keep_report_elsewhere))
    expected = await compute(database, run, PLAIN)
    await forget_columns(database)
    assert await ask(database, run, PLAIN) == expected
