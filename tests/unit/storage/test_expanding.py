"""Facts about steps of the schema: the release before goes on beside each, and nobody waits for a large table."""

import re
from importlib import import_module
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import URL, create_engine, text

from evalhaven.storage.database import postgresql_url, sqlite_url, sync_engine
from evalhaven.storage.schema import _alembic_config, _begin_transactions
from tests.databases import PostgresServer
from tests.unit.storage.expanding import Schema, losses, schema_of, slow_statements, unlawful

_VERSIONS = "src/evalhaven/storage/migrations/versions"
# Before that no release was followed by another one beside it.
_FIRST_STEP = "0006"
_FIRST_CHECKED = "0010"


@pytest.fixture
def empty_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> URL:
    if database_kind == "sqlite":
        return sqlite_url(tmp_path / "evalhaven.db")
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgresql_url(postgres.new_database())


def test_no_step_takes_away_what_the_release_before_uses(empty_url: URL, repository: Path) -> None:
    releases = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (repository / "CHANGELOG.md").read_text(), re.MULTILINE)
    steps = [each.revision for each in ScriptDirectory.from_config(_alembic_config()).walk_revisions()][::-1]
    engine = sync_engine(empty_url)
    if engine.dialect.name == "sqlite":
        _begin_transactions(engine)
    wrong: dict[str, list[str]] = {}
    with engine.connect() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, steps[steps.index(_FIRST_STEP) - 1])
        before, oldest = schema_of(connection), ""
        connection.commit()
        for step in steps[steps.index(_FIRST_STEP) :]:
            command.upgrade(config, step)
            after, oldest_before = schema_of(connection), oldest
            if "compatibility" in after.tables:
                oldest = connection.execute(text("SELECT oldest_revision FROM compatibility")).scalar_one()
            connection.commit()
            (module,) = [path.stem for path in (repository / _VERSIONS).glob(f"{step}_*.py")]
            contracts = getattr(import_module(f"evalhaven.storage.migrations.versions.{module}"), "contracts", {})
            found = unlawful(losses(before, after), contracts, releases, raises_oldest=oldest > oldest_before)
            if found:
                wrong[step] = found
            before = after
    engine.dispose()

    assert len(steps) > 6
    assert wrong == {}


# Nobody could subscribe to events before there were webhooks.
_UNUSED = {"0015_webhooks.py": ("subscribers", "deliveries")}


def test_no_step_makes_writers_wait_for_a_large_table(repository: Path) -> None:
    steps = [path for path in (repository / _VERSIONS).glob("[0-9]*.py") if path.name >= _FIRST_CHECKED]
    found = {path.name: list(slow_statements(path.read_text(), _UNUSED.get(path.name, ()))) for path in steps}

    assert len(found) >= 3
    assert {name: slow for name, slow in found.items() if slow} == {}


_MADE = "CREATE TABLE t (a INTEGER NOT NULL, b TEXT, c TEXT NOT NULL DEFAULT 'x')"


def _schema(*statements: str) -> Schema:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        return schema_of(connection)


@pytest.mark.parametrize(
    ("changed", "lost"),
    [
        ([_MADE, "ALTER TABLE t DROP COLUMN b"], {"t.b": "is gone"}),
        ([_MADE, "ALTER TABLE t RENAME COLUMN b TO d"], {"t.b": "is gone"}),
        ([_MADE, "DROP TABLE t"], {"t": "is gone"}),
        ([_MADE, "ALTER TABLE t RENAME TO u"], {"t": "is gone"}),
        ([_MADE.replace("b TEXT", "b INTEGER")], {"t.b": "was TEXT and is INTEGER"}),
        ([_MADE.replace("b TEXT", "b TEXT NOT NULL")], {"t.b": "must have a value from now on"}),
        ([_MADE.replace(" DEFAULT 'x'", "")], {"t.c": "has no value by itself any more"}),
        (
            [_MADE.replace(")", ", d TEXT NOT NULL)")],
            {"t.d": "is new and needs a value, which the release before does not give"},
        ),
        ([_MADE, "CREATE UNIQUE INDEX u ON t (b)"], {"t.b": "has to be unique from now on"}),
        ([_MADE, "ALTER TABLE t ADD COLUMN d TEXT NOT NULL DEFAULT ''", "CREATE INDEX i ON t (b)"], {}),
        ([_MADE, "ALTER TABLE t ADD COLUMN d TEXT", "CREATE TABLE u (a INTEGER NOT NULL)"], {}),
    ],
)
def test_what_a_step_takes_away_is_found(changed: list[str], lost: dict[str, str]) -> None:
    assert losses(_schema(_MADE), _schema(*changed)) == lost


_LOST = {"t.b": "is gone"}


@pytest.mark.parametrize(
    ("contracts", "releases", "raises_oldest", "is_lawful"),
    [
        ({}, ["0.3.0", "0.2.0"], True, False),
        ({"t.b": "0.3.0"}, ["0.3.0", "0.2.0"], True, False),
        ({"t.b": "0.2.0"}, ["0.3.0", "0.2.0"], False, False),
        ({"t.b": "0.2.0"}, ["0.3.0", "0.2.0"], True, True),
        ({"t.b": "0.2.0"}, [], True, False),
    ],
)
def test_what_the_release_before_the_last_used_may_go_if_that_release_is_shut_out(
    contracts: dict[str, str], releases: list[str], *, raises_oldest: bool, is_lawful: bool
) -> None:
    found = unlawful(_LOST, contracts, releases, raises_oldest=raises_oldest)

    assert (found == []) is is_lawful


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ('op.create_index("i", "runs", ["a"])', 1),
        ('op.create_index("i", "runs", ["a"], postgresql_concurrently=True)', 0),
        ('op.create_table("new", a)\nop.create_index("i", "new", ["a"])', 0),
        ('op.create_foreign_key("f", "runs", "evals", ["a"], ["b"])', 1),
        ('op.create_foreign_key("f", "runs", "evals", ["a"], ["b"], postgresql_not_valid=True)', 0),
        ('op.create_check_constraint("c", "runs", "a > 0")', 1),
        ('op.execute("UPDATE runs SET a = 1")', 1),
        ('op.add_column("runs", a)\nop.add_column("runs", b)', 0),
        ('op.add_column("runs", a)\nop.add_column("evals", b)', 1),
    ],
)
def test_what_makes_writers_wait_is_found(source: str, count: int) -> None:
    assert len(list(slow_statements(source))) == count
