"""Facts about query plans: frequent queries and those of large tables seek, even without statistics."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.domain.errors import EvalhavenError
from evalhaven.domain.paging import PageRequest
from evalhaven.domain.scopes import DEFAULT_PROJECT, EngineScope, OrganizationScope
from evalhaven.domain.statuses import ItemStatus, RunStatus
from evalhaven.storage.access.projects import Project, count_contents
from evalhaven.storage.chosen_items import read_chosen_items
from evalhaven.storage.chunks import list_pending_chunks
from evalhaven.storage.database import Database
from evalhaven.storage.deliveries import (
    ask_for_failed,
    claim_deliveries,
    get_delivery,
    list_attempts,
    list_deliveries,
    list_due_webhooks,
)
from evalhaven.storage.endpoint_states import list_flows
from evalhaven.storage.eval_overviews import count_runs, list_newest_runs, list_recent_runs, read_columns_of_runs
from evalhaven.storage.eval_writes import delete_eval
from evalhaven.storage.evals import get_eval, list_evals
from evalhaven.storage.events import forget_events
from evalhaven.storage.files import expire_files, get_file, list_files
from evalhaven.storage.imports import list_eval_ids_of_runs, list_imported_counts, list_taken_ids
from evalhaven.storage.item_previews import (
    find_runs_with_item_at,
    list_previews_after,
    list_previews_at,
    list_previews_in_runs,
)
from evalhaven.storage.output_items import (
    get_output_item,
    list_items_in_order,
    list_output_items,
    list_stored_ids,
    list_stored_positions,
)
from evalhaven.storage.purge import find_deleted_file, find_deleted_run, list_owned_blobs, purge_output_items
from evalhaven.storage.regrading import find_errored_keys, find_unknown_messages
from evalhaven.storage.run_overviews import RunFilter, take_runs
from evalhaven.storage.run_progress import list_progress
from evalhaven.storage.runs import get_run, get_run_by_id, list_active_runs, list_runs, lock_active_runs
from evalhaven.storage.tables import evals
from evalhaven.storage.uploads import (
    expire_uploads,
    find_ended_upload,
    forget_uploads,
    get_upload,
    list_parts,
    measure_parts,
)
from evalhaven.storage.webhooks import get_webhook, list_webhooks
from evalhaven.storage.work_left import read_work_left

Query = Callable[[AsyncConnection], Awaitable[Any]]
PAGE = PageRequest(20, "desc")
ITEM_ID = "outputitem_" + "a" * 32

QUERIES: dict[str, Query] = {
    "active runs": lambda tx: list_active_runs(tx, EngineScope(), 64),
    "active runs of an eval": lambda tx: lock_active_runs(tx, DEFAULT_PROJECT, 1),
    "active runs of a project": lambda tx: lock_active_runs(tx, DEFAULT_PROJECT),
    "runs of an eval": lambda tx: list_runs(tx, DEFAULT_PROJECT, 1, PAGE, None),
    "runs of an eval by status": lambda tx: list_runs(tx, DEFAULT_PROJECT, 1, PAGE, RunStatus.FAILED),
    "evals": lambda tx: list_evals(tx, DEFAULT_PROJECT, PAGE),
    "evals by update": lambda tx: list_evals(tx, DEFAULT_PROJECT, PAGE, by_update=True),
    "files": lambda tx: list_files(tx, DEFAULT_PROJECT, PAGE, None, 0),
    "expiry": lambda tx: expire_files(tx, EngineScope(), 0),
    "deletion of an eval": lambda tx: delete_eval(tx, DEFAULT_PROJECT, 1, 0),
    "a deleted run": lambda tx: find_deleted_run(tx, EngineScope()),
    "a deleted file": lambda tx: find_deleted_file(tx, EngineScope()),
    "items": lambda tx: list_output_items(tx, DEFAULT_PROJECT, 1, PAGE, None),
    "items by status": lambda tx: list_output_items(tx, DEFAULT_PROJECT, 1, PAGE, ItemStatus.FAIL),
    "items in order": lambda tx: list_items_in_order(tx, DEFAULT_PROJECT, 1, None, (9, 99), ()),
    "more items in order": lambda tx: list_items_in_order(tx, DEFAULT_PROJECT, 1, (5, 0), (9, 99), ()),
    "errors in order": lambda tx: list_items_in_order(tx, DEFAULT_PROJECT, 1, (5, 0), (9, 99), [ItemStatus.ERROR]),
    "chosen items": lambda tx: read_chosen_items(tx, DEFAULT_PROJECT, 1, [(5, 0), (7, 1)], 99),
    "an item": lambda tx: get_output_item(tx, DEFAULT_PROJECT, 1, ITEM_ID),
    "stored ids": lambda tx: list_stored_ids(tx, DEFAULT_PROJECT, 1, [ITEM_ID]),
    "stored positions": lambda tx: list_stored_positions(tx, DEFAULT_PROJECT, 1, 0, 500),
    "purge of items": lambda tx: purge_output_items(tx, DEFAULT_PROJECT, 1, 256),
    "purge of more items": lambda tx: purge_output_items(tx, DEFAULT_PROJECT, 1, 256, (255, 0)),
    "an eval": lambda tx: get_eval(tx, DEFAULT_PROJECT, "eval_1"),
    "a run": lambda tx: get_run(tx, DEFAULT_PROJECT, "eval_1", "evalrun_1"),
    "a run without its eval": lambda tx: get_run_by_id(tx, DEFAULT_PROJECT, "evalrun_1"),
    "a file": lambda tx: get_file(tx, DEFAULT_PROJECT, "file-1", 0),
    "evals after another": lambda tx: list_evals(tx, DEFAULT_PROJECT, replace(PAGE, after="eval_1")),
    "runs after another": lambda tx: list_runs(tx, DEFAULT_PROJECT, 1, replace(PAGE, after="evalrun_1"), None),
    "files after another": lambda tx: list_files(tx, DEFAULT_PROJECT, replace(PAGE, after="file-1"), None, 0),
    "taken ids": lambda tx: list_taken_ids(tx, DEFAULT_PROJECT, evals, ["eval_1", "eval_2"]),
    "evals of runs": lambda tx: list_eval_ids_of_runs(tx, DEFAULT_PROJECT, ["evalrun_1"]),
    "counts of imported runs": lambda tx: list_imported_counts(tx, DEFAULT_PROJECT, ["evalrun_1"]),
    "owners of blobs": lambda tx: list_owned_blobs(tx, DEFAULT_PROJECT, ["file-1", "evalrun_1"]),
    "an upload": lambda tx: get_upload(tx, DEFAULT_PROJECT, "upload_1"),
    "parts of an upload": lambda tx: list_parts(tx, DEFAULT_PROJECT, 1),
    "size of an upload's parts": lambda tx: measure_parts(tx, DEFAULT_PROJECT, 1),
    "expiry of uploads": lambda tx: expire_uploads(tx, EngineScope(), 0),
    "an ended upload": lambda tx: find_ended_upload(tx, EngineScope()),
    "old uploads": lambda tx: forget_uploads(tx, EngineScope(), 0),
    "due webhooks": lambda tx: list_due_webhooks(tx, EngineScope(), 0),
    "due deliveries": lambda tx: claim_deliveries(tx, EngineScope(), 1, 0, 1, 4),
    "a delivery": lambda tx: get_delivery(tx, DEFAULT_PROJECT, 1, f"wh_{'0' * 32}"),
    "attempts": lambda tx: list_attempts(tx, DEFAULT_PROJECT, 1, [1, 2]),
    "failed deliveries": lambda tx: ask_for_failed(tx, DEFAULT_PROJECT, 1, 0),
    "webhooks": lambda tx: list_webhooks(tx, DEFAULT_PROJECT, PAGE),
    "a webhook": lambda tx: get_webhook(tx, DEFAULT_PROJECT, "whe_1"),
    "deliveries of a subscriber": lambda tx: list_deliveries(tx, DEFAULT_PROJECT, 1, 100, 5),
    "old events": lambda tx: forget_events(tx, EngineScope(), 0),
    "runs of all evals": lambda tx: take_runs(tx, DEFAULT_PROJECT, RunFilter(), ("ended", (5, "evalrun_1")), bool),
    "runs under way of all evals": lambda tx: take_runs(tx, DEFAULT_PROJECT, RunFilter(), ("active", None), bool),
    "runs of one eval at a glance": lambda tx: take_runs(
        tx, DEFAULT_PROJECT, RunFilter(eval_keys=[1]), ("ended", None), bool
    ),
    "last runs of evals": lambda tx: list_recent_runs(tx, DEFAULT_PROJECT, [1, 2]),
    "number of runs": lambda tx: count_runs(tx, DEFAULT_PROJECT, [1, 2]),
    "newest runs of an eval": lambda tx: list_newest_runs(tx, DEFAULT_PROJECT, 1, 20),
    "columns of runs": lambda tx: read_columns_of_runs(tx, DEFAULT_PROJECT, [1, 2], ["key", "status"]),
    "progress": lambda tx: list_progress(tx, DEFAULT_PROJECT, ["evalrun_1", "evalrun_2"]),
    "states of endpoints": lambda tx: list_flows(tx, DEFAULT_PROJECT),
    "rows of a table": lambda tx: list_previews_at(tx, DEFAULT_PROJECT, 1, [(5, 0), (6, 1)]),
    "rows in order": lambda tx: list_previews_after(tx, DEFAULT_PROJECT, 1, (5, 0), [ItemStatus.FAIL], 50),
    "an item in other runs": lambda tx: find_runs_with_item_at(tx, DEFAULT_PROJECT, [2, 3], 5, b"h"),
    "samples in other runs": lambda tx: list_previews_in_runs(tx, DEFAULT_PROJECT, {2: 5, 3: 6}),
    "errored items by id": lambda tx: find_errored_keys(tx, DEFAULT_PROJECT, 1, [ITEM_ID]),
    "errors by message": lambda tx: find_unknown_messages(tx, DEFAULT_PROJECT, 1, {"x"}),
    "work that is left": lambda tx: read_work_left(tx, EngineScope()),
    "contents of projects": lambda tx: count_contents(
        tx, OrganizationScope(), [Project(DEFAULT_PROJECT, "proj_default", "", 0, None)], 0
    ),
    "pending chunks": lambda tx: list_pending_chunks(tx, DEFAULT_PROJECT, 1, -1, 2),
}
# Indexes that hold only the few rows in question may be read whole.
SMALL = (
    "ix_runs_active",
    "ix_runs_to_purge",
    "ix_files_to_purge",
    "ix_files_expiring",
    "ix_uploads_to_purge",
    "ix_deliveries_due",
)


# Read from its newest end until there are enough.
IN_ORDER = ("ix_runs_created_at_public_id",)
# There are as many webhooks as people have made by hand.
FEW = ("ix_webhooks_project_id_created_at_public_id", "pk_webhooks")
# A few rows are sorted, or found through several ranges at once, which takes what the test switches off.
OF_FEW_ROWS = {"runs under way of all evals", "last runs of evals", "samples in other runs"}


async def executed_by(tx: AsyncConnection, query: Query) -> list[tuple[str, Any]]:
    """Return each statement that a query executes, and its parameters."""
    executed: list[tuple[str, Any]] = []

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        executed.append((statement, parameters))

    engine = tx.sync_connection
    assert engine is not None
    event.listen(engine, "before_cursor_execute", remember)
    try:
        await query(tx)
    except EvalhavenError:
        assert executed
    event.remove(engine, "before_cursor_execute", remember)
    return executed


async def steps_of(database: Database, query: Query) -> list[str]:
    """Return the steps of SQLite's plan of each statement that a query executes."""
    steps: list[str] = []
    async with database.write() as tx:
        for statement, parameters in await executed_by(tx, query):
            rows = await tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps += [str(row.detail) for row in rows]
    return steps


