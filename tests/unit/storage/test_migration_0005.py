"""Facts about the step to ids within projects and events with subscribers: rows of the release before stay."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import URL, Engine, event, inspect, literal_column, select, table, text
from sqlalchemy.exc import PendingRollbackError

from evalhaven.domain.scopes import DEFAULT_PROJECT as SCOPE
from evalhaven.storage.database import postgresql_url, sqlite_url, sync_engine
from evalhaven.storage.deliveries import list_deliveries
from evalhaven.storage.evals import get_eval
from evalhaven.storage.events import insert_subscriber, record_event
from evalhaven.storage.files import get_file
from evalhaven.storage.revisions import schema_revisions
from evalhaven.storage.runs import get_run
from evalhaven.storage.schema import _alembic_config, upgrade_database
from tests.databases import PostgresServer
from tests.sizes import SEED, SIZES
from tests.unit.storage.stored import OTHER_PROJECT as OTHER
from tests.unit.storage.stored import add_project, opened, store_eval, store_file, store_run

REVISIONS = (
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0019",
    "0020",
    "0021",
)
ROWS = (
    """
INSERT INTO evals (key, project_id, public_id, created_at, updated_at, name, metadata, data_source_config,
    testing_criteria, warnings)
VALUES (1, 1, 'eval_1', 100, 100, '"e"', '{}', '{"type":"logs"}', '[]', '[]'),
    (7, 1, 'eval_7', 100, 101, '"deleted \\u0000"', '{}', '{"type":"logs"}', '[]', '[]')
""",
    "UPDATE evals SET deleted_at = 102 WHERE key = 7",
    """
INSERT INTO files (key, project_id, public_id, created_at, expires_at, filename, purpose, size_bytes)
VALUES (1, 1, 'file-1', 100, 5000, '"rows.jsonl"', 'evals', 13500)
""",
    """
INSERT INTO runs (key, project_id, eval_key, public_id, created_at, updated_at, status, name, model, metadata,
    data_source, has_inline_rows, file_id, warnings, deaths, evaluated_by, source_bytes)
VALUES (1, 1, 1, 'evalrun_1', 100, 100, 'in_progress', '"a"', '""', '{}', '{"type":"jsonl","source":{}}', TRUE, NULL,
    '[]', 2, 'p', NULL),
    (5, 1, 1, 'evalrun_2', 100, 100, 'completed', '"b"', '""', '{}', '{"type":"jsonl","source":{}}', FALSE, 'file-1',
    '[]', 0, NULL, 13500)
""",
    """
INSERT INTO chunks (project_id, run_key, number, first_position, row_count, byte_start, byte_end, is_done)
VALUES (1, 1, 0, 0, 5, 0, 50, TRUE), (1, 1, 1, 5, 4, 50, 90, FALSE)
""",
    """
INSERT INTO events (project_id, created_at, type, object_id)
VALUES (1, 100, 'eval.run.succeeded', 'evalrun_2'), (1, 100, 'eval.run.canceled', 'evalrun_0')
""",
    """
INSERT INTO idempotency_keys (project_id, idempotency_key, created_at, request_hash, object_id)
VALUES (1, 'k', 100, :hash, 'eval_1')
""",
    """
INSERT INTO output_items (run_key, position, repeat, project_id, public_id, created_at, status, item, item_hash, grades)
VALUES (5, 0, 0, 1, :first, 100, 1, '{}', :first, '[[1.0,true]]'), (5, 1, 0, 1, :second, 100, 2, '{}', :second, '[]')
""",
)
VALUES = {"hash": b"h" * 32, "first": b"1" * 16, "second": b"2" * 16}
TABLES = ("projects", "evals", "files", "runs", "chunks", "events", "idempotency_keys", "output_items")


@pytest.fixture
def new_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], URL]]:
    """Return a function that makes a database of the previous release, with rows in it, and returns its address."""
    made: list[URL] = []
    if database_kind == "sqlite":
        first = tmp_path / "first.db"
        _fill(sqlite_url(first))

        def new_sqlite() -> URL:
            made.append(sqlite_url(Path(shutil.copy(first, tmp_path / f"older{len(made)}.db"))))
            return made[-1]

        yield new_sqlite
        return
    postgres: PostgresServer = request.getfixturevalue("postgres")
    template = postgres.new_database()
    _fill(postgresql_url(template))

    def new_postgresql() -> URL:
        made.append(postgresql_url(postgres.new_database(template.rpartition("/")[2])))
        return made[-1]

    yield new_postgresql
    for address in [template, *(url.render_as_string(hide_password=False) for url in made)]:
        postgres.drop_database(address)


def _fill(url: URL) -> None:
    engine = sync_engine(url)
    with engine.connect() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        for statement in ROWS:
            connection.execute(text(statement), {name: VALUES[name] for name in VALUES if f":{name}" in statement})
        if connection.dialect.name == "postgresql":
            for name in ("evals", "files", "runs"):
                connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{name}', 'key'), 7)")
        connection.commit()
    engine.dispose()


def read_rows(url: URL) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of the tables that were there before."""
    engine = sync_engine(url)
    with engine.connect() as connection:
        found = {
            name: connection.execute(select(literal_column("*")).select_from(table(name))).mappings().all()
            for name in TABLES
        }
    engine.dispose()
    return {name: sorted((dict(row) for row in rows), key=str) for name, rows in found.items()}


