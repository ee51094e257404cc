"""Servers with keys for tests: two projects, and a key of each kind."""

import contextlib
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import httpx2
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from evalhaven.access.permissions import OF_ROLES, Role
from evalhaven.api.access.making import make_admin_key, make_key
from evalhaven.domain.clock import Clock
from evalhaven.domain.ids import IdFactory
from evalhaven.domain.scopes import DEFAULT_PROJECT, OrganizationScope, ProjectScope
from evalhaven.storage.access.keys import insert_key, revoke_key
from evalhaven.storage.access.members import insert_member
from evalhaven.storage.access.people import Person, get_person, insert_person
from evalhaven.storage.database import open_database, postgresql_url, sqlite_url
from evalhaven.storage.schema import upgrade_database
from evalhaven.storage.tables import projects
from tests.server import Server

OTHER = ProjectScope(2)
OTHER_ID = "proj_other"
_DAY_S = 86_400


@dataclass(frozen=True)
class Keys:
    """The secrets of keys, by what they are."""

    viewer: str
    editor: str
    admin: str
    organization: str
    foreign: str
    revoked: str
    expired: str
    wrong: str


def store_keys(data_dir: Path, database_url: str | None = None) -> Keys:
    """Make the database of a server that has not been started, with a second project, and keys in it."""
    data_dir.mkdir(mode=0o700, exist_ok=True)
    url = sqlite_url(data_dir / "evalhaven.db") if database_url is None else postgresql_url(database_url)
    upgrade_database(url)

    async def store() -> Keys:
        database, ids, now = open_database(url), IdFactory(Clock()), int(time.time())
        made: dict[str, str] = {"wrong": ids.new_secret("sk-")}
        async with database.write() as tx:
            values = {"id": OTHER.project_id, "public_id": OTHER_ID, "name": "Other", "created_at": now}
            await tx.execute(insert(projects).values(values))
            if database_url is not None:
                await tx.execute(text("SELECT setval(pg_get_serial_sequence('projects', 'id'), 2)"))
            for name, role, scope in (
                ("viewer", Role.VIEWER, DEFAULT_PROJECT),
                ("editor", Role.EDITOR, DEFAULT_PROJECT),
                ("admin", Role.ADMIN, DEFAULT_PROJECT),
                ("foreign", Role.ADMIN, OTHER),
                ("revoked", Role.ADMIN, DEFAULT_PROJECT),
                ("expired", Role.ADMIN, DEFAULT_PROJECT),
            ):
                key, made[name] = make_key(ids, name, OF_ROLES[role], now)
                await insert_key(tx, scope, replace(key, expires_at=now - _DAY_S) if name == "expired" else key)
                if name == "revoked":
                    await revoke_key(tx, scope, key.id, now)
            await _store_member(tx, ids, now)
            key, made["organization"] = make_admin_key(ids, "organization", now)
            await insert_key(tx, OrganizationScope(), key)
        await database.close()
        return Keys(**made)

    # Where Playwright is at work, its own event loop runs in this thread.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(anyio.run, store).result()


async def _store_member(tx: AsyncConnection, ids: IdFactory, now: int) -> None:
    """Store a person who is a member of the first project."""
    organization = OrganizationScope()
    person = Person(ids.new_person_id(), "https://id.example", "dora", None, "Dora", False, now)
    await insert_person(tx, organization, person)
    stored = await get_person(tx, organization, person.id)
    await insert_member(tx, DEFAULT_PROJECT, stored.key, Role.VIEWER, now)


@contextlib.contextmanager
def server_with_keys(
    directory: Path, database_url: str | None = None, **environment: str
) -> Generator[tuple[Server, Keys]]:
    """Run a server with two projects and keys."""
    server = Server(directory, database_url, EVALHAVEN_GATEWAY="on", **environment)
    keys = store_keys(server.data_dir, database_url)
    with server.running():
        yield server, keys


def client_of(server: Server, key: str | None, **headers: str) -> httpx2.Client:
    """Return a client that sends a key."""
    given = {} if key is None else {"authorization": f"Bearer {key}"}
    return httpx2.Client(base_url=server.url, headers={**given, **headers}, timeout=30, trust_env=False)