async def nodes_of(database: Database, query: Query) -> list[dict[str, Any]]:
    """Return the nodes of PostgreSQL's plans, in which it scans or sorts only where no index would do."""
    nodes: list[dict[str, Any]] = []
    async with database.write() as tx:
        executed = await executed_by(tx, query)
        for setting in ("enable_seqscan", "enable_sort", "enable_bitmapscan"):
            await tx.exec_driver_sql(f"SET LOCAL {setting} = off")
        for statement, parameters in executed:
            made = await tx.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            pending = [each["Plan"] for each in made.scalar_one()]
            while pending:
                node = pending.pop()
                pending += node.get("Plans", [])
                nodes.append(node)
    return nodes


@pytest.mark.parametrize("name", QUERIES)
async def test_sqlite_seeks(sqlite_database: Database, name: str) -> None:
    steps = await steps_of(sqlite_database, QUERIES[name])

    assert steps
    assert [step for step in steps if step.startswith("SCAN ") and not step.endswith((*SMALL, *IN_ORDER, *FEW))] == []


@pytest.mark.parametrize("name", sorted(QUERIES.keys() - OF_FEW_ROWS))
async def test_postgresql_seeks_and_never_sorts(postgresql_database: Database, name: str) -> None:
    nodes = await nodes_of(postgresql_database, QUERIES[name])
    scans = [node for node in nodes if "Scan" in node["Node Type"] and node["Node Type"] != "Function Scan"]

    assert scans
    assert [node for node in nodes if node["Node Type"] in ("Seq Scan", "Sort")] == []
    whole = (*SMALL, *IN_ORDER, *FEW)
    assert [node for node in scans if "Index Cond" not in node and node["Index Name"] not in whole] == []