def without_deliveries(rows: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return rows without the column of events that said when they were delivered; none had been."""
    told = [{name: value for name, value in row.items() if name != "delivered_at"} for row in rows["events"]]
    return {**rows, "events": told}


def as_before(
    rows: dict[str, list[dict[str, Any]]], before: dict[str, list[dict[str, Any]]]
) -> dict[str, list[dict[str, Any]]]:
    """Return rows without the tables and columns that came later."""
    columns = {table: set(found[0]) for table, found in before.items() if found}
    return {
        table: [{name: value for name, value in row.items() if name in columns[table]} for row in found]
        for table, found in rows.items()
        if table in columns
    }


def read_schema(url: URL) -> dict[str, Any]:
    """Return the columns, keys and indexes of all tables."""
    engine = sync_engine(url)
    with engine.connect() as connection:
        found = inspect(connection)
        schema = {
            name: [
                found.get_columns(name),
                found.get_pk_constraint(name),
                sorted(found.get_foreign_keys(name), key=str),
                sorted(found.get_unique_constraints(name), key=str),
                sorted(map(_index, found.get_indexes(name))),
            ]
            for name in sorted(found.get_table_names())
        }
    engine.dispose()
    return {name: str(parts) for name, parts in schema.items()}


def _index(index: Mapping[str, Any]) -> str:
    options = {name: str(value) for name, value in index.get("dialect_options", {}).items()}
    return f"{index['name']} {index['column_names']} {index['unique']} {options}"


def test_every_row_stays_as_it_was(new_url: Callable[[], URL]) -> None:
    url = new_url()
    before = read_rows(url)
    upgrade_database(url)

    assert all(before.values())
    assert as_before(read_rows(url), before) == without_deliveries(before)


def test_nothing_refers_to_what_is_not_there(new_url: Callable[[], URL], database_kind: str) -> None:
    url = new_url()
    upgrade_database(url)
    engine = sync_engine(url)
    with engine.connect() as connection:
        if database_kind == "sqlite":
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        referred = {
            (name, key["referred_table"])
            for name in inspect(connection).get_table_names()
            for key in inspect(connection).get_foreign_keys(name)
        }
    engine.dispose()
    assert {("runs", "evals"), ("output_items", "runs"), ("chunks", "runs"), ("run_secrets", "runs")} <= referred


def test_a_database_that_was_upgraded_is_like_one_that_was_made_anew(
    new_url: Callable[[], URL], database_url: URL
) -> None:
    url = new_url()
    upgrade_database(url)

    assert read_schema(url) == read_schema(database_url)


async def test_older_events_wait_for_nobody(new_url: Callable[[], URL]) -> None:
    url = new_url()
    upgrade_database(url)
    async with opened(url) as database, database.write() as tx:
        subscriber = await insert_subscriber(tx, SCOPE, "s", 100)
        assert await list_deliveries(tx, SCOPE, subscriber, 9) == []
        await record_event(tx, SCOPE, "eval.run.succeeded", "evalrun_1", 100)
        [delivery] = await list_deliveries(tx, SCOPE, subscriber, 9)
    assert delivery.event.object_id == "evalrun_1"


async def test_another_project_may_have_the_same_ids_afterwards(new_url: Callable[[], URL]) -> None:
    url = new_url()
    upgrade_database(url)
    async with opened(url) as database:
        await add_project(database)
        async with database.read() as tx:
            parent = await get_eval(tx, SCOPE, "eval_1")
            run = await get_run(tx, SCOPE, "eval_1", "evalrun_1")
            file = await get_file(tx, SCOPE, "file-1", 100)
        theirs = await store_eval(database, parent, OTHER)
        their_run = await store_run(database, replace(run, eval_key=theirs.key, scope=OTHER))
        their_file = await store_file(database, replace(file, expires_at=None), OTHER)

    assert (theirs.id, their_run.id, their_file.id) == (parent.id, run.id, file.id)
    assert parent.key != theirs.key
    assert run.key != their_run.key


def state_at(url: URL, revision: str) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """Return rows and schema of a database that is upgraded to a revision, with a transaction for each step."""
    engine = sync_engine(url)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        config = _alembic_config()
        config.attributes["connection"] = connection
        for step in REVISIONS[1 : REVISIONS.index(revision) + 1]:
            command.upgrade(config, step)
        connection.commit()
    engine.dispose()
    return read_rows(url), read_schema(url)


class Interruption(BaseException):
    """Stands for the end of the process."""


def upgrade_cut_short(url: URL, after: int) -> bool:
    """Upgrade a database and end before the statement with this number; False: it needs fewer."""
    count = 0

    def interrupt(*_: object) -> None:
        nonlocal count
        if count == after:
            raise Interruption
        count += 1

    event.listen(Engine, "before_cursor_execute", interrupt)
    try:
        upgrade_database(url)
    except (Interruption, PendingRollbackError):  # Alembic would still clean up, which a dead process does not
        return True
    finally:
        event.remove(Engine, "before_cursor_execute", interrupt)
    return False


@pytest.mark.proof
@pytest.mark.timeout(600)  # whole, about 200 databases are made and upgraded
def test_an_upgrade_that_is_cut_short_anywhere_changes_nothing_and_is_made_again(
    new_url: Callable[[], URL], database_kind: str
) -> None:
    # PostgreSQL's transactions always included schema changes, and it takes long to make a new database.
    step = SIZES.upgrade_cuts_apart if database_kind == "sqlite" else 3 * SIZES.upgrade_cuts_apart
    states = {revision: state_at(new_url(), revision) for revision in REVISIONS}
    after, found = SEED % step, set[str | None]()
    while True:
        url = new_url()
        if not upgrade_cut_short(url, after):
            break
        revision = schema_revisions(url)[0]
        found.add(revision)
        assert revision is not None
        assert (read_rows(url), read_schema(url)) == states[revision]
        upgrade_database(url)
        assert (read_rows(url), read_schema(url)) == states[REVISIONS[-1]]
        after += step

    assert after > 10
    assert "0004" in found
