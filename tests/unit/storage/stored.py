"""A migrated database for a test, and objects to store in it."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import URL, insert, select

from evalhaven.domain.criteria import Criteria
from evalhaven.domain.data_sources import DataSource
from evalhaven.domain.evals import Eval, answered_config
from evalhaven.domain.files import StoredFile
from evalhaven.domain.ids import EvalId, FileId, OutputItemId, RunId
from evalhaven.domain.output_items import Grade, OutputItem
from evalhaven.domain.runs import Run
from evalhaven.domain.samples import NO_SAMPLE, Sample
from evalhaven.domain.scopes import DEFAULT_PROJECT, ProjectScope
from evalhaven.domain.statuses import RunStatus
from evalhaven.storage.blobs import BlobStore
from evalhaven.storage.database import Database, open_database
from evalhaven.storage.eval_writes import insert_eval
from evalhaven.storage.evals import get_eval
from evalhaven.storage.files import get_file, insert_file
from evalhaven.storage.local_blobs import LocalBlobStore
from evalhaven.storage.run_writes import insert_run, save_status
from evalhaven.storage.runs import get_run
from evalhaven.storage.tables import files, projects, runs
from tests.unit.written import config_of

OTHER_PROJECT = ProjectScope(project_id=2)
PASSED = Grade(score=1.0, passed=True)
FAILED = Grade(score=0.0, passed=False)


@pytest.fixture
async def database(database_url: URL) -> AsyncGenerator[Database]:
    """Open this test's own database."""
    async with opened(database_url) as database:
        yield database


@pytest.fixture
async def sqlite_database(sqlite_database_url: URL) -> AsyncGenerator[Database]:
    """Open this test's own SQLite database, for facts about SQLite alone."""
    async with opened(sqlite_database_url) as database:
        yield database


@pytest.fixture
async def postgresql_database(postgresql_database_url: URL) -> AsyncGenerator[Database]:
    """Open this test's own PostgreSQL database, for facts about PostgreSQL alone."""
    async with opened(postgresql_database_url) as database:
        yield database


def blob_path(blobs: BlobStore, name: str, scope: ProjectScope = DEFAULT_PROJECT) -> Path:
    """Return the path of a blob of a local store, or where to put one behind the store's back."""
    assert isinstance(blobs, LocalBlobStore)
    path = blobs.path(scope, name)
    path.parent.mkdir(exist_ok=True)
    return path


@asynccontextmanager
async def opened(url: URL) -> AsyncGenerator[Database]:
    """Open a migrated database and close it."""
    database = open_database(url)
    try:
        yield database
    finally:
        await database.close()


def make_eval(number: int = 1, criteria: Sequence[dict[str, Any]] = (), **more: Any) -> Eval:
    """Return an eval; the number makes its id."""
    config = answered_config(config_of({"type": "custom", "item_schema": {"type": "object"}}))
    return replace(
        Eval(EvalId(f"eval_{number:032x}"), 100, 100, "An eval", {"a": "b"}, config, Criteria(criteria)),
        **more,
    )


def make_run(
    parent: Eval,
    number: int = 1,
    scope: ProjectScope = DEFAULT_PROJECT,
    data_source: dict[str, Any] | None = None,
    **more: Any,
) -> Run:
    """Return a run of a stored eval; the number makes its id."""
    source = DataSource(data_source or {"type": "jsonl", "source": {"type": "file_content", "content": []}})
    return replace(
        Run(RunId(f"evalrun_{number:032x}"), parent.id, parent.key, scope, 100, "A run", "", {}, source),
        **{"has_inline_rows": True, **more},
    )


def make_file(number: int = 1, **more: Any) -> StoredFile:
    """Return an uploaded file; the number makes its id."""
    return replace(StoredFile(FileId(f"file-{number:022d}"), 100, None, "rows.jsonl", "evals", 10), **more)


def make_item(
    position: int, grades: Sequence[Grade] = (PASSED,), sample: Sample = NO_SAMPLE, **more: Any
) -> OutputItem:
    """Return an output item; its id is made of its position and repeat unless it is given."""
    repeat = more.get("repeat", 0)
    text = f'{{"n":{position}}}'
    item = OutputItem(
        id=OutputItemId(f"outputitem_{100:08x}{repeat:08x}{position:016x}"),
        position=position,
        repeat=repeat,
        created_at=100,
        item_text=text,
        item_hash=sha256(text.encode()).digest(),
        sample=sample,
        grades=list(grades),
    )
    return msgspec.structs.replace(item, **more)


async def store_eval(database: Database, new: Eval | None = None, scope: ProjectScope = DEFAULT_PROJECT) -> Eval:
    """Store an eval and return it with its key."""
    new = new or make_eval()
    async with database.write() as tx:
        await insert_eval(tx, scope, new)
        return await get_eval(tx, scope, new.id)


async def store_run(database: Database, new: Run) -> Run:
    """Store a run and return it with its key; one that is not queued has its status stored too."""
    async with database.write() as tx:
        await insert_run(tx, new.scope, new)
        of_run = (runs.c.public_id == new.id) & (runs.c.project_id == new.scope.project_id)
        key = (await tx.execute(select(runs.c.key).where(of_run))).scalar_one()
        if new.status is not RunStatus.QUEUED:
            await save_status(tx, new.scope, replace(new, key=key), new.created_at)
        return await get_run(tx, new.scope, new.eval_id, new.id)


async def store_active_run(database: Database, parent: Eval | None = None, **more: Any) -> Run:
    """Store a run that is in progress, and its eval if there is none."""
    parent = parent or await store_eval(database)
    return await store_run(database, replace(make_run(parent, status=RunStatus.IN_PROGRESS), **more))


async def store_file(
    database: Database, new: StoredFile | None = None, scope: ProjectScope = DEFAULT_PROJECT
) -> StoredFile:
    """Store a file's record and return it with its key."""
    new = new or make_file()
    async with database.write() as tx:
        await insert_file(tx, scope, new)
        of_file = (files.c.public_id == new.id) & (files.c.project_id == scope.project_id)
        key = (await tx.execute(select(files.c.key).where(of_file))).scalar_one()
        return (
            replace(new, key=key) if new.expires_at is not None else await get_file(tx, scope, new.id, new.created_at)
        )


async def add_project(database: Database, scope: ProjectScope = OTHER_PROJECT) -> None:
    """Store a second project."""
    async with database.write() as tx:
        values = {"id": scope.project_id, "public_id": f"proj_{scope.project_id}", "name": "Other", "created_at": 0}
        await tx.execute(insert(projects).values(values))
