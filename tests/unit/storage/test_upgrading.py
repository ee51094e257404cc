"""Facts about upgrades of PostgreSQL: others wait behind one for a moment at most, and an older release goes on."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import structlog
from alembic import command
from sqlalchemy import URL
from structlog.testing import capture_logs

from evalhaven.app.stores import StartError
from evalhaven.app.upgrade import upgraded_database
from evalhaven.settings import Settings
from evalhaven.storage.database import postgresql_url, sync_engine
from evalhaven.storage.revisions import UnusableDatabaseError, newest_revision, schema_revisions
from evalhaven.storage.schema import _UPGRADE_LOCK, UpgradePatience, _alembic_config, upgrade_database
from tests.databases import PostgresServer

_BEFORE = "0011"  # the next step adds a column to a table in use
_SHORT = UpgradePatience(lock_timeout_s=0.3, pause_s=0.3)
_MARK = "UPDATE projects SET tried_at = coalesce(tried_at, 0) + 1"
_RUN = """
INSERT INTO runs (project_id, eval_key, public_id, created_at, updated_at, status, name, model, metadata, data_source,
    warnings)
SELECT 1, 1, 'evalrun_' || count(*), 1, 1, 'completed', '"r"', '""', '{}', '{}', '[]' FROM runs
"""
_EVAL = """
INSERT INTO evals (key, project_id, public_id, created_at, updated_at, name, metadata, data_source_config,
    testing_criteria, warnings)
VALUES (1, 1, 'eval_1', 1, 1, '"e"', '{}', '{"type":"logs"}', '[]', '[]')
"""


@pytest.fixture
def older(postgres: PostgresServer) -> str:
    """The address of a database as the release before this one left it."""
    address = postgres.new_database()
    engine = sync_engine(postgresql_url(address))
    with engine.connect() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, _BEFORE)
        connection.commit()
        connection.exec_driver_sql(_EVAL)
        connection.commit()
    engine.dispose()
    return address


def revision_of(address: str) -> str | None:
    return schema_revisions(postgresql_url(address))[0]


def wait_for(is_so: threading.Event) -> None:
    assert is_so.wait(60)


class Refusals:
    """Counts how often an upgrade was held up, and tells when it has been a few times."""

    def __init__(self, enough: int) -> None:
        self._left = enough
        self.are_enough = threading.Event()

    def __call__(self, _logger: object, _name: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if entry["event"] == "upgrade_held_up":
            self._left -= 1
            if self._left <= 0:
                self.are_enough.set()
        return entry


def test_others_write_while_a_long_transaction_holds_up_the_upgrade_which_is_made_afterwards(
    older: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = Refusals(enough=3)
    logger = structlog.wrap_logger(structlog.ReturnLogger(), [refusals, drop])

    def get_logger(_name: str) -> structlog.typing.WrappedLogger:
        return logger

    monkeypatch.setattr(structlog, "get_logger", get_logger)
    with (
        psycopg.connect(older) as long,
        # Behind a statement that waits for a lock without limit, this one would give up.
        psycopg.connect(older, autocommit=True, options="-c lock_timeout=20s") as writer,
        ThreadPoolExecutor() as threads,
    ):
        long.execute("SELECT count(*) FROM runs")
        upgrading: Future[None] = threads.submit(upgrade_database, postgresql_url(older), _SHORT)
        written = 0
        while not refusals.are_enough.is_set():
            writer.execute(_RUN)
            written += 1
        assert not upgrading.done()
        assert revision_of(older) == _BEFORE
        long.rollback()
        upgrading.result(60)
        # The older release goes on, and what it writes is what it was before.
        writer.execute(_RUN)
        rows = writer.execute("SELECT count(*), min(format), max(format) FROM runs").fetchone()

    assert revision_of(older) == newest_revision()
    assert rows == (written + 1, 1, 1)
    assert written > 3


def drop(_logger: object, _name: str, _entry: structlog.typing.EventDict) -> str:
    return ""


def test_an_upgrade_that_is_held_up_for_too_long_names_who_holds_the_locks(older: str) -> None:
    with psycopg.connect(older, application_name="nightly report") as long:
        long.execute("SELECT count(*) FROM runs")
        with pytest.raises(UnusableDatabaseError) as given_up:
            upgrade_database(postgresql_url(older), UpgradePatience(lock_timeout_s=0.1, pause_s=0.0, for_s=0.0))
        holder = long.info.backend_pid
    assert f"{holder} (nightly report)" in str(given_up.value)
    assert revision_of(older) == _BEFORE
    upgrade_database(postgresql_url(older))
    assert revision_of(older) == newest_revision()


def test_of_two_that_start_at_once_one_upgrades_and_the_other_says_that_it_waits(older: str) -> None:
    with psycopg.connect(older, autocommit=True) as first, capture_logs() as logs, ThreadPoolExecutor() as threads:
        first.execute("SELECT pg_advisory_lock(%s)", [_UPGRADE_LOCK])
        second = threads.submit(upgrade_database, postgresql_url(older))
        deadline = time.monotonic() + 60
        while not logs and time.monotonic() < deadline:
            time.sleep(0.02)
        # Whoever waits has no transaction open that the other one would have to wait for.
        others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
        open_ = {row[0] for row in [first.execute(others).fetchone() for _ in range(20)] if row is not None}
        assert revision_of(older) == _BEFORE
        first.execute("SELECT pg_advisory_unlock(%s)", [_UPGRADE_LOCK])
        second.result(60)

    assert [entry["event"] for entry in logs] == ["waiting_for_upgrade"]
    assert min(open_) == 1, "its own"
    assert revision_of(older) == newest_revision()


def newer_database(postgres: PostgresServer, oldest_revision: str) -> URL:
    address = postgres.new_database()
    upgrade_database(postgresql_url(address))
    with postgres.connected(address) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9998'")
        connection.execute("UPDATE compatibility SET oldest_revision = %s", [oldest_revision])
    return postgresql_url(address)


def test_a_release_uses_the_database_of_the_next_one_while_that_allows_it(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = newer_database(postgres, newest_revision())
    with capture_logs() as logs:
        assert upgraded_database(_settings(tmp_path, url)) == url

    assert [(entry["event"], entry["revision"]) for entry in logs] == [("newer_database", "9998")]
    assert schema_revisions(url)[0] == "9998"


def test_a_database_from_which_something_was_removed_refuses_the_releases_that_used_it(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = newer_database(postgres, "9997")
    with pytest.raises(StartError, match="newer release"):
        upgraded_database(_settings(tmp_path, url))


def _settings(directory: Path, url: URL) -> Settings:
    address = url.render_as_string(hide_password=False)
    return Settings.model_validate({"data_dir": directory / "data", "database_url": address})