async def test_items_are_found_by_id_through_the_index_of_ids(sqlite_database: Database) -> None:
    steps = await steps_of(sqlite_database, QUERIES["an item"])

    assert "ix_output_items_run_key_public_id" in " ".join(steps)


async def test_active_runs_are_read_from_the_index_that_holds_no_others(sqlite_database: Database) -> None:
    steps = await steps_of(sqlite_database, QUERIES["active runs"])

    assert "ix_runs_active" in " ".join(steps)


@pytest.mark.parametrize("name", ["active runs of an eval", "deletion of an eval"])
async def test_an_eval_does_not_read_the_runs_of_others(sqlite_database: Database, name: str) -> None:
    steps = " ".join(await steps_of(sqlite_database, QUERIES[name]))

    assert "eval_key=?" in steps or "ix_runs_active" in steps


async def test_the_newest_runs_are_not_sorted_out_of_all(sqlite_database: Database) -> None:
    for name in ("runs of all evals", "states of endpoints"):
        steps = " ".join(await steps_of(sqlite_database, QUERIES[name]))
        assert "ix_runs_created_at_public_id" in steps
        assert "TEMP B-TREE" not in steps


@pytest.mark.parametrize("name", ["runs of an eval", "runs of one eval at a glance", "newest runs of an eval"])
async def test_the_runs_of_an_eval_are_read_from_its_own_index(sqlite_database: Database, name: str) -> None:
    assert "ix_runs_eval_key_created_at_public_id (eval_key=?" in " ".join(
        await steps_of(sqlite_database, QUERIES[name])
    )


async def test_runs_under_way_are_read_from_their_own_index(sqlite_database: Database) -> None:
    assert "ix_runs_active" in " ".join(await steps_of(sqlite_database, QUERIES["runs under way of all evals"]))
