"""Facts about what each round drops, on both stores: what the server does not keep, and what projects do not."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import structlog.testing
from sqlalchemy import URL

from evalhaven.app.retention import drop_once
from evalhaven.domain.scopes import DEFAULT_PROJECT, EngineScope, ProjectScope
from evalhaven.settings import Settings
from evalhaven.storage.access.retention import find_kept_days, list_kept_days, save_kept_days
from evalhaven.storage.database import Database
from tests.unit.domain.still_clock import StillClock
from tests.unit.logs.logged import DAY_S, NOON, chat, ids, opened_store
from tests.unit.storage.stored import OTHER_PROJECT, add_project, database

__all__ = ["database"]

AGES = (0, 7, 8, 30, 31)


async def keep(database: Database, scope: ProjectScope, days: int | None) -> None:
    async with database.write() as tx:
        await save_kept_days(tx, scope, days)


async def test_each_project_keeps_its_calls_for_its_days_and_none_for_longer_than_the_server(
    database: Database, database_url: URL, tmp_path: Path
) -> None:
    await add_project(database)
    settings = Settings.model_validate({"data_dir": tmp_path, "log_days": 30})
    async with opened_store(database_url, tmp_path / "logs") as store:
        for scope in (DEFAULT_PROJECT, OTHER_PROJECT):
            await store.add([chat(age, NOON - age * DAY_S, scope=scope) for age in AGES])
        await keep(database, DEFAULT_PROJECT, 7)
        await keep(database, OTHER_PROJECT, 40)
        with structlog.testing.capture_logs() as lines:
            await drop_once(store, database, settings, StillClock(NOON))

        assert await ids(store) == ["chatcmpl-0", "chatcmpl-7"]
        assert await ids(store, scope=OTHER_PROJECT) == ["chatcmpl-0", "chatcmpl-7", "chatcmpl-8", "chatcmpl-30"]
        assert [(line.get("project"), line.get("calls"), line["event"]) for line in lines] == [
            (None, None, "logged_calls_dropped"),
            (1, 2, "logged_calls_dropped"),
        ]

        await keep(database, DEFAULT_PROJECT, None)
        await keep(database, OTHER_PROJECT, 7)
        with structlog.testing.capture_logs() as lines:
            await drop_once(store, database, settings, StillClock(NOON))
        assert await ids(store) == ["chatcmpl-0", "chatcmpl-7"]
        assert await ids(store, scope=OTHER_PROJECT) == ["chatcmpl-0", "chatcmpl-7"]
        assert [each.day for each in (await store.measure()).days] == ["2025-11-26", "2025-11-19"]
        assert [line["calls"] for line in lines] == [2]


async def test_what_a_project_says_replaces_what_it_said_before(database: Database) -> None:
    await add_project(database)
    for days in (7, 3, None, 5):
        await keep(database, DEFAULT_PROJECT, days)
        assert await database.fetch(lambda tx: find_kept_days(tx, DEFAULT_PROJECT)) == days
        assert await database.fetch(lambda tx: find_kept_days(tx, OTHER_PROJECT)) is None
    assert await database.fetch(lambda tx: list_kept_days(tx, EngineScope())) == {DEFAULT_PROJECT: 5}


async def test_a_project_whose_calls_cannot_be_dropped_holds_up_no_other(
    database: Database, database_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_project(database)
    async with opened_store(database_url, tmp_path / "logs") as store:
        drop_calls = store.drop_calls

        def fail_once(scope: ProjectScope, /, *, before_day: str) -> AsyncGenerator[int]:
            if scope == DEFAULT_PROJECT:
                raise OSError("the disk is full")
            return drop_calls(scope, before_day=before_day)

        monkeypatch.setattr(store, "drop_calls", fail_once)
        await store.add([chat(8, NOON - 8 * DAY_S, scope=scope) for scope in (DEFAULT_PROJECT, OTHER_PROJECT)])
        for scope in (DEFAULT_PROJECT, OTHER_PROJECT):
            await keep(database, scope, 7)
        settings = Settings.model_validate({"data_dir": tmp_path})
        with structlog.testing.capture_logs() as lines:
            await drop_once(store, database, settings, StillClock(NOON))
        assert await ids(store) == ["chatcmpl-8"]
        assert await ids(store, scope=OTHER_PROJECT) == []
    assert [(line["event"], line["project"], line.get("reason")) for line in lines] == [
        ("logged_calls_not_dropped", 1, "the disk is full"),
        ("logged_calls_dropped", 2, None),
    ]
